"""What events say, added up by periods of time: people in view, crossings, stays in zones."""

from collections import defaultdict
from typing import Any

from edge.events import Event, LineCrossed, Observed, ZoneChanged

# A gap between two frames is an outage, in which nobody was observed, where it is longer than this and more than twice
# the one before it, as no gap of a slow camera is. A camera that is silent for longer than the last is offline.
USUAL_STEP_S, LONGEST_STEP_S = 2.0, 120.0

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


class Steps:
    """For how many seconds each frame of a camera stands: those since the frame before it, none after an outage."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[float, float]] = {}  # by run: when the last frame came, and how long after another

    def next_s(self, frame: Observed) -> float:
        """Of the next frame of its camera."""
        run, now_s = frame.origin.run, frame.at.time_s
        last_s, before_s = self._last.get(run, (now_s, 0.0))
        step_s = now_s - last_s
        self._last[run] = now_s, step_s if step_s <= LONGEST_STEP_S else 0.0
        return step_s if 0 <= step_s <= max(USUAL_STEP_S, min(2 * before_s, LONGEST_STEP_S)) else 0.0


class Sums:
    """`rows` of each table, values by keys; see `KEYS` and `VALUES`. `add` the events of all cameras in order.

    What "minute" counts is the caller's choice. Taking rows away is allowed: later events begin them anew.
    """

    def __init__(self) -> None:
        self.rows: dict[str, dict[tuple[Any, ...], list[float]]] = {table: {} for table in KEYS}
        self._steps = Steps()

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
        step_s = self._steps.next_s(event)
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
