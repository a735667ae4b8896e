"""The history keeps what happened through restarts, kill -9, full disks and damaged files."""

import contextlib
import json
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.cli import main
from edge.errors import DataError, NotFoundError, OutputError
from edge.events import Direction, Ended, Event, LineCrossed, Moment, Observed, Origin, ZoneAction, ZoneChanged
from edge.settings.config import History as Settings
from edge.sinks.history import database, query
from edge.sinks.history.output import History
from edge.sinks.output import LossError
from edge.types import Tracks

DOOR = Origin("r1", "door", ["person", "car"])
NOON_S = 1_700_000_040 // 60 * 60


def frame(time_s: float, classes: dict[int, int], new: set[int] | None = None) -> Observed:
    """A frame with these identities and the numbers of their classes."""
    count = len(classes)
    tracks = Tracks(
        np.array(list(classes), np.int64), np.zeros((count, 4), np.float32), np.ones(count, np.float32),
        np.array(list(classes.values()), np.int32), np.zeros(count, np.int32),
    )  # fmt: skip
    ages = [0 if id_ in (new or set()) else 5 for id_ in classes]
    return Observed(DOOR, Moment(time_s, NOON_S + time_s), 1, (100, 100), tracks, ages)


def crossed(time_s: float, id_: int, direction: Direction = "in", class_: str = "person") -> LineCrossed:
    return LineCrossed(DOOR, Moment(time_s, NOON_S + time_s), "gate", id_, direction, 1, 0, class_, 1, 0)


def zone(time_s: float, id_: int, action: ZoneAction, dwell_s: float, count: int) -> ZoneChanged:
    return ZoneChanged(DOOR, Moment(time_s, NOON_S + time_s), "till", id_, action, dwell_s, count, "person", count)


def opened(path: Path, keep_days: int = 30, max_mib: float = 1.0) -> History:
    history = History(Settings(str(path), keep_days, max_mib), utc=lambda: NOON_S + 200.0)
    history.start()
    return history


def rows(path: Path, subject: query.Subject, step: query.Step = "minute", **limits: Any) -> list[tuple[Any, ...]]:
    """The rows of a subject without their times."""
    reader = database.open_to_read(path)
    try:
        return [tuple(row.values())[1:] for row in query.sums(reader, subject, step, **limits)]
    finally:
        reader.close()


def test_minutes_add_up(tmp_path: Path) -> None:
    path = tmp_path / "new" / "history.db"
    history = opened(path)
    history.write([frame(0.0, {1: 0}, {1}), frame(1.0, {1: 0, 2: 1}, {2}), frame(2.0, {1: 0, 2: 1})])
    history.write([crossed(2.0, 1), crossed(2.5, 2, "out", "car"), zone(2.5, 1, "enter", 0.0, 1)])
    history.write([frame(59.0, {}), frame(60.0, {1: 0}), frame(61.0, {1: 0})])  # 57 s of outage
    history.write([crossed(61.0, 1), zone(61.0, 1, "leave", 58.5, 0), Ended(DOOR, Moment(62.0, None), 1, 9, "lost")])
    history.close()
    assert rows(path, "people") == [
        ("door", "car", 1, 1.0, 1),
        ("door", "person", 1, 1.0, 1),
        ("door", "person", 0, 1.0, 1),
    ]
    assert rows(path, "crossings") == [
        ("door", "gate", "car", "out", 1), ("door", "gate", "person", "in", 1), ("door", "gate", "person", "in", 1),
    ]  # fmt: skip
    assert rows(path, "crossings", "hour")[1] == ("door", "gate", "person", "in", 2)
    assert rows(path, "zones", "day") == [("door", "till", "person", 1, 1, 58.5, 58.5, 1)]
    assert rows(path, "crossings", since_s=NOON_S + 60) == [("door", "gate", "person", "in", 1)]
    assert rows(path, "crossings", camera="hall") == []


def test_who_is_seen_by_a_slow_camera_is_there_between_its_pictures(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    history = opened(path)
    history.write([frame(5.0 * number, {1: 0}) for number in range(4)])  # the first 5 s may have been an outage
    history.write([frame(5000.0, {1: 0}), frame(5005.0, {1: 0})])  # and so may these, after one that was
    history.close()
    reader = database.open_to_read(path)
    seen = reader.execute("SELECT sum(observed_s), sum(person_s) FROM cameras JOIN people USING (minute, camera)")
    assert seen.fetchone() == (10.0, 10.0)
    reader.close()


def test_totals_go_on_after_a_restart_and_outlive_their_minutes(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    for start_s in (0.0, 3600.0, 40 * 86400.0):
        history = History(Settings(str(path), 30), utc=lambda start_s=start_s: NOON_S + start_s)  # type: ignore[misc]
        history.start()
        history.write([frame(start_s, {1: 0}), crossed(start_s, 1)])
        history.close()
    reader = database.open_to_read(path)
    assert query.totals(reader) == {("door", "gate", "in", "person"): 3}
    reader.close()
    assert len(rows(path, "crossings")) == 1


def test_the_file_stays_below_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    history = opened(path, keep_days=3650, max_mib=1.0)
    for day in range(30):
        minutes = [frame(60.0 * minute + 86400.0 * (day - 31), {1: 0}) for minute in range(0, 1440, 2)]
        history._utc = lambda day=day: NOON_S + 86400.0 * (day - 30)  # type: ignore[misc]
        for each in minutes:
            history.write([each, crossed(each.at.time_s, 1)])
    history.close()
    assert path.stat().st_size < 1_300_000
    assert 2 < len({row["time"] for row in _days(path)}) < 29


def _days(path: Path) -> list[dict[str, query.Value]]:
    reader = database.open_to_read(path)
    try:
        return list(query.sums(reader, "people", "day"))
    finally:
        reader.close()


def test_a_damaged_file_is_set_aside_and_a_new_one_begins(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "history.db"
    path.write_bytes(b"\1" * 20_000)
    (tmp_path / "history.db-wal").touch()  # it was in use when the power was cut
    database.check_writable(path)
    history = opened(path)
    history.write([crossed(0.0, 1)])
    history.close()
    assert rows(path, "crossings") == [("door", "gate", "person", "in", 1)]
    assert len(list(tmp_path.glob("history.db.damaged-*"))) == 1
    assert "is damaged" in caplog.text


def test_a_file_of_another_kind_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "street.mp4"
    path.write_bytes(b"\0\0\0\x20ftypisom" + bytes(1000))
    for open_it in (database.check_writable, database.open_to_write):
        with pytest.raises(OutputError, match="expected a history database or no file, found one of another kind"):
            open_it(path)
    assert [file.name for file in tmp_path.iterdir()] == ["street.mp4"]


def test_half_a_database_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    history = opened(path)
    for second in range(3000):
        history._add(crossed(60.0 * second, 1))
    history.close()
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2 // 4096 * 4096])
    history = opened(path)
    history.close()
    assert rows(path, "crossings") == []
    assert list(tmp_path.glob("history.db.damaged-*"))


def test_a_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "photos.db"
    with contextlib.closing(sqlite3.connect(path)) as other, other:
        other.execute("CREATE TABLE photos (name TEXT)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(OutputError, match="another program"):
        opened(path)
    assert path.read_bytes() == before
    with pytest.raises(DataError, match="another program"):
        database.open_to_read(path)
    with contextlib.closing(sqlite3.connect(path)) as other, other:
        assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("photos",)]
    other.close()


def test_reading_what_is_not_there_or_no_database(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no such file"):
        database.open_to_read(tmp_path / "history.db")
    (tmp_path / "text.db").write_text("no database, but a text that is long enough for a header\n" * 9)
    with pytest.raises(DataError, match="SQLite refuses"):
        database.open_to_read(tmp_path / "text.db")


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        opened(tmp_path / "file" / "history.db")


def test_a_full_disk_loses_nothing_that_fits_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    history = opened(path)
    assert history._database is not None
    pages = history._database.execute("PRAGMA page_count").fetchone()[0]
    history._database.execute(f"PRAGMA max_page_count = {pages + 1}")  # SQLite then answers as for a full disk
    with pytest.raises(LossError, match="full") as caught:
        history.write([crossed(60.0 * minute, 1) for minute in range(2000)])
    assert caught.value.lost == 0
    assert rows(path, "crossings") == []
    history._database.execute("PRAGMA max_page_count = 1000000")
    history.write([crossed(60.0 * 2000, 1)])
    history.close()
    assert sum(row[-1] for row in rows(path, "crossings")) == 2001


WRITER = """
import itertools, sys, time
from edge.settings.config import History as Settings
from tests.sinks.history.test_history import crossed, frame
from edge.sinks.history.output import History
history = History(Settings(sys.argv[1]))
history.start()
for i in itertools.count():
    history.write([frame(i / 1000, {1: 0}), crossed(i / 1000, 1)])
    print(i + 1, flush=True)
"""


@pytest.mark.parametrize("times", [3, pytest.param(50, marks=pytest.mark.slow)])
def test_kill_9_loses_no_crossing_and_no_database(tmp_path: Path, times: int) -> None:
    path, rng, told = tmp_path / "history.db", random.Random(5), 0
    for _ in range(times):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            first = writer.stdout.readline()
            time.sleep(rng.uniform(0.0, 0.2))
            writer.send_signal(signal.SIGKILL)
            lines = [first, *writer.stdout.read().splitlines()]
            told += int([line for line in lines if line.strip()][-1])
    reader = database.open_to_read(path)
    assert reader.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    counted = query.totals(reader)["door", "gate", "in", "person"]
    reader.close()
    assert told <= counted <= told + times  # one each may have been committed and not yet told


def test_events_that_are_no_frames_are_written_at_once_and_frames_once_a_second(tmp_path: Path) -> None:
    path, now_s = tmp_path / "history.db", [NOON_S + 0.0]
    history = History(Settings(str(path), 30), utc=lambda: now_s[0])
    history.start()
    first: list[Event] = [frame(0.0, {1: 0}, {1})]
    history.write(first)
    assert len(rows(path, "people")) == 1
    now_s[0] += 0.5
    history.write([frame(0.5, {1: 0, 2: 1}, {2})])
    assert len(rows(path, "people")) == 1
    history.write([crossed(0.6, 2, class_="car")])
    assert rows(path, "crossings") == [("door", "gate", "car", "in", 1)]
    assert len(rows(path, "people")) == 2
    history.close()


def test_the_command_exports_csv_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "history.db"
    history = opened(path)
    history.write([frame(0.0, {1: 0}, {1}), frame(1.0, {1: 0}), crossed(1.0, 1), crossed(2.0, 1, "out")])
    history.close()
    assert main(["history", "--database", str(path), "--what", "crossings", "--by", "minute"]) == 0
    day = time.strftime("%Y-%m-%d", time.localtime(NOON_S))
    head, first, second = capsys.readouterr().out.splitlines()
    assert head == "time,camera,line,class,direction,count"
    assert first == f"{time.strftime('%Y-%m-%dT%H:%M', time.localtime(NOON_S))},door,gate,person,in,1"
    assert second.endswith("out,1")
    assert main(["history", "--database", str(path), "--by", "day", "--since", day, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "time": day, "camera": "door", "class": "person", "identities": 1, "mean_people": 1.0, "most_people": 1,
    }  # fmt: skip
    assert main(["history", "--database", str(path), "--what", "totals", "--camera", "door"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "camera,line,direction,class,count", "door,gate,in,person,1", "door,gate,out,person,1",
    ]  # fmt: skip


def test_the_command_names_mistakes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["history", "--database", str(tmp_path / "none.db")]) == 66
    path = tmp_path / "history.db"
    opened(path).close()
    assert main(["history", "--database", str(path), "--since", "yesterday"]) == 64
    assert "expected a time" in capsys.readouterr().err


def test_totals_of_a_damaged_database_are_bad_data(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    history = opened(path)
    history.write([crossed(1.0, 1)])
    history.close()
    with contextlib.closing(sqlite3.connect(path)) as database_:
        (page,) = database_.execute("SELECT rootpage FROM sqlite_master WHERE name = 'totals'").fetchone()
        (size,) = database_.execute("PRAGMA page_size").fetchone()
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(size * b"\xff")
    with pytest.raises(DataError, match="damaged"):
        query.past_totals(path, "door")
    assert main(["history", "--database", str(path), "--what", "totals"]) == 65
