"""Who entered and left zones and who crossed lines, one row each; as CSV."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from edge.events import Event, LineCrossed, ZoneChanged
from edge.sinks.lines import LineFile


class Count(NamedTuple):
    """Somebody entered or left a zone, or crossed a line.

    `area` is "zone" or "line". `total` is how many are in the zone then, or how many have crossed the line in this
    direction so far. `dwell_s` is the stay that ends with "leave".
    """

    time_s: float
    id: int
    area: str
    name: str
    action: str
    dwell_s: float | None
    total: int


def counts_of(events: Sequence[Event]) -> list[Count]:
    """What is to be counted among `events`."""
    found = []
    for event in events:
        time_s = round(event.at.time_s, 6)
        if isinstance(event, ZoneChanged):
            dwell_s = round(event.dwell_s, 3) if event.action == "leave" else None
            found.append(Count(time_s, event.id, "zone", event.zone, event.action, dwell_s, event.count))
        elif isinstance(event, LineCrossed):
            total = event.total_in if event.direction == "in" else event.total_out
            found.append(Count(time_s, event.id, "line", event.line, event.direction, None, total))
    return found


class CountsCsv:
    """An `Output` of `Count`s as CSV. Raises OutputError."""

    def __init__(self, path: Path):
        self._lines = LineFile(path)
        self._append([Count._fields])

    def start(self) -> None:
        """See `Output.start`."""

    def write(self, events: Sequence[Event]) -> None:
        """See `Output.write`."""
        if rows := counts_of(events):
            self._append(rows)

    def close(self) -> None:
        """See `Output.close`."""
        self._lines.close()

    def _append(self, rows: Sequence[Sequence[object]]) -> None:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows)
        self._lines.append(text.getvalue())
