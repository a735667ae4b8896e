"""Where people stood, by hour, and as a picture."""

import json
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from edge.cli import main
from edge.drawing.heat import heat_map
from edge.events import Moment, Observed, Origin
from edge.settings.config import History as Settings
from edge.sinks.history import database, feet
from edge.sinks.history.output import History
from edge.types import Tracks
from edge.video.images import read_image

DOOR = Origin("r1", "door", ["person"])
HOUR_S = 1_700_002_800 // 3600 * 3600


def standing(time_s: float, *places: tuple[float, float], size: tuple[int, int] = (1920, 1080)) -> Observed:
    """A frame in which people have their feet at these shares of the picture."""
    spots = np.array(places, np.float32).reshape(-1, 2) * size
    boxes = np.concatenate([spots - np.array([40, 200]), spots + np.array([40, 0])], axis=1).astype(np.float32)
    count = len(places)
    tracks = Tracks(
        np.arange(1, count + 1), boxes, np.ones(count, np.float32), np.zeros(count, np.int32),
        np.zeros(count, np.int32),
    )  # fmt: skip
    return Observed(DOOR, Moment(time_s, HOUR_S + time_s), 1, size, tracks, [5] * count)


def written(path: Path, *frames: Observed) -> None:
    history = History(Settings(str(path)), utc=lambda: HOUR_S + 7200.0)
    history.start()
    history.write(frames)
    history.close()


def read(path: Path, **limits: float) -> np.ndarray:
    reader = database.open_to_read(path)
    try:
        return feet.seconds(reader, "door", **limits)
    finally:
        reader.close()


def test_seconds_add_up_where_people_stand_whatever_the_size_of_the_picture(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    frames = [standing(i / 2, (0.25, 0.5), (0.75, 0.999)) for i in range(21)]
    frames += [standing(11 + i / 2, (0.25, 0.5), size=(640, 360)) for i in range(21)]
    written(path, *frames)
    found = read(path)
    assert found[13, 12] == pytest.approx(10 + 11)  # and the second between
    assert found[26, 36] == pytest.approx(10)
    assert found.sum() == pytest.approx(31)


def test_who_stands_outside_counts_on_the_border_and_an_outage_counts_nothing(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    written(path, standing(0.0, (-0.5, 1.4)), standing(1.0, (-0.5, 1.4)), standing(60.0, (1.7, 0.5)))
    found = read(path)
    assert found[26, 0] == pytest.approx(1)
    assert found.sum() == pytest.approx(1)


def test_hours_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    morning = [standing(t, (0.1, 0.9)) for t in (3000.0, 3001.0)]
    later = [standing(t, (0.9, 0.9)) for t in (3700.0, 3701.0, 3702.0)]
    written(path, *morning, *later)
    assert read(path, until_s=HOUR_S + 3600).sum() == pytest.approx(1)
    assert read(path, since_s=HOUR_S + 3600).sum() == pytest.approx(2)
    assert read(path, since_s=HOUR_S + 5400).sum() == pytest.approx(2)  # its hour has begun before
    assert read(path).sum() == pytest.approx(3)


def test_a_database_of_before_gets_the_table_and_keeps_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    written(path, standing(0.0, (0.5, 0.5)), standing(1.0, (0.5, 0.5)))
    with sqlite3.connect(path) as old:
        old.executescript("DROP TABLE feet; PRAGMA user_version = 1;")
    old.close()
    assert read(path).sum() == 0
    written(path, standing(10.0, (0.5, 0.5)), standing(11.0, (0.5, 0.5)))
    assert read(path).sum() == pytest.approx(1)
    reader = database.open_to_read(path)
    assert reader.execute("SELECT sum(person_s) FROM people").fetchone()[0] == pytest.approx(2)
    reader.close()


def test_old_hours_are_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    written(path, standing(0.0, (0.5, 0.5)), standing(1.0, (0.5, 0.5)))
    history = History(Settings(str(path), keep_days=1), utc=lambda: HOUR_S + 3 * 86400.0)
    history.start()
    history.write([standing(3 * 86400.0, (0.1, 0.1))])
    history.close()
    assert read(path).sum() == 0


def test_the_brightest_is_where_people_stood(tmp_path: Path) -> None:
    values = np.zeros((feet.ROWS, feet.COLUMNS))
    values[20, 10] = 100
    values[5, 40] = 1
    picture = heat_map(values)
    assert picture.shape == (540, 960, 3)
    light = picture.astype(int).sum(axis=2)
    row, column = np.unravel_index(light.argmax(), light.shape)
    assert (row // 20, column // 20) == (20, 10)
    assert light[110, 810] > 2 * light[0, 0]  # a hundredth of the most is seen
    assert len(np.unique(heat_map(np.zeros((feet.ROWS, feet.COLUMNS))).reshape(-1, 3), axis=0)) == 1


def test_the_command_writes_a_picture_or_the_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, png = tmp_path / "history.db", tmp_path / "heat.png"
    written(path, *[standing(i / 2, (0.25, 0.5)) for i in range(21)])
    command = ["history", "--database", str(path), "--camera", "door"]
    assert main([*command, "--heatmap", str(png)]) == 0
    assert capsys.readouterr().out == f"{png}: 10 person-seconds, at most 10 in one of 48 x 27 cells\n"
    assert read_image(png).shape == (540, 960, 3)
    assert main([*command, "--what", "feet", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"row": 13, "column": 12, "person_s": 10.0}
    assert main(["history", "--database", str(path), "--what", "feet"]) == 64
    assert "--camera: expected one of door, found none" in capsys.readouterr().err
    assert main([*command, "--heatmap", str(tmp_path / "no" / "heat.png")]) == 73
    capsys.readouterr()
    for more, told in (
        (["--camera", "dor"], "--camera dor: the history has nothing of it; expected one of door"),
        (["--since", "2026-12-02", "--until", "2026-12-01"], "--until 2026-12-01: expected a time after --since"),
        (["--heatmap", str(tmp_path / "heat.jpg")], "expected a name that ends in .png"),
        (["--heatmap", str(png), "--what", "zones"], "which has nothing of --what zones"),
    ):
        assert main([*command, *more]) == 64
        assert told in capsys.readouterr().err
