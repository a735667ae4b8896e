"""Where people stand, added up by hour in the cells of a grid over the picture: what a heat map is made of."""

import sqlite3
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.errors import DataError
from edge.events import Event, Observed
from edge.sinks.history.sums import Steps

# Cells of the grid, whatever the picture's size: 40 pixels wide and high at 1920 x 1080.
COLUMNS, ROWS = 48, 27
_HOUR = 60  # minutes

KEY = ("minute", "camera", "column", "row")
VALUE = ("person_s",)


class Feet:
    """`rows` of the table "feet": seconds by (first minute of the hour, camera, column, row).

    Feet are the middle of a box's lower edge; those outside the picture count on its border.
    """

    def __init__(self) -> None:
        self.rows: dict[tuple[Any, ...], list[float]] = {}
        self._steps = Steps()

    def add(self, event: Event, minute: int) -> None:
        """Count a frame; other events say nothing here."""
        if not isinstance(event, Observed):
            return
        origin, (width, height) = event.origin, event.size
        step_s = self._steps.next_s(event)
        if not (step_s and width and height and len(event.tracks)):
            return
        boxes = event.tracks.boxes_xyxy
        columns = np.clip((boxes[:, 0] + boxes[:, 2]) / 2 * (COLUMNS / width), 0, COLUMNS - 1).astype(int)
        rows = np.clip(boxes[:, 3] * (ROWS / height), 0, ROWS - 1).astype(int)
        hour = minute // _HOUR * _HOUR
        for column, row in zip(columns.tolist(), rows.tolist(), strict=True):
            self.rows.setdefault((hour, origin.camera, column, row), [0.0])[0] += step_s


def seconds(
    database: sqlite3.Connection, camera: str, since_s: float | None = None, until_s: float | None = None
) -> npt.NDArray[np.float64]:
    """The seconds that people stood in each cell of `camera`'s picture, `[ROWS, COLUMNS]`.

    Whole hours from that of `since_s` on, before `until_s`: seconds since 1970, None is open. Raises DataError for a
    damaged database; one that was made before there were heat maps has no seconds.
    """
    wanted = {
        "camera": camera,
        "since": None if since_s is None else int(since_s // 60) // _HOUR * _HOUR,
        "until": None if until_s is None else int(until_s // 60),
    }
    found = np.zeros((ROWS, COLUMNS))
    try:
        if database.execute("SELECT 1 FROM sqlite_master WHERE name = 'feet'").fetchone() is None:
            return found
        rows = database.execute(
            'SELECT "row", "column", sum(person_s) FROM feet WHERE camera = :camera '
            "AND (:since IS NULL OR minute >= :since) AND (:until IS NULL OR minute < :until) "
            'GROUP BY "row", "column"',
            wanted,
        )
        for row, column, total in rows:
            found[row, column] = total
    except sqlite3.DatabaseError as error:
        raise DataError(f"history: the database is damaged: {error}") from error
    return found
