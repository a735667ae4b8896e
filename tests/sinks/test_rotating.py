"""JSON lines for years: bounded files, a floor of free space, nothing torn."""

import errno
import json
import os
from pathlib import Path

import pytest

from edge.errors import OutputError
from edge.events import (
    CameraChanged,
    ClockStepped,
    Ended,
    Event,
    LineCrossed,
    Moment,
    Observed,
    Origin,
    ZoneChanged,
)
from edge.settings.config import Jsonl
from edge.sinks import rotating
from edge.sinks.lines import LineFile
from edge.sinks.rotating import NEWEST, RotatingLines
from tests.field import SmallDisk
from tests.sinks.schema import lines_of
from tests.sinks.tracks import tracks

ORIGIN = Origin("r1", "door", ["person"])
AT = Moment(1.5, 1_790_000_000.1204)


def seen(number: int) -> Observed:
    return Observed(ORIGIN, AT, number, (128, 96), tracks(1, 2), [0, 3])


def settings(folder: Path, **more: float) -> Jsonl:
    """As configured; `rotate_mib` may be smaller than a configuration takes."""
    made = Jsonl(str(folder), free_mib=0)
    for name, value in more.items():
        object.__setattr__(made, name, value)
    return made


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def test_every_kind_of_event_fits_the_schema(tmp_path: Path) -> None:
    out = RotatingLines(settings(tmp_path))
    events: list[Event] = [
        seen(1),
        Ended(ORIGIN, AT, 7, 3, "lost"),
        CameraChanged(ORIGIN, AT, "offline", 'no "answer"'),
        ClockStepped(ORIGIN, AT, -3600.5),
        ZoneChanged(ORIGIN, AT, "till", 7, "leave", 2.5, 0),
        LineCrossed(ORIGIN, AT, "entrance", 7, "in", 1, 0),
    ]
    out.write(events)
    out.close()
    lines = lines_of(tmp_path / NEWEST)
    assert [line.get("event", "frame") for line in lines] == [
        "frame",
        "end",
        "camera",
        "clock_step",
        "zone",
        "line",
    ]
    assert {line["t_utc"] for line in lines} == {"2026-09-21T14:13:20.120Z"}


def test_full_files_are_put_aside_and_the_oldest_removed(tmp_path: Path) -> None:
    (tmp_path / "tracks-notes.jsonl").write_text("not ours")
    out = RotatingLines(settings(tmp_path, rotate_mib=1000 / (1 << 20), keep=2))
    for number in range(1, 31):
        out.write([seen(number)])
    out.close()
    aside = names(tmp_path)[:2]
    assert [name[:8] for name in aside] == ["tracks-0", "tracks-0"]
    assert names(tmp_path) == [*aside, "tracks-notes.jsonl", NEWEST]
    kept = [line["frame"] for name in names(tmp_path) if name[7:8] == "0" for line in lines_of(tmp_path / name)]
    newest = [line["frame"] for line in lines_of(tmp_path / NEWEST)]
    assert kept + newest == list(range(kept[0], 31))
    assert all((tmp_path / name).stat().st_size <= 1000 for name in names(tmp_path))


def test_a_restart_writes_on_and_cuts_half_a_line(tmp_path: Path) -> None:
    out = RotatingLines(settings(tmp_path))
    out.write([seen(1)])
    out.close()
    with (tmp_path / NEWEST).open("a") as file:
        file.write('{"v":1,"run":"r1","cam')
    out = RotatingLines(settings(tmp_path))
    out.write([seen(2)])
    out.close()
    assert [line["frame"] for line in lines_of(tmp_path / NEWEST)] == [1, 2]


def test_below_the_floor_nothing_is_written_until_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = RotatingLines(settings(tmp_path, free_mib=10))
    real = os.statvfs(tmp_path)
    fields = list(real)
    fields[4] = 0  # f_bavail
    monkeypatch.setattr(os, "statvfs", lambda path: os.statvfs_result(fields))
    with pytest.raises(OutputError, match=r"0\.0 MiB are free on the disk, expected at least 10"):
        out.write([seen(1)])
    monkeypatch.undo()
    out.write([seen(2)])
    out.close()
    assert [json.loads(line)["frame"] for line in (tmp_path / NEWEST).read_text().splitlines()] == [2]


def test_who_takes_over_does_not_cut_what_came_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a reload the new output is there before the old one has finished; then the disk is full."""
    old = RotatingLines(settings(tmp_path))
    old.write([seen(1)])
    new = RotatingLines(settings(tmp_path, rotate_mib=1))
    old.write([seen(2)])
    old.close()
    new.start()

    def full(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OutputError, match="No space left"):
        new.write([seen(3)])
    monkeypatch.undo()
    new.write([seen(4)])
    new.close()
    assert [line["frame"] for line in lines_of(tmp_path / NEWEST)] == [1, 2, 4]


def test_a_file_that_was_removed_is_made_anew(tmp_path: Path) -> None:
    out = RotatingLines(settings(tmp_path))
    out.write([seen(1)])
    (tmp_path / NEWEST).rename(tmp_path / "taken")
    out.write([seen(2)])
    out.close()
    assert [line["frame"] for line in lines_of(tmp_path / NEWEST)] == [2]


def test_a_file_that_cannot_be_made_after_rotation_is_made_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = RotatingLines(settings(tmp_path, rotate_mib=1e-6))
    out.write([seen(1)])
    monkeypatch.setattr(rotating, "LineFile", refused)
    with pytest.raises(OutputError, match="cannot write it"):
        out.write([seen(2)])
    monkeypatch.undo()
    out.write([seen(3)])
    out.close()
    assert [lines_of(tmp_path / name)[0]["frame"] for name in names(tmp_path)] == [1, 3]


def refused(path: Path, *, resume: bool) -> LineFile:
    raise OutputError(f"{path}: cannot write it: No space left on device; choose another place")


@pytest.mark.skipif(not SmallDisk.may_mount(), reason="only root may make a small file system")
def test_a_disk_that_is_really_full_leaves_whole_lines_and_writing_goes_on(tmp_path: Path) -> None:
    disk = SmallDisk(tmp_path / "disk", 1)
    try:
        out = RotatingLines(settings(disk.folder, rotate_mib=0.02, keep=3))
        for number in range(1, 101):
            out.write([seen(number)])
        disk.fill()
        lost = []
        for number in range(101, 301):
            try:
                out.write([seen(number)])
            except OutputError:
                lost.append(number)
        disk.free()
        for number in range(301, 351):
            out.write([seen(number)])
        out.close()
        found = [line["frame"] for name in names(disk.folder) for line in lines_of(disk.folder / name)]
    finally:
        disk.close()
    assert lost
    assert found == [number for number in range(found[0], 351) if number not in lost]


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="No such file"):
        RotatingLines(settings(tmp_path / "none"))


def test_a_folder_that_went_away_is_trouble_and_no_crash(tmp_path: Path) -> None:
    folder = tmp_path / "d"
    folder.mkdir()
    out = RotatingLines(settings(folder, rotate_mib=1e-6, keep=1))
    out.write([seen(1)])
    (folder / NEWEST).unlink()
    folder.rmdir()
    with pytest.raises(OutputError, match="cannot write there"):
        out.write([seen(2)])
    out.close()
