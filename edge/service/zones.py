"""What people do in a picture: enter and leave zones, stay there, cross lines.

A person is where the feet are: the middle of the box's lower edge. Coordinates are shares of width and height from the
upper left corner, so they hold for every resolution.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edge.events import Direction, Ended, Event, LineCrossed, Moment, Observed, Origin, ZoneAction, ZoneChanged
from edge.settings.config import Line, Zone

# Boxes tremble: in or out counts once it has lasted so long.
SETTLE_S = 0.5
# And a side of a line counts from this distance on, as a share of the picture.
MARGIN = 0.01

Points = npt.NDArray[np.float64]


class Areas:
    """The zones and lines of one camera. `note` every event of the camera, in order."""

    def __init__(self, origin: Origin, zones: Sequence[Zone], lines: Sequence[Line]):
        self._zones = [_ZoneWatch(origin, zone) for zone in zones]
        self._lines = [_LineWatch(origin, line) for line in lines]

    @property
    def people(self) -> dict[str, int]:
        """How many are in each zone."""
        return {zone.name: zone.count for zone in self._zones}

    @property
    def crossings(self) -> dict[tuple[str, Direction], int]:
        """How many crossed each line in each direction."""
        return {(line.name, way): count for line in self._lines for way, count in line.totals.items()}

    def note(self, event: Event) -> list[Event]:
        """What follows from `event`."""
        found: list[Event] = []
        if not self._zones and not self._lines:
            return found
        if isinstance(event, Observed):
            ids, feet = event.tracks.ids.tolist(), feet_of(event)
            for zone in self._zones:
                found += zone.see(ids, feet, event.at)
            for line in self._lines:
                found += line.see(ids, feet, event.at)
        elif isinstance(event, Ended):
            for zone in self._zones:
                found += zone.forget(event.id, event.at)
            for line in self._lines:
                line.forget(event.id)
        return found


def feet_of(event: Observed) -> Points:
    """Where the tracks stand, `[M, 2]`, as shares of the picture."""
    boxes = event.tracks.boxes_xyxy.astype(np.float64)
    return np.stack([(boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3]], axis=1) / np.maximum(event.size, 1)


def contains(polygon: Points, points: Points) -> npt.NDArray[np.bool_]:
    """Which of `points` `[M, 2]` lie in `polygon` `[N, 2]`: a ray to the right cuts its edges oddly often."""
    a, b = polygon, np.roll(polygon, -1, axis=0)
    x, y = points[:, :1], points[:, 1:]
    spans = (a[:, 1] > y) != (b[:, 1] > y)
    rise = np.where(a[:, 1] == b[:, 1], 1.0, b[:, 1] - a[:, 1])
    cuts = spans & (x < a[:, 0] + (y - a[:, 1]) * (b[:, 0] - a[:, 0]) / rise)
    inside: npt.NDArray[np.bool_] = cuts.sum(axis=1) % 2 == 1
    return inside


class _ZoneWatch:
    """Who is in one zone, and since when."""

    def __init__(self, origin: Origin, zone: Zone):
        self._origin, self.name = origin, zone.name
        self._polygon = np.array(zone.points)
        self._since_s: dict[int, float] = {}
        self._changing: dict[int, float] = {}  # those seen on the other side than where they count, since when

    @property
    def count(self) -> int:
        """How many are there."""
        return len(self._since_s)

    def see(self, ids: Sequence[int], feet: Points, at: Moment) -> list[Event]:
        """Those who entered or left for good. Who is not seen stays where he was."""
        found: list[Event] = []
        for id_, inside in zip(ids, contains(self._polygon, feet).tolist(), strict=True):
            if inside == (id_ in self._since_s):
                self._changing.pop(id_, None)
                continue
            began_s = self._changing.setdefault(id_, at.time_s)
            if at.time_s - began_s < SETTLE_S:
                continue
            del self._changing[id_]
            if inside:
                self._since_s[id_] = began_s
                found.append(self._change(id_, at, "enter", 0.0))
            else:
                found.append(self._change(id_, at, "leave", began_s - self._since_s.pop(id_)))
        return found

    def forget(self, id_: int, at: Moment) -> list[Event]:
        """An identity ended, wherever it was."""
        self._changing.pop(id_, None)
        since_s = self._since_s.pop(id_, None)
        return [] if since_s is None else [self._change(id_, at, "leave", at.time_s - since_s)]

    def _change(self, id_: int, at: Moment, action: ZoneAction, dwell_s: float) -> ZoneChanged:
        return ZoneChanged(self._origin, at, self.name, id_, action, dwell_s, self.count)


class _LineWatch:
    """Who crossed one line, and how many so far."""

    def __init__(self, origin: Origin, line: Line):
        self._origin, self.name = origin, line.name
        self._start, self._end = np.array(line.points[0]), np.array(line.points[1])
        along = self._end - self._start
        # Positive on the right hand of who walks from the first point to the second (y points down).
        self._normal = np.array([-along[1], along[0]]) / np.hypot(*along)
        self._settled: dict[int, Points] = {}
        self.totals: dict[Direction, int] = {"in": 0, "out": 0}

    def see(self, ids: Sequence[int], feet: Points, at: Moment) -> list[Event]:
        """The crossings; from the left hand to the right is "in"."""
        found: list[Event] = []
        distances = (feet - self._start) @ self._normal
        for id_, foot, distance in zip(ids, feet, distances.tolist(), strict=True):
            if abs(distance) < MARGIN:
                continue
            before = self._settled.get(id_)
            self._settled[id_] = foot
            if before is not None and self._crosses(before, foot):
                direction: Direction = "in" if distance > 0 else "out"
                self.totals[direction] += 1
                totals = self.totals["in"], self.totals["out"]
                found.append(LineCrossed(self._origin, at, self.name, id_, direction, *totals))
        return found

    def forget(self, id_: int) -> None:
        """An identity ended."""
        self._settled.pop(id_, None)

    def _crosses(self, before: Points, now: Points) -> bool:
        """Whether the way from `before` to `now` cuts the line between its ends."""
        if ((before - self._start) @ self._normal > 0) == ((now - self._start) @ self._normal > 0):
            return False
        way = now - before
        sides = [way[0] * (end - before)[1] - way[1] * (end - before)[0] for end in (self._start, self._end)]
        return bool(sides[0] * sides[1] <= 0)
