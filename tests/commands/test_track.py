"""`nanotrack track` as its user meets it: outputs, exit codes, one sentence where something is wrong."""

import contextlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.cli import main
from edge.commands import opening
from edge.motchallenge import read_tracks
from edge.sinks.aside import CAPACITY
from tests import tiny
from tests.field import PATIENCE_S

COMMAND = [sys.executable, "-m", "edge.cli", "track"]


def count_frames(path: Path) -> int:
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    count = 0
    while capture.read()[0]:
        count += 1
    return count


def fails(capsys: pytest.CaptureFixture[str], code: int, *arguments: object) -> str:
    """Run `track`, check its exit code and that it says one sentence without traceback; the sentence."""
    assert main(["track", *map(str, arguments)]) == code
    error = capsys.readouterr().err
    assert error.startswith("nanotrack track: ")
    assert error.count("\n") == 1
    return error


def test_all_outputs_of_a_video(
    tiny_pack: Path, tiny_video: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    mot, jsonl, video = tmp_path / "o.txt", tmp_path / "o.jsonl", tmp_path / "o.mp4"
    outputs = ["--mot", mot, "--jsonl", jsonl, "--save", video]
    assert main(["track", "--path", str(tiny_video), "--model", str(tiny_pack), *map(str, outputs)]) == 0
    rows = read_tracks(mot)
    assert set(rows.frames) == set(range(1, 31))
    lines = [json.loads(line) for line in jsonl.read_text().splitlines()]
    frames = [line for line in lines if "frame" in line]
    assert [line["frame"] for line in frames] == list(range(1, 31))
    assert sum(len(line["tracks"]) for line in frames) == len(rows)
    assert {line["camera"] for line in lines} == {"squares"}
    assert {line["id"] for line in lines if "event" in line} == set(rows.ids)
    assert count_frames(video) == 30
    out, err = capfd.readouterr()
    assert err == ""  # no progress bar in a pipe
    assert out.startswith("30 frames: ")
    assert f"{len(set(rows.ids))} identities" in out
    for stage in ("decode", "preprocess", "infer", "decode+nms", "track", "mot", "jsonl", "video"):
        assert f"\n{stage} " in out


def test_the_summary_says_which_network_ran_and_how(
    tiny_pack: Path, tiny_video: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["track", "--path", str(tiny_video), "--model", str(tiny_pack)]
    assert main([*given, "--threads", "2"]) == 0
    said = capsys.readouterr().out
    assert max(map(len, said.splitlines())) <= 80
    joined = " ".join(said.split())
    assert "detector: NanoDet-Plus (ONNX) of tiny.onnx, 64x64, on onnxruntime-fp32 (onnxruntime " in joined
    assert "no_driver" not in joined  # what this board or pack does not have is no news
    assert "variant_missing" not in joined
    assert ("infer 2 " in said) == ("infer 2 and the like: 2 frames are detected at the same time" in said)
    assert main([*given, "--threads", "1", "--variant", "fp32"]) == 0
    assert "and the like" not in capsys.readouterr().out


def test_labels_show_classes_and_scores(tiny_pack: Path, tiny_video: Path, tmp_path: Path) -> None:
    given = ["track", "--path", str(tiny_video), "--model", str(tiny_pack), "--threads", "1"]
    pictures = []
    for labels in ("", "class", "class,score"):
        assert main([*given, "--save", str(tmp_path / "o.avi"), "--labels", labels]) == 0
        capture = cv2.VideoCapture(str(tmp_path / "o.avi"), cv2.CAP_FFMPEG)
        pictures.append([capture.read()[1] for _ in range(10)][-1])
    assert not np.array_equal(pictures[0], pictures[1])
    assert not np.array_equal(pictures[1], pictures[2])


def test_a_window_or_one_sentence_why_there_is_none(
    tiny_pack: Path, tiny_video: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ["--path", tiny_video, "--model", tiny_pack]
    if "NONE" in next(line for line in cv2.getBuildInformation().splitlines() if "GUI:" in line):
        assert "pip install opencv-python;" in fails(capsys, 69, *given, "--show")
    monkeypatch.setattr(cv2, "getBuildInformation", lambda: "  GUI:   GTK3")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert "needs a desktop" in fails(capsys, 69, *given, "--show")
    assert "--show needs pictures" in fails(capsys, 64, "--detections", "det.txt", "--show")
    assert "expected some of class,score" in fails(capsys, 64, *given, "--save", "o.mp4", "--labels", "colour")
    assert "add --save OUT.mp4, or --show" in fails(capsys, 64, *given, "--labels", "score")


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".ckpt", ".safetensors"])
def test_a_checkpoint_is_no_model(
    tiny_pack: Path, tiny_video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], suffix: str
) -> None:
    file = tmp_path / f"street{suffix}"
    file.write_bytes(b"weights")
    said = fails(capsys, 64, "--path", tiny_video, "--model", file)
    assert f"run nanotrack-export pack --detector {file} -o street.pack" in said
    said = fails(capsys, 64, "--path", tiny_video, "--model", tiny_pack, "--reid-model", file)
    assert f"run nanotrack-export pack --detector DETECTOR --reid {file}" in said


def test_the_same_input_gives_the_same_tracks(tiny_pack: Path, tiny_video: Path, tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt"):
        arguments = ["--path", tiny_video, "--model", tiny_pack, "--mot", tmp_path / name]
        assert main(["track", *map(str, arguments)]) == 0
    assert (tmp_path / "a.txt").read_bytes() == (tmp_path / "b.txt").read_bytes()


def test_frames_ends_the_run_early(tiny_pack: Path, tiny_video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["track", "--path", str(tiny_video), "--model", str(tiny_pack), "--frames", "7"]) == 0
    assert capsys.readouterr().out.startswith("7 frames: ")


def test_detect_every_tracks_all_frames_and_detects_in_some(
    tiny_pack: Path, tiny_video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--path", tiny_video, "--model", tiny_pack, "--mot", tmp_path / "o.txt", "--detect-every", 3]
    assert main(["track", *map(str, arguments)]) == 0
    assert set(read_tracks(tmp_path / "o.txt").frames) == set(range(1, 31))
    # Without --save the pictures in between are left out, which makes no difference to the tracks.
    assert (
        main(["track", *map(str, arguments), "--mot", str(tmp_path / "p.txt"), "--save", str(tmp_path / "p.mp4")]) == 0
    )
    assert (tmp_path / "p.txt").read_bytes() == (tmp_path / "o.txt").read_bytes()
    capsys.readouterr()
    assert "--detect-every 0: expected a number from 1" in fails(capsys, 64, *arguments[:-1], 0)
    assert "use preset default" in fails(
        capsys, 64, *arguments, "--tracking-method", "bytetrack", "--preset", "reference"
    )


def test_replayed_detections_need_no_video(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    det = tmp_path / "det.txt"
    lines = [f"{n},-1,{10 + n},20,30,80,0.9\n" for n in range(1, 21)]
    det.write_text("".join(lines[::-1]))
    assert main(["track", "--detections", str(det), "--mot", str(tmp_path / "o.txt")]) == 0
    rows = read_tracks(tmp_path / "o.txt")
    assert set(rows.ids) == {1}
    assert rows.frames[-1] == 20
    assert capsys.readouterr().out.startswith("20 frames: 1 track at most")


def test_replayed_detections_drawn_on_their_video(tiny_video: Path, tmp_path: Path) -> None:
    det = tmp_path / "det.txt"
    det.write_text("".join(f"{n},-1,8,16,32,32,0.9\n" for n in range(1, 31)))
    arguments = ["--detections", det, "--path", tiny_video, "--save", tmp_path / "o.mp4"]
    assert main(["track", *map(str, arguments)]) == 0
    assert count_frames(tmp_path / "o.mp4") == 30


def test_offline_writes_every_output_from_the_second_pass(
    tiny_video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    det = tmp_path / "det.txt"
    det.write_text("".join(f"{n},-1,{8 + n},16,32,32,0.35\n" for n in range(3, 31) if n not in (20, 21, 22)))
    given = ["track", "--detections", str(det), "--path", str(tiny_video)]
    outputs = {name: tmp_path / f"{name}.txt" for name in ("online", "offline")}
    assert main([*given, "--mot", str(outputs["online"])]) == 0
    assert read_tracks(outputs["online"]).frames[0] > 3
    capsys.readouterr()
    jsonl, video = tmp_path / "o.jsonl", tmp_path / "o.mp4"
    more = ["--offline", "--mot", outputs["offline"], "--jsonl", jsonl, "--save", video]
    assert main([*given, *map(str, more)]) == 0
    rows = read_tracks(outputs["offline"])
    assert rows.frames.tolist() == list(range(3, 31))
    assert set(rows.ids) == {1}
    lines = [json.loads(line) for line in jsonl.read_text().splitlines()]
    assert [line["frame"] for line in lines if line.get("tracks")] == list(range(3, 31))
    assert count_frames(video) == 30
    assert capsys.readouterr().out.startswith("30 frames: 1 track at most")


def test_offline_of_a_part_and_of_what_breaks_off(
    tiny_pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, mot = tmp_path / "half.avi", tmp_path / "o.txt"
    whole = tiny.write_video(tmp_path / "whole.avi", frames=60)
    given = ["--model", str(tiny_pack), "--offline", "--mot", str(mot)]
    assert main(["track", "--path", str(whole), *given, "--frames", "20"]) == 0
    assert capsys.readouterr().out.startswith("20 frames: ")
    assert set(read_tracks(mot).frames) == set(range(1, 21))
    content = whole.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    assert main(["track", "--path", str(path), *given]) == 65
    out, err = capsys.readouterr()
    assert "breaks off" in err
    assert out.startswith(f"{read_tracks(mot).frames[-1]} frames: ")


class TestWrongUsage:
    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            ([], "--path SOURCE or --detections"),
            (["--path", "a.mp4"], "--model PACK"),
            (["--path", "a.mp4", "--model", "m", "--detections", "d"], "exclude each other"),
            (["--detections", "d.txt", "--save", "o.mp4"], "--save needs pictures"),
            (["--path", "rtsp://u:p@h/x", "--model", "m", "--offline"], "cannot be read twice; record it"),
            (["--path", "/dev/null", "--model", "m", "--offline"], "/dev/null cannot be read twice"),
            (["--path", "demo://?people=2", "--model", "m", "--offline"], "never ends; add frames=300"),
            (["--path", "a.mp4", "--model", "m", "--conf", "1.5"], "--conf 1.5"),
            (["--path", "a.mp4", "--model", "m", "--threads", "0"], "--threads 0"),
            (["--path", "a.mp4", "--model", "m", "--frames", "0"], "--frames 0"),
            (["--path", "a.mp4", "--model", "m", "--frame-rate", "nan"], "--frame-rate nan"),
            (["--path", "a.mp4", "--model", "m", "--mot", "o.txt", "--jsonl", "o.txt"], "o.txt: named twice"),
        ],
    )
    def test_flags_that_do_not_fit(
        self, capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
    ) -> None:
        assert sentence in fails(capsys, 64, *arguments)

    def test_an_output_never_replaces_the_input(
        self, tiny_pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        video = tiny.write_video(tmp_path / "in.mp4", frames=3)
        before = video.read_bytes()
        (tmp_path / "link.mp4").symlink_to(video)
        assert "named twice" in fails(
            capsys, 64, "--path", video, "--model", tiny_pack, "--save", tmp_path / "link.mp4"
        )
        assert video.read_bytes() == before

    def test_a_backend_or_variant_that_is_not_there_is_never_replaced(
        self, tiny_pack: Path, tiny_video: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        given = ["--path", tiny_video, "--model", tiny_pack]
        assert "variant int8" in fails(capsys, 65, *given, "--variant", "int8", "--backend", "onnxruntime")
        assert "tensorrt-int8" in fails(capsys, 64, *given, "--require", "tensorrt-int9")
        bare = ["--path", tiny_video, "--model", tiny_pack / "detector.onnx"]
        assert "bare ONNX file" in fails(capsys, 69, *bare, "--backend", "tensorrt")

    def test_unknown_class_and_method(
        self, tiny_pack: Path, tiny_video: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        given = ["--path", tiny_video, "--model", tiny_pack]
        assert "--classes cat" in fails(capsys, 64, *given, "--classes", "person,cat")
        assert "did you mean 'bytetrack'" in fails(capsys, 64, *given, "--tracking-method", "bytetrak")


class TestBadInput:
    def test_missing_file(self, tiny_pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert "none.mp4" in fails(capsys, 66, "--path", tmp_path / "none.mp4", "--model", tiny_pack)
        assert "none.txt" in fails(capsys, 66, "--detections", tmp_path / "none.txt")

    def test_text_named_mp4(self, tiny_pack: Path, tmp_path: Path) -> None:
        path = tmp_path / "text.mp4"
        path.write_text("hello\n" * 100)
        # In a process of its own: nothing may have set OpenCV up before, and it must not talk either.
        done = subprocess.run([*COMMAND, "--path", path, "--model", tiny_pack], capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (65, "")
        assert done.stderr.startswith(f"nanotrack track: {path}: expected a video")
        assert done.stderr.count("\n") == 1

    def test_a_video_that_breaks_off_keeps_the_tracks_up_to_there(
        self, tiny_pack: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        whole = tiny.write_video(tmp_path / "whole.avi", frames=60).read_bytes()
        path, mot, video = tmp_path / "half.avi", tmp_path / "o.txt", tmp_path / "o.mp4"
        path.write_bytes(whole[: len(whole) // 2])
        arguments = ["--path", path, "--model", tiny_pack, "--mot", mot, "--save", video]
        assert main(["track", *map(str, arguments)]) == 65
        out, err = capfd.readouterr()
        assert err.count("\n") == 1
        assert "breaks off after frame" in err
        last = int(read_tracks(mot).frames[-1])
        assert 10 < last < 50
        assert out.startswith(f"{last} frames: ")
        assert count_frames(video) == last

    def test_a_real_mp4_that_breaks_off(
        self, data: Path, tiny_pack: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        whole = (data / "videos/one-by-one-person-detection.mp4").read_bytes()
        path = tmp_path / "half.mp4"
        path.write_bytes(whole[: len(whole) // 8])
        assert main(["track", "--path", str(path), "--model", str(tiny_pack)]) == 65
        out, err = capfd.readouterr()
        assert "breaks off after frame" in err
        assert err.count("\n") == 1
        assert 50 < int(out.split()[0]) < 300

    def test_folders(self, tiny_pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (tmp_path / "empty").mkdir()
        assert "expected images" in fails(capsys, 66, "--path", tmp_path / "empty", "--model", tiny_pack)

    def test_images_of_different_sizes(
        self, tiny_pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        folder = tiny.write_images(tmp_path / "p", frames=3)
        cv2.imwrite(str(folder / "frame3.png"), np.zeros((64, 32, 3), np.uint8))
        error = fails(capsys, 65, "--path", folder, "--model", tiny_pack)
        assert "frame3.png: expected 128x128" in error

    def test_a_pack_with_one_byte_changed_or_a_file_missing(
        self, tiny_pack: Path, tiny_video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        pack = tmp_path / "p.pack"
        shutil.copytree(tiny_pack, pack)
        content = bytearray((pack / "detector.onnx").read_bytes())
        content[len(content) // 2] ^= 1
        (pack / "detector.onnx").write_bytes(content)
        assert "changed since the export" in fails(capsys, 65, "--path", tiny_video, "--model", pack)
        (pack / "detector.onnx").unlink()
        assert "cannot be read" in fails(capsys, 65, "--path", tiny_video, "--model", pack)
        assert "none.pack" in fails(capsys, 66, "--path", tiny_video, "--model", tmp_path / "none.pack")

    def test_a_model_that_is_none(self, tiny_video: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
        (tmp_path / "m.onnx").write_text("hello")
        assert "m.onnx: expected an ONNX network" in fails(
            capfd, 65, "--path", tiny_video, "--model", tmp_path / "m.onnx"
        )


class TestOutputs:
    @pytest.mark.parametrize("flag", ["--mot", "--jsonl", "--save"])
    def test_a_place_that_cannot_be_written(
        self, flag: str, tiny_pack: Path, tiny_video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        out = tmp_path / "none" / "o.mp4"
        assert "cannot write it" in fails(capsys, 73, "--path", tiny_video, "--model", tiny_pack, flag, out)

    def test_a_full_device(
        self, tiny_pack: Path, tiny_video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        given = ["--path", tiny_video, "--model", tiny_pack, "--save", tmp_path / "o.mp4"]
        assert "No space left on device" in fails(capsys, 73, *given, "--jsonl", "/dev/full")
        assert count_frames(tmp_path / "o.mp4") == 0

    def test_a_file_that_may_not_grow(self, tmp_path: Path) -> None:
        det, mot = tmp_path / "det.txt", tmp_path / "o.txt"
        det.write_text("".join(f"{n},-1,{10 + n},20,30,80,0.9\n" for n in range(1, 201)))
        subprocess.run([*COMMAND, "--detections", det, "--mot", os.devnull], capture_output=True)  # compiles
        done = subprocess.run(
            [*COMMAND, "--detections", det, "--mot", mot],
            capture_output=True,
            text=True,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000)),
        )
        assert done.returncode == 73
        assert done.stderr.count("\n") == 1
        rows = read_tracks(mot)  # strict: every line is whole
        assert len(rows) > 50
        assert int(done.stdout.split()[0]) == rows.frames[-1]

    def test_a_full_disk_leaves_a_video_that_plays_and_whole_lines(
        self, tiny_pack: Path, tmp_path: Path, small_disk: Path
    ) -> None:
        noisy = tmp_path / "noise.avi"
        writer = cv2.VideoWriter(str(noisy), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"MJPG"), 25.0, (320, 240))
        noise = np.random.default_rng(0)
        for _ in range(150):
            writer.write(noise.integers(0, 256, (240, 320, 3), np.uint8))
        writer.release()
        mot, video = small_disk / "o.txt", small_disk / "o.mp4"
        done = subprocess.run(
            [*COMMAND, "--path", noisy, "--model", tiny_pack, "--conf", "0.001", "--mot", mot, "--save", video],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 73, done.stderr
        assert "disk almost full" in done.stderr
        assert done.stderr.count("\n") == 1
        frames = int(done.stdout.split()[0])
        assert 5 < frames < 150
        # The estimate of what waiting pictures need may be too small: then some of them are lost, and only of them.
        assert frames - CAPACITY <= count_frames(video) <= frames
        read_tracks(mot)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MB; only root can make one."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = shutil.which("mount")
    if os.geteuid() != 0 or mount is None:
        pytest.skip("making a small file system needs root")
    made = subprocess.run([mount, "-t", "tmpfs", "-o", "size=3m", "tmpfs", folder], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"mount refuses: {made.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_ctrl_c_finishes_the_files_and_prints_the_summary(
    number: signal.Signals, code: int, tiny_pack: Path, tmp_path: Path
) -> None:
    mot, jsonl, video = tmp_path / "o.txt", tmp_path / "o.jsonl", tmp_path / "o.mp4"
    endless: list[str | Path] = ["--path", "demo://?people=3&size=128x128", "--model", tiny_pack, "--conf", "0.001"]
    with subprocess.Popen(
        [*COMMAND, *endless, "--mot", mot, "--jsonl", jsonl, "--save", video],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline and process.poll() is None:
            with contextlib.suppress(OSError):
                if jsonl.read_text().count("\n") >= 5:
                    break
            time.sleep(0.02)
        process.send_signal(number)
        out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == code, err
    assert err == ""
    frames = int(out.split()[0])
    assert frames >= 5
    assert count_frames(video) == frames
    lines = [json.loads(line) for line in jsonl.read_text().splitlines()]
    assert [line["frame"] for line in lines if "frame" in line] == list(range(1, frames + 1))
    assert mot.read_text().count("\n") == sum(len(line.get("tracks", [])) for line in lines)


@pytest.mark.parametrize(("flag", "first"), [("--mot", "1,1,"), ("--jsonl", '{"v":1,')])
def test_lines_on_standard_output_with_the_summary_elsewhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flag: str, first: str
) -> None:
    detections = tmp_path / "det.txt"
    detections.write_text("".join(f"{number},-1,10,10,20,40,0.9\n" for number in range(1, 31)))
    file = tmp_path / "o"
    assert main(["track", "--detections", str(detections), flag, str(file)]) == 0
    capsys.readouterr()
    assert main(["track", "--detections", str(detections), flag, "-"]) == 0
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == len(file.read_text().splitlines()) >= 30
    assert all(line.startswith(first[:1]) or line[0].isdigit() for line in out.splitlines())
    assert out.startswith(first)
    assert "30 frames: " in err


def test_only_one_output_fits_on_standard_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    detections = tmp_path / "det.txt"
    detections.write_text("1,-1,10,10,20,40,0.9\n")
    assert main(["track", "--detections", str(detections), "--mot", "-", "--jsonl", "-"]) == 64
    assert "named twice" in capsys.readouterr().err


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    detections = tmp_path / "det.txt"
    detections.write_text("".join(f"{number},-1,10,10,20,40,0.9\n" for number in range(1, 20_001)))
    program = [sys.executable, "-m", "edge.cli", "track", "--detections", str(detections), "--mot", "-"]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"1,1,")
        process.stdout.close()
        assert process.stderr is not None
        said = process.stderr.read().decode()
    assert process.returncode == 0
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("rtsp://me:s3cret@door.local/x?token=s3cret", "door.local"),
        ("rtsp://s3/cret@door.local/x", "door.local"),
        ("RTSP://10.0.0.5:554/user=admin&password=s3cret", "10.0.0.5"),
        ("films/street.mp4", "street"),
        ("MOT17-09/img1/*.jpg", "img1"),
    ],
)
def test_a_source_has_a_short_name_without_secrets(source: str, name: str) -> None:
    assert opening.camera_name(source) == name


def test_what_a_privacy_mask_hides_is_hidden_in_the_video(tiny_pack: Path, tmp_path: Path) -> None:
    noisy, out = tmp_path / "noise.avi", tmp_path / "o.avi"
    writer = cv2.VideoWriter(str(noisy), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"MJPG"), 10, (320, 240))
    rng = np.random.default_rng(0)
    for _ in range(3):
        writer.write(rng.integers(0, 256, (240, 320, 3), dtype=np.uint8))
    writer.release()
    given = ["track", "--path", str(noisy), "--model", str(tiny_pack), "--save", str(out)]
    assert main([*given, "--privacy-mask", "0.5,0,1,0,1,1,0.5,1"]) == 0
    _, picture = cv2.VideoCapture(str(out)).read()
    assert picture[:, 170:].std() < 0.6 * picture[:, :150].std()


def test_nobody_is_tracked_where_it_is_excluded(tiny_pack: Path, tiny_video: Path, tmp_path: Path) -> None:
    out = tmp_path / "o.txt"
    given = ["track", "--path", str(tiny_video), "--model", str(tiny_pack), "--mot", str(out)]
    assert main(given) == 0
    assert out.read_text()
    assert main([*given, "--exclude-mask", "0,0,1,0,1,1,0,1"]) == 0
    assert not out.read_text()


@pytest.mark.parametrize("flag", ["--privacy-mask", "--exclude-mask"])
@pytest.mark.parametrize("mask", ["0,0,1,1", "0,0,1,0,1", "a,b,c,d,e,f", "0,0,1,0,1,2", "0,0,1,0,1,nan"])
def test_a_mask_that_is_none_is_said(
    tiny_pack: Path, tiny_video: Path, capsys: pytest.CaptureFixture[str], flag: str, mask: str
) -> None:
    given = ["--path", tiny_video, "--model", tiny_pack, "--save", "o.avi", flag, mask]
    assert "expected at least 3 points X,Y" in fails(capsys, 64, *given)
