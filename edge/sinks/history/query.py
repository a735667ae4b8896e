"""Questions to the history: sums by minute, hour or day of local time, and totals."""

import math
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Literal

from edge.errors import DataError
from edge.events import Direction
from edge.sinks.history.database import open_to_read

Step = Literal["minute", "hour", "day"]
Subject = Literal["people", "crossings", "zones"]
Value = str | int | float | None

_FORMATS: dict[Step, str] = {"minute": "%Y-%m-%dT%H:%M", "hour": "%Y-%m-%dT%H:00", "day": "%Y-%m-%d"}
# No longer than the shortest of them: an hour may begin at half past one of another zone, a day may have 23 hours.
_STEPS_S: dict[Step, float] = {"minute": 60.0, "hour": 1800.0, "day": 12 * 3600.0}
_MOST_TIMES = 1500
_ROWS = """
SELECT strftime(:format, minute * 60, 'unixepoch', 'localtime') AS time, * FROM {table}
WHERE (:since IS NULL OR minute >= :since) AND (:until IS NULL OR minute < :until)
AND (:camera IS NULL OR camera = :camera)
"""
# Means are over the seconds in which the camera gave pictures, and over the people who left.
_QUERIES: dict[Subject, str] = {
    "people": f"""
WITH observed AS (SELECT time, camera, sum(observed_s) AS seconds FROM ({_ROWS.format(table="cameras")})
  GROUP BY time, camera)
SELECT time, camera, class, sum(identities) AS identities, round(sum(person_s) / max(1, seconds), 3) AS mean_people,
  max(most) AS most_people
FROM ({_ROWS.format(table="people")}) JOIN observed USING (time, camera)
GROUP BY time, camera, class ORDER BY time, camera, class
""",
    "crossings": f"""
SELECT time, camera, line, class, direction, sum(count) AS count FROM ({_ROWS.format(table="crossings")})
GROUP BY time, camera, line, class, direction ORDER BY time, camera, line, class, direction
""",
    "zones": f"""
SELECT time, camera, zone, class, sum(entered) AS entered, sum(gone) AS left,
  round(sum(dwell_s) / sum(gone), 3) AS mean_dwell_s, max(longest_s) AS longest_dwell_s, max(most) AS most_people
FROM ({_ROWS.format(table="zones")}) GROUP BY time, camera, zone, class ORDER BY time, camera, zone, class
""",
}


def sums(
    database: sqlite3.Connection,
    subject: Subject,
    step: Step,
    *,
    since_s: float | None = None,
    until_s: float | None = None,
    camera: str | None = None,
) -> Iterator[dict[str, Value]]:
    """Rows of `subject`, oldest first: one for each `step` and each camera, class, line or zone.

    `since_s` (included) and `until_s` (excluded) are seconds since 1970, by whole minutes; None is open. Raises
    DataError for a damaged database.
    """
    wanted = {
        "format": _FORMATS[step],
        "since": None if since_s is None else int(since_s // 60),
        "until": None if until_s is None else int(until_s // 60),
        "camera": camera,
    }
    try:
        cursor = database.execute(_QUERIES[subject], wanted)
        columns = [column[0] for column in cursor.description]
        for row in cursor:
            yield dict(zip(columns, row, strict=True))
    except sqlite3.DatabaseError as error:
        raise DataError(f"history: the database is damaged: {error}") from error


def cameras(database: sqlite3.Connection) -> list[str]:
    """The cameras of which there is something, by name. Raises DataError for a damaged database."""
    try:
        return [n for (n,) in database.execute("SELECT camera FROM cameras UNION SELECT camera FROM totals ORDER BY 1")]
    except sqlite3.DatabaseError as error:
        raise DataError(f"history: the database is damaged: {error}") from error


def times(step: Step, since_s: float, until_s: float) -> list[str]:
    """Every minute, hour or day of local time from `since_s` to `until_s`, as in `time` of the rows; the last 1500."""
    step_s = _STEPS_S[step]
    begin_s = max(since_s, until_s - _MOST_TIMES * step_s)
    moments = [begin_s + i * step_s for i in range(math.ceil((until_s - begin_s) / step_s))]
    found = {time.strftime(_FORMATS[step], time.localtime(at_s)): None for at_s in (*moments, until_s - 0.001)}
    return list(found)[-_MOST_TIMES:] if until_s > since_s else []


def totals(database: sqlite3.Connection) -> dict[tuple[str, str, Direction, str], int]:
    """All crossings by (camera, line, direction, class) since it began. Raises DataError for a damaged database."""
    try:
        rows = database.execute("SELECT camera, line, direction, class, count FROM totals")
        return {(camera, line, direction, class_): count for camera, line, direction, class_, count in rows}
    except sqlite3.DatabaseError as error:
        raise DataError(f"history: the database is damaged: {error}") from error


def past_totals(path: Path, camera: str) -> dict[tuple[str, Direction, str], int]:
    """All crossings of `camera` by (line, direction, class) in the database `path`; none where there is no such file.

    Raises DataError for a damaged database, or one of another program.
    """
    if not path.exists():
        return {}
    with closing(open_to_read(path)) as database:
        found = totals(database).items()
    return {(line, way, class_): count for (name, line, way, class_), count in found if name == camera}
