"""JSON lines for years: bounded files, a floor of free space, nothing torn."""

import json
import os
from pathlib import Path

import pytest

from edge.config import Jsonl
from edge.errors import OutputError
from edge.sinks.events import (
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
from edge.sinks.rotating import NEWEST, RotatingLines
from tests.sinks.test_jsonl import lines_of
from tests.sinks.tracks import tracks

ORIGIN = Origin("r1", "door", ["person"])
AT = Moment(1.5, 1_790_000_000.1204)


def seen(number: int) -> Observed:
    return Observed(ORIGIN, AT, number, (128, 96), tracks(1, 2), [0, 3])


def settings(folder: Path, **more: float) -> Jsonl:
    return Jsonl(str(folder), **{"free_mib": 0, **more})  # type: ignore[arg-type]


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
