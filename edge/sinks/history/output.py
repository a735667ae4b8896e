"""The output that keeps the history: events are added up by minute and written once a second."""

import sqlite3
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from edge.errors import OutputError
from edge.events import Ended, Event, LineCrossed, Observed, ZoneChanged
from edge.settings.config import History as Settings
from edge.sinks.history import database
from edge.sinks.output import LossError

_MIB = 1 << 20
FLUSH_S = 1.0
PRUNE_S = 3600.0
LONGEST_STEP_S = 2.0  # a longer gap between two frames is an outage, in which nobody was observed
_MOST_WAITING = 50_000  # rows that wait for a full disk to have space again

# How a row is added to what its minute already has; the other columns are the key.
_SUM, _MOST = "{0} + excluded.{0}", "max({0}, excluded.{0})"
_VALUES: dict[str, dict[str, str]] = {
    "cameras": {"observed_s": _SUM},
    "people": {"identities": _SUM, "person_s": _SUM, "most": _MOST},
    "crossings": {"count": _SUM},
    "zones": {"entered": _SUM, "gone": _SUM, "dwell_s": _SUM, "longest_s": _MOST, "most": _MOST},
    "totals": {"count": _SUM},
}
_KEYS = {
    "cameras": ("minute", "camera"),
    "people": ("minute", "camera", "class"),
    "crossings": ("minute", "camera", "line", "class", "direction"),
    "zones": ("minute", "camera", "zone", "class"),
    "totals": ("camera", "line", "class", "direction"),
}


class History:
    """An output into the database that `settings` name. Events without a date, as of recordings, count as of now.

    Raises OutputError where it cannot be written or is another program's.
    """

    def __init__(self, settings: Settings, utc: Callable[[], float] = time.time):
        self._settings, self._path, self._utc = settings, Path(settings.path), utc
        database.open_to_write(self._path).close()
        self._database: sqlite3.Connection | None = None
        self._waiting: dict[str, dict[tuple[Any, ...], list[float]]] = {table: {} for table in _KEYS}
        self._classes: dict[tuple[str, int], str] = {}  # of the identities in view
        self._last_s: dict[str, float] = {}  # when each camera gave its last picture, on the event's own clock
        self._flushed_s = self._pruned_s = float("-inf")

    def start(self) -> None:
        """See `Output.start`. Raises OutputError."""
        self._database = database.open_to_write(self._path)

    def write(self, events: Sequence[Event]) -> None:
        """See `Output.write`: frames are written once a second, everything else at once.

        Raises LossError where the disk takes nothing: what came is kept in memory and written later.
        """
        for event in events:
            self._add(event)
        now_s = self._utc()
        urgent = any(isinstance(event, LineCrossed | ZoneChanged) for event in events)
        if urgent or not 0 <= now_s - self._flushed_s < FLUSH_S:
            self._flush(now_s)

    def close(self) -> None:
        """See `Output.close`. Raises OutputError where something could not be written."""
        if self._database is None:
            return
        try:
            self._flush(self._utc())
            self._database.close()
        except sqlite3.Error as error:
            raise OutputError(f"history {self._path}: cannot be finished: {error}") from error
        finally:
            self._database = None

    def _add(self, event: Event) -> None:
        minute = int((self._utc() if event.at.utc_s is None else event.at.utc_s) // 60)
        camera = event.origin.camera
        if isinstance(event, Observed):
            self._add_frame(event, minute)
        elif isinstance(event, LineCrossed):
            crossing = camera, event.line, self._class_of(event), event.direction
            self._put("crossings", (minute, *crossing), 1)
            self._put("totals", crossing, 1)
        elif isinstance(event, ZoneChanged):
            gone = event.action == "leave"
            stay = minute, camera, event.zone, self._class_of(event)
            self._put("zones", stay, not gone, gone, event.dwell_s, event.dwell_s, event.count + gone)
        elif isinstance(event, Ended):
            self._classes.pop((event.origin.run, event.id), None)

    def _add_frame(self, event: Observed, minute: int) -> None:
        origin = event.origin
        step_s = event.at.time_s - self._last_s.get(origin.run, event.at.time_s)
        self._last_s[origin.run] = event.at.time_s
        step_s = step_s if 0 <= step_s <= LONGEST_STEP_S else 0.0
        self._put("cameras", (minute, origin.camera), step_s)
        counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        rows = zip(event.tracks.ids.tolist(), event.tracks.classes.tolist(), event.ages, strict=True)
        for id_, number, age in rows:
            name = origin.classes[number] if number < len(origin.classes) else str(number)
            self._classes[origin.run, id_] = name
            counts[name][0] += age == 0
            counts[name][1] += 1
        for name, (new, present) in counts.items():
            self._put("people", (minute, origin.camera, name), new, present * step_s, present)

    def _class_of(self, event: LineCrossed | ZoneChanged) -> str:
        return self._classes.get((event.origin.run, event.id), event.origin.classes[0] if event.origin.classes else "")

    def _put(self, table: str, key: tuple[Any, ...], *values: float) -> None:
        row = self._waiting[table].setdefault(key, [0.0] * len(values))
        for i, (value, rule) in enumerate(zip(values, _VALUES[table].values(), strict=True)):
            row[i] = max(row[i], value) if rule == _MOST else row[i] + value

    def _flush(self, now_s: float) -> None:
        assert self._database is not None
        try:
            with self._database:
                for table, rows in self._waiting.items():
                    self._database.executemany(_upsert(table), [(*key, *values) for key, values in rows.items()])
            self._flushed_s = now_s
            for rows in self._waiting.values():
                rows.clear()
            if not 0 <= now_s - self._pruned_s < PRUNE_S:
                self._pruned_s = now_s
                most_bytes = int(self._settings.max_mib * _MIB)
                database.prune(self._database, int(now_s // 60), self._settings.keep_days, most_bytes)
        except sqlite3.Error as error:
            lost = self._drop_oldest()
            raise LossError(f"history {self._path}: cannot be written, kept in memory: {error}", lost) from error

    def _drop_oldest(self) -> int:
        """Keep memory bounded while nothing can be written: rows of the oldest minutes go. How many went."""
        lost = 0
        for table in database.BY_MINUTE:
            rows = self._waiting[table]
            for key in sorted(rows)[: max(0, len(rows) - _MOST_WAITING)]:
                del rows[key]
                lost += 1
        return lost


def _upsert(table: str) -> str:
    keys, values = _KEYS[table], _VALUES[table]
    columns = ", ".join((*keys, *values))
    marks = ", ".join("?" * (len(keys) + len(values)))
    changes = ", ".join(f"{name} = {rule.format(name)}" for name, rule in values.items())
    return f"INSERT INTO {table} ({columns}) VALUES ({marks}) ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {changes}"
