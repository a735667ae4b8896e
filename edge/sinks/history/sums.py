"""What events say, added up by periods of time: people in view, crossings, stays in zones."""

from collections import defaultdict
from typing import Any

from edge.events import Event, LineCrossed, Observed, ZoneChanged

LONGEST_STEP_S = 2.0  # a longer gap between two frames is an outage, in which nobody was observed

# The columns of each table: those that tell rows apart, and those that are added up, of which some are the most ever.
KEYS = {
    "cameras": ("minute", "camera"),
    "people": ("minute", "camera", "class"),
    "crossings": ("minute", "camera", "line", "class", "direction"),
    "zones": ("minute", "camera", "zone", "class"),
    "totals": ("camera", "line", "class", "direction"),
}
VALUES = {
    "cameras": ("observed_s",),
    "people": ("identities", "person_s", "most"),
    "crossings": ("count",),
    "zones": ("entered", "gone", "dwell_s", "longest_s", "most"),
    "totals": ("count",),
}
MOST = ("longest_s", "most")


class Sums:
    """`rows` of each table, values by keys; see `KEYS` and `VALUES`. `add` the events of all cameras in order.

    What "minute" counts is the caller's choice. Taking rows away is allowed: later events begin them anew.
    """

    def __init__(self) -> None:
        self.rows: dict[str, dict[tuple[Any, ...], list[float]]] = {table: {} for table in KEYS}
        self._last_s: dict[str, float] = {}  # when each camera gave its last picture, on the event's own clock

    def add(self, event: Event, minute: int) -> None:
        """Count an event in the period of that number."""
        camera = event.origin.camera
        if isinstance(event, Observed):
            self._add_frame(event, minute)
        elif isinstance(event, LineCrossed):
            crossing = camera, event.line, event.class_name, event.direction
            self._put("crossings", (minute, *crossing), 1)
            self._put("totals", crossing, 1)
        elif isinstance(event, ZoneChanged):
            gone = event.action == "leave"
            stay = minute, camera, event.zone, event.class_name
            dwell_s = event.dwell_s if gone else 0.0
            self._put("zones", stay, event.action == "enter", gone, dwell_s, event.dwell_s, event.class_count + gone)

    def _add_frame(self, event: Observed, minute: int) -> None:
        origin = event.origin
        step_s = event.at.time_s - self._last_s.get(origin.run, event.at.time_s)
        self._last_s[origin.run] = event.at.time_s
        step_s = step_s if 0 <= step_s <= LONGEST_STEP_S else 0.0
        self._put("cameras", (minute, origin.camera), step_s)
        counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        for number, age in zip(event.tracks.classes.tolist(), event.ages, strict=True):
            name = origin.classes[number]
            counts[name][0] += age == 0
            counts[name][1] += 1
        for name, (new, present) in counts.items():
            self._put("people", (minute, origin.camera, name), new, present * step_s, present)

    def _put(self, table: str, key: tuple[Any, ...], *values: float) -> None:
        row = self.rows[table].setdefault(key, [0.0] * len(values))
        for i, (value, column) in enumerate(zip(values, VALUES[table], strict=True)):
            row[i] = max(row[i], value) if column in MOST else row[i] + value
