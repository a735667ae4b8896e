"""`nanotrack batch` as its user meets it, with the engine that needs nothing else."""

import contextlib
import hashlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge.batch import worker
from edge.cli import main
from edge.motchallenge import read_tracks
from tests import tiny
from tests.batch import faults
from tests.field import PATIENCE_S

COMMAND = [sys.executable, "-m", "edge.cli", "batch"]


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder: three videos of two cameras with the same names, a folder of images, a file that is no video."""
    folder = tmp_path_factory.mktemp("recordings")
    for name, frames in (("cam1/001", 12), ("cam1/002", 30), ("cam2/001", 20)):
        path = folder / f"{name}.mp4"
        path.parent.mkdir(exist_ok=True)
        tiny.write_video(path, frames)
    tiny.write_images(folder / "pictures")
    (folder / "cam2" / "damaged.mp4").write_bytes(b"no video" * 100)
    (folder / "cam2" / "notes.txt").write_text("not a recording")
    return folder


GOOD = ["cam1/001", "cam1/002", "cam2/001", "pictures"]


def batch(*arguments: object) -> int:
    return main(["batch", *map(str, arguments)])


def files(folder: Path) -> dict[str, bytes]:
    """All files by name, without what is hidden."""
    paths = (path for path in folder.rglob("*") if path.is_file() and path.relative_to(folder).parts[0][0] != ".")
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def manifest(out: Path, name: str) -> Any:
    return json.loads((out / f"{name}.manifest.json").read_text())


def rows(out: Path, query: str) -> list[tuple[Any, ...]]:
    with contextlib.closing(sqlite3.connect(out / "summary.sqlite")) as database:
        return database.execute(query).fetchall()


def test_each_recording_has_its_results_and_the_damaged_one_its_reason(
    recordings: Path, tiny_pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert batch(recordings, "--model", tiny_pack, "--out", out, "--workers", 2) == 65
    for name in GOOD:
        found = manifest(out, name)
        tracks = out / f"{name}.txt"
        assert found["status"] == "done"
        assert found["results"] == [
            {
                "file": f"{name}.txt",
                "bytes": tracks.stat().st_size,
                "sha256": hashlib.sha256(tracks.read_bytes()).hexdigest(),
            }
        ]
        assert found["figures"]["identities"] == len(set(read_tracks(tracks).ids))
    assert set(files(out)) == {
        "summary.sqlite",
        "cam2/damaged.manifest.json",
        *(f"{name}{suffix}" for name in GOOD for suffix in (".txt", ".tracks.npz", ".manifest.json")),
    }
    video = recordings / "cam1" / "001.mp4"
    assert manifest(out, "cam1/001")["input"]["sha256"] == hashlib.sha256(video.read_bytes()).hexdigest()
    assert list((out / ".partial").iterdir()) == []
    said = capsys.readouterr()
    assert said.out.startswith("4 recordings done, 1 set aside; ")
    assert "cam2/damaged: data, 2 tries: " in said.out
    assert "expected a video" in said.out
    assert said.err == ""

    assert rows(out, "SELECT recording, status, frames FROM recordings ORDER BY recording") == [
        ("cam1/001", "done", 12),
        ("cam1/002", "done", 30),
        ("cam2/001", "done", 20),
        ("cam2/damaged", "failed", None),
        ("pictures", "done", 12),
    ]
    ((name, kind, tries),) = rows(out, "SELECT recording, kind, tries FROM failures")
    assert (name, kind, tries) == ("cam2/damaged", "data", 2)


def test_tracks_are_those_of_the_command_for_one_recording(recordings: Path, tiny_pack: Path, tmp_path: Path) -> None:
    video, out = recordings / "cam1" / "002.mp4", tmp_path / "out"
    for name, flags in (("plain", []), ("offline", ["--offline"])):
        alone = tmp_path / f"{name}.txt"
        assert main(["track", "--path", str(video), "--model", str(tiny_pack), "--mot", str(alone), *flags]) == 0
        assert batch(video, "--model", tiny_pack, "--out", out, *flags) == 0
        assert (out / "002.txt").read_bytes() == alone.read_bytes()


@pytest.mark.parametrize(
    "more", [["--format", "jsonl"], pytest.param(["--format", "parquet", "--offline"], marks=pytest.mark.slow)]
)
def test_the_same_bytes_whatever_the_workers(recordings: Path, tmp_path: Path, more: list[str]) -> None:
    if "parquet" in more:
        pytest.importorskip("pyarrow")
    pack = tiny.write_pack(tmp_path / "reid.pack", reid=True)
    flags = ["--model", pack, "--appearance", "ema", *more]
    for workers in (1, 3):
        assert batch(recordings, *flags, "--workers", workers, "--out", tmp_path / str(workers)) == 65
    one = files(tmp_path / "1")
    assert files(tmp_path / "3") == one
    assert len(one) == 3 * len(GOOD) + 2
    runs = {manifest(tmp_path / "1", name)["run"] for name in GOOD}
    assert len(runs) == len(GOOD)  # an identity is (run, id): none is that of another recording


def test_what_is_done_stays_and_only_what_changed_is_done_again(
    tiny_pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for name in ("a", "b", "c"):
        tiny.write_video(folder / f"{name}.mp4", 10)
    table = tmp_path / "table.csv"

    def again(zone: str = "", *flags: object) -> list[str]:
        """The names of the recordings that were tracked by another run."""
        table.write_text(f"path,zones\nin/a.mp4,\nin/b.mp4,{zone}\nin/c.mp4,\n")
        before = {path: path.stat().st_ino for path in out.rglob("*.txt")} if out.exists() else {}
        assert batch(table, "--model", tiny_pack, "--out", out, *flags) == 0
        return sorted(path.stem for path in out.rglob("*.txt") if before.get(path) != path.stat().st_ino)

    assert again() == ["a", "b", "c"]
    assert again() == []
    assert capsys.readouterr().out.count("0 recordings done, 3 unchanged since earlier") == 1
    zone = '"[{""name"": ""all"", ""points"": [[0, 0], [1, 0], [1, 1], [0, 1]]}]"'
    assert again(zone) == ["b"]
    assert (out / "b.counts.csv").exists()
    (out / "a.tracks.npz").unlink()  # only what counts anew needs it
    assert again(zone) == []
    assert again("", "--conf", "0.5") == ["a", "b", "c"]
    assert not (out / "b.counts.csv").exists()  # nothing of other settings stays
    (out / "a.txt").unlink()
    tiny.write_video(folder / "b.mp4", 11)
    os.utime(folder / "c.mp4")  # written anew, with the same content
    assert again("", "--conf", "0.5") == ["a", "b"]
    assert manifest(out, "c")["input"]["stamp"] == str((folder / "c.mp4").stat().st_mtime_ns)


def test_what_was_set_aside_is_tried_again_when_it_changed_or_when_asked_for(tiny_pack: Path, tmp_path: Path) -> None:
    video, out = tmp_path / "in.mp4", tmp_path / "out"
    video.write_bytes(b"nothing")
    flags = video, "--model", tiny_pack, "--out", out
    assert batch(*flags) == 65
    before = (out / "in.manifest.json").stat().st_ino
    assert batch(*flags) == 65
    assert (out / "in.manifest.json").stat().st_ino == before
    assert batch(*flags, "--retry-failed") == 65
    assert (out / "in.manifest.json").stat().st_ino != before  # a new one
    tiny.write_video(video, 5)
    assert batch(*flags) == 0
    assert rows(out, "SELECT * FROM failures") == []


@pytest.mark.slow
def test_poisonous_recordings_are_tried_twice_and_never_stop_the_rest(
    tiny_pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "CHILD", faults.CHILD)
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    video = tiny.write_video(folder / "good.mp4", 8)
    for name in ("crash", "exit", "endless", "hog", "victim", "unlucky", "hang"):
        shutil.copy(video, folder / f"{name}.mp4")
    (folder / "unlucky.once").touch()
    os.mkfifo(folder / "pipe.mp4")
    limits = "--time-limit", 10, "--memory-limit", 1000
    assert batch(folder, "--model", tiny_pack, "--out", out, "--workers", 2, *limits) == 65
    failures = {name: (kind, tries) for name, kind, tries in rows(out, "SELECT recording, kind, tries FROM failures")}
    assert failures == {
        "crash": ("crash", 2),
        "exit": ("crash", 2),
        "endless": ("time", 2),
        "hang": ("time", 2),
        "hog": ("memory", 2),
        "pipe": ("not found", 2),
        "victim": ("killed", 5),
    }
    reasons = dict(rows(out, "SELECT recording, reason FROM failures"))
    assert "SIGSEGV" in reasons["crash"]
    assert "last words" in reasons["exit"]
    assert "a named pipe" in reasons["pipe"]
    for name in ("good", "unlucky"):
        assert read_tracks(out / f"{name}.txt").frames.max() == 8
    assert list((out / ".partial").iterdir()) == []


@pytest.mark.slow
def test_a_recording_that_gives_no_frame_hangs(
    tiny_pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "CHILD", faults.CHILD)
    monkeypatch.setattr(worker, "STALL_S", 2.0)
    out = tmp_path / "out"
    assert batch(tiny.write_video(tmp_path / "hang.mp4", 8), "--model", tiny_pack, "--out", out) == 65
    assert rows(out, "SELECT kind, reason FROM failures") == [("hang", "gave no frame for 2 s")]


def test_a_crash_costs_one_recording(tiny_pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "CHILD", faults.CHILD)
    videos = [tiny.write_video(tmp_path / f"{name}.mp4", 8) for name in ("crash", "good")]
    out = tmp_path / "out"
    assert batch(*videos, "--model", tiny_pack, "--out", out, "--workers", 1) == 65
    assert manifest(out, "good")["status"] == "done"
    ((kind, reason),) = rows(out, "SELECT kind, reason FROM failures")
    assert (kind, "SIGSEGV" in reason) == ("crash", True)


def test_a_truncated_recording_has_no_half_result(tiny_pack: Path, tmp_path: Path) -> None:
    video = tiny.write_video(tmp_path / "long.avi", 200)
    video.write_bytes(video.read_bytes()[: video.stat().st_size // 2])
    out = tmp_path / "out"
    assert batch(video, "--model", tiny_pack, "--out", out) == 65
    assert set(files(out)) == {"long.manifest.json", "summary.sqlite"}
    assert "breaks off" in manifest(out, "long")["failure"]["reason"]


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_a_stop_leaves_whole_results_and_the_rest_for_later(tiny_pack: Path, tmp_path: Path, number: int) -> None:
    out = tmp_path / "out"
    long = "demo://?frames=100000&size=320x192"
    inputs = tmp_path / "list.txt"
    inputs.write_text(f"{tiny.write_video(tmp_path / 'short.mp4', 8)}\n# a remark\n{long}\n")
    command = [*COMMAND, str(inputs), "--model", str(tiny_pack), "--out", str(out), "--workers", "2"]
    run = subprocess.Popen(command, start_new_session=True, stdout=subprocess.PIPE, text=True)
    wait_for(lambda: (out / "short.manifest.json").exists() and len(list((out / ".partial").iterdir())) == 2)
    run.send_signal(number)
    said, _ = run.communicate(timeout=PATIENCE_S)
    assert run.returncode == 128 + number
    assert said.startswith("1 recording done, 0 set aside, 1 not done; ")
    assert rows(out, "SELECT recording, status FROM recordings") == [("short", "done")]
    assert not (out / "demo.txt").exists()
    inputs.write_text(f"{tmp_path / 'short.mp4'}\n")
    assert batch(inputs, "--model", tiny_pack, "--out", out) == 0
    assert list((out / ".partial").iterdir()) == []


def test_one_run_at_a_time_writes_there(tiny_pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    first = subprocess.Popen([*COMMAND, "demo://?frames=100000", "--model", str(tiny_pack), "--out", str(out)])
    try:
        wait_for(lambda: (out / ".partial").exists() and any((out / ".partial").iterdir()))
        assert batch("demo://?frames=3", "--model", tiny_pack, "--out", out) == 73
        assert "another nanotrack batch writes there" in capsys.readouterr().err
    finally:
        first.kill()
        first.wait()
    # Its worker died with it: nothing writes there any more.
    assert batch("demo://?frames=3&size=320x192", "--model", tiny_pack, "--out", out) == 0
    assert list((out / ".partial").iterdir()) == []


@pytest.mark.slow
def test_parts_of_an_array_are_the_whole(recordings: Path, tiny_pack: Path, tmp_path: Path) -> None:
    out, whole = tmp_path / "out", tmp_path / "whole"
    videos = sorted(recordings.glob("cam1/*.mp4")), "--model", tiny_pack
    flags = [*videos[0], "--model", tiny_pack]
    for part in ("1/2", "2/2"):
        assert batch(*flags, "--out", out, "--shard", part) == 0
        assert not (out / "summary.sqlite").exists()
    assert batch(*flags, "--out", out) == 0
    assert batch(*flags, "--out", whole) == 0
    assert files(out) == files(whole)


def test_counts_by_zone_and_hour_in_every_format(tiny_pack: Path, tmp_path: Path) -> None:
    """A square walks into a zone and over a line, in the second hour of the day that its recording touches."""
    writer = cv2.VideoWriter(str(tmp_path / "door.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 5, (128, 128))
    for left in range(8, 104, 2):
        image = np.zeros((128, 128, 3), np.uint8)
        image[64:80, left : left + 16] = 255
        writer.write(image)
    writer.release()
    areas = tmp_path / "areas.toml"
    areas.write_text(
        '[[zone]]\nname = "right"\npoints = [[0.5, 0.0], [1.0, 0.0], [1.0, 1.0], [0.5, 1.0]]\n'
        '[[line]]\nname = "middle"\npoints = [[0.5, 1.0], [0.5, 0.2]]\n'
    )
    table = tmp_path / "table.csv"
    table.write_text("path,starts,areas\ndoor.mp4,2026-11-30T07:59:59+01:00,areas.toml\n")
    out = tmp_path / "out"
    assert batch(table, "--model", tiny_pack, "--out", out) == 0
    counts = [line.split(",") for line in (out / "door.counts.csv").read_text().splitlines()]
    assert counts[0] == ["time_s", "id", "area", "name", "action", "dwell_s", "total"]
    actions = [(row[2], row[3], row[4]) for row in counts[1:]]
    assert ("zone", "right", "enter") in actions
    assert ("line", "middle", "in") in actions
    hours = rows(out, "SELECT hour, begins FROM hours ORDER BY hour")
    assert hours == [(0, "2026-11-30T07:00:00+01:00"), (1, "2026-11-30T08:00:00+01:00")]
    entered = sum(action == ("zone", "right", "enter") for action in actions)
    assert rows(out, "SELECT sum(entered) FROM zones") == [(entered,)]
    ((hour, count),) = rows(out, "SELECT hour, count FROM crossings WHERE direction = 'in'")
    assert (hour, count) == (1, sum(action == ("line", "middle", "in") for action in actions))

    assert batch(table, "--model", tiny_pack, "--out", out, "--format", "jsonl") == 0
    assert not (out / "door.txt").exists()
    assert not (out / "door.counts.csv").exists()
    lines = [json.loads(line) for line in (out / "door.jsonl").read_text().splitlines()]
    assert [(e["event"], e.get("zone") or e.get("line")) for e in lines if e.get("event") in ("zone", "line")] == [
        (area, name) for area, name, _ in actions
    ]
    assert lines[0]["t_utc"] == "2026-11-30T06:59:59.000Z"

    parquet = pytest.importorskip("pyarrow.parquet")
    assert batch(table, "--model", tiny_pack, "--out", out, "--format", "parquet") == 0
    found = parquet.read_table(out / "door.counts.parquet").to_pylist()
    assert [(row["area"], row["name"], row["action"]) for row in found] == actions
    boxes = parquet.read_table(out / "door.parquet")
    assert len(boxes) == sum(len(line["tracks"]) for line in lines if "frame" in line)


def door(path: Path) -> Path:
    """A video: a square walks from left to right, is away for two seconds, and walks again."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 5, (128, 128))
    for left in (*range(8, 104, 4), *[-16] * 10, *range(8, 104, 4)):
        image = np.zeros((128, 128, 3), np.uint8)
        image[64:80, max(left, 0) : left + 16] = 255
        writer.write(image)
    writer.release()
    return path


ZONES = (
    '[[zone]]\nname = "right"\npoints = [[0.5, 0.0], [1.0, 0.0], [1.0, 1.0], [0.5, 1.0]]\n',
    '[[zone]]\nname = "left"\npoints = [[0.1, 0.0], [0.4, 0.0], [0.4, 1.0], [0.1, 1.0]]\n'
    '[[line]]\nname = "middle"\npoints = [[0.5, 1.0], [0.5, 0.2]]\n',
)


@pytest.mark.parametrize(("format_", "passes"), [("mot", []), ("jsonl", []), ("parquet", ["--offline"])])
def test_other_zones_are_counted_in_the_tracks_that_are_known(
    format_: str, passes: list[str], tiny_pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No picture is looked at again, and every byte is that of a run that begins with these settings."""
    if format_ == "parquet":
        pytest.importorskip("pyarrow")
    door(tmp_path / "door.mp4")

    def run(out: str, zones: str, starts: str, *flags: str) -> dict[str, bytes]:
        (tmp_path / "areas.toml").write_text(zones)
        (tmp_path / "table.csv").write_text(f"path,starts,areas\ndoor.mp4,{starts},areas.toml\n")
        assert batch(tmp_path / "table.csv", "--model", tiny_pack, "--out", tmp_path / out, *passes, *flags) == 0
        return files(tmp_path / out)

    wanted = ZONES[1], "2026-11-30T07:59:59+01:00", "--format", format_
    before, whole = run("out", ZONES[0], ""), run("whole", *wanted)
    assert before != whole
    monkeypatch.setattr(worker, "CHILD", faults.BLIND)
    assert run("out", *wanted) == whole


def test_tracks_that_were_damaged_are_made_anew(tiny_pack: Path, tmp_path: Path) -> None:
    video, out = door(tmp_path / "door.mp4"), tmp_path / "out"
    flags = video, "--model", tiny_pack, "--out", out
    assert batch(*flags) == 0
    whole = files(out)
    (out / "door.tracks.npz").write_bytes(b"nothing")
    (out / "door.txt").unlink()
    assert batch(*flags) == 0
    assert files(out) == whole


@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        (["nowhere.mp4"], 66, "nowhere.mp4"),
        (["rtsp://camera/1"], 64, "a live stream is no recording"),
        (["demo://"], 64, "never ends"),
        (["demo://?frames=3", "--address", "auto"], 64, "--engine ray"),
        (["demo://?frames=3", "--shard", "3/2"], 64, "--shard 3/2"),
        (["demo://?frames=3", "--workers", "0"], 64, "--workers 0"),
        (["demo://?frames=3", "--conf", "2"], 64, "--conf 2"),
        (["demo://?frames=3", "--model", "nothing.pack"], 66, "nothing.pack"),
        (["demo://?frames=3", "--tracking-method", "nanotrak"], 64, "nanotrak"),
        (["."], 66, "expected recordings, found none"),
    ],
)
def test_mistakes_are_told_before_any_work(
    flags: list[str],
    code: int,
    said: str,
    tiny_pack: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert batch("--model", tiny_pack, "--out", "out", *flags) == code
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert said in error


@pytest.mark.parametrize(
    ("missing", "flags", "extra"),
    [
        ("ray", ["demo://?frames=3", "--engine", "ray"], "batch"),
        ("pyarrow", ["demo://?frames=3", "--format", "parquet"], "batch"),
        ("fsspec.core", ["s3://bucket/"], "batch"),
        ("pydantic", ["demo://?frames=3", "--areas", "areas.toml"], "service"),
    ],
)
def test_what_is_not_installed_is_named(
    missing: str,
    flags: list[str],
    extra: str,
    tiny_pack: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    for module in ("edge.batch.areas", "pyarrow.parquet"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    assert batch("--model", tiny_pack, "--out", tmp_path, *flags) == 69
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert f"pip install 'nanotrack-edge[{extra}]'" in error


def test_an_output_folder_that_cannot_be_written(tiny_pack: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert batch("demo://?frames=3", "--model", tiny_pack, "--out", tmp_path / "file") == 73


def test_a_model_that_is_replaced_meanwhile_stops_the_run(
    tiny_pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As on a cluster one of whose machines has another model under the same path."""
    pack = tmp_path / "pack.pack"
    shutil.copytree(tiny_pack, pack)
    from edge.batch import open as opening

    found = opening.open_settings

    def replaced(*arguments: Any) -> Any:
        opened = found(*arguments)
        shutil.rmtree(pack)
        tiny.write_pack(pack, reid=True)
        return opened

    monkeypatch.setattr(opening, "open_settings", replaced)
    assert batch("demo://?frames=3", "--model", pack, "--out", tmp_path / "out") == 69
    assert "another model" in capsys.readouterr().err


def wait_for(condition: Any) -> None:
    until_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < until_s, "it did not happen"
        time.sleep(0.05)
