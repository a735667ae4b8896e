"""The output that keeps the history: events are added up by minute and written once a second."""

import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from edge.events import Event, LineCrossed, ZoneChanged
from edge.settings.config import History as Settings
from edge.sinks.history import database, feet
from edge.sinks.history.feet import Feet
from edge.sinks.history.sums import KEYS, MOST, VALUES, Sums
from edge.sinks.output import LossError

_MIB = 1 << 20
FLUSH_S = 1.0
PRUNE_S = 3600.0
_MOST_WAITING = 50_000  # rows that wait for a full disk to have space again


class History:
    """An output into the database that `settings` name. Events without a date, as of recordings, count as of now.

    Raises `edge.errors.OutputError` where it cannot be written or is another program's.
    """

    def __init__(self, settings: Settings, utc: Callable[[], float] = time.time):
        self._settings, self._path, self._utc = settings, Path(settings.path), utc
        database.open_to_write(self._path).close()
        self._database: sqlite3.Connection | None = None
        self._sums, self._feet = Sums(), Feet()
        self._waiting = {**self._sums.rows, "feet": self._feet.rows}  # to be written
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
        with closing(self._database):
            try:
                self._flush(self._utc())
            finally:
                self._database = None

    def _add(self, event: Event) -> None:
        minute = int((self._utc() if event.at.utc_s is None else event.at.utc_s) // 60)
        self._sums.add(event, minute)
        self._feet.add(event, minute)

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
    keys, values = {**KEYS, "feet": feet.KEY}[table], {**VALUES, "feet": feet.VALUE}[table]
    columns = ", ".join(f'"{name}"' for name in (*keys, *values))
    key = ", ".join(f'"{name}"' for name in keys)
    marks = ", ".join("?" * (len(keys) + len(values)))
    rules = {name: "max({0}, excluded.{0})" if name in MOST else "{0} + excluded.{0}" for name in values}
    changes = ", ".join(f"{name} = {rule.format(name)}" for name, rule in rules.items())
    return f"INSERT INTO {table} ({columns}) VALUES ({marks}) ON CONFLICT ({key}) DO UPDATE SET {changes}"
