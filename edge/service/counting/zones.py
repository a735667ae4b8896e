"""Who is in a zone, and for how long.

Boxes tremble and wander. So there is a band along the zone's edge, as wide as a share of the person's height, in which
nobody changes sides, and beyond it a change counts once it has lasted. Who is lost may only be hidden, so the zone
waits a while before it takes that for leaving.
"""

from collections import Counter

import numpy as np

from edge.events import Moment, Origin, ZoneAction, ZoneChanged
from edge.service.counting.border import wide_polygon
from edge.service.counting.feet import Feet, Points
from edge.service.counting.shape import Shape

SETTLE_S = 0.5  # so long somebody must be on the other side
LOST_S = 5.0  # so long who is lost is taken to be still there
BAND = 0.15  # half the width of the band, as a share of the person's height


class ZoneCounter:
    """The people in one zone of a picture of `size` (width, height); those there for `stay_s` are told of once."""

    def __init__(self, origin: Origin, zone: Shape, stay_s: float | None = None):
        self._origin, self.name, self._stay_s = origin, zone.name, stay_s
        self._stayed: set[int] = set()  # those that had an event "stay"
        self._polygon = wide_polygon(np.array(zone.points))
        self._since_s: dict[int, float] = {}  # those inside
        self._classes: dict[int, str] = {}  # theirs, as last seen
        self._lost: dict[int, Moment] = {}  # those inside who are lost, since when
        self._outside: set[int] = set()  # those known to be outside
        self._changing: dict[int, float] = {}  # seen on the other side than where they count, since when

    @property
    def by_class(self) -> Counter[str]:
        """How many of each class are there."""
        return Counter(self._classes.values())

    def update(self, feet: Feet, size: tuple[int, int], at: Moment) -> list[ZoneChanged]:
        """Those who entered or left for good. Who is not seen stays inside or outside."""
        for id_ in feet.ids:
            self._lost.pop(id_, None)
        over = [id_ for id_, since in self._lost.items() if at.time_s - since.time_s >= LOST_S]
        found = [self._leave(id_, at, self._lost.pop(id_).time_s) for id_ in over]
        polygon = self._polygon * np.maximum(size, 1)
        depths = np.where(contains(polygon, feet.points), 1.0, -1.0) * distances(polygon, feet.points)
        rows = zip(feet.ids, feet.classes, depths.tolist(), feet.heights.tolist(), strict=True)
        for id_, class_, depth, height in rows:
            was_inside = id_ in self._since_s
            if was_inside:
                self._classes[id_] = class_
                if self._stay_s is not None and id_ not in self._stayed:
                    dwell_s = at.time_s - self._since_s[id_]
                    if dwell_s >= self._stay_s:
                        self._stayed.add(id_)
                        found.append(self._change(id_, at, "stay", dwell_s, class_))
            # Who is new belongs where the feet are, even within the band.
            band = BAND * height if was_inside or id_ in self._outside else 0.0
            if was_inside and depth <= -band:
                if (left_s := self._settled(id_, at)) is not None:
                    self._outside.add(id_)
                    found.append(self._leave(id_, at, left_s))
            elif not was_inside and depth > band:
                if (entered_s := self._settled(id_, at)) is not None:
                    self._outside.discard(id_)
                    self._since_s[id_], self._classes[id_] = entered_s, class_
                    found.append(self._change(id_, at, "enter", 0.0, class_))
            else:
                self._changing.pop(id_, None)
                if not was_inside:
                    self._outside.add(id_)
        return found

    def lose(self, id_: int, at: Moment) -> None:
        """Identity `id_` is lost: it is still there for `LOST_S`, if it was inside."""
        self._changing.pop(id_, None)
        self._outside.discard(id_)
        if id_ in self._since_s:
            self._lost[id_] = at

    def forget(self, id_: int, at: Moment) -> list[ZoneChanged]:
        """Identity `id_` ended: it left, if it was inside."""
        self._changing.pop(id_, None)
        self._outside.discard(id_)
        left = self._lost.pop(id_, at)
        return [self._leave(id_, at, left.time_s)] if id_ in self._since_s else []

    def _settled(self, id_: int, at: Moment) -> float | None:
        """Since when the feet are on the other side, None while that may be a passing error."""
        since_s = self._changing.setdefault(id_, at.time_s)
        return self._changing.pop(id_) if at.time_s - since_s >= SETTLE_S else None

    def _leave(self, id_: int, at: Moment, left_s: float) -> ZoneChanged:
        self._stayed.discard(id_)
        return self._change(id_, at, "leave", left_s - self._since_s.pop(id_), self._classes.pop(id_))

    def _change(self, id_: int, at: Moment, action: ZoneAction, dwell_s: float, class_: str) -> ZoneChanged:
        here = len(self._since_s), class_, self.by_class[class_]
        return ZoneChanged(self._origin, at, self.name, id_, action, dwell_s, *here)


def contains(polygon: Points, points: Points) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    """Which of `points` `[M, 2]` lie in `polygon` `[N, 2]`: a ray to the right cuts its edges oddly often."""
    a, b = polygon, np.roll(polygon, -1, axis=0)
    x, y = points[:, :1], points[:, 1:]
    spans = (a[:, 1] > y) != (b[:, 1] > y)
    rise = np.where(a[:, 1] == b[:, 1], 1.0, b[:, 1] - a[:, 1])
    cuts = spans & (x < a[:, 0] + (y - a[:, 1]) * (b[:, 0] - a[:, 0]) / rise)
    inside: np.ndarray[tuple[int], np.dtype[np.bool_]] = cuts.sum(axis=1) % 2 == 1
    return inside


def distances(polygon: Points, points: Points) -> Points:
    """Distance of each of `points` `[M, 2]` to the nearest edge of `polygon` `[N, 2]`, `[M]`."""
    a, along = polygon, np.roll(polygon, -1, axis=0) - polygon
    to_point = points[:, None] - a
    length2 = np.maximum((along**2).sum(axis=1), 1e-12)
    share = np.clip((to_point * along).sum(axis=2) / length2, 0.0, 1.0)
    nearest: Points = np.hypot(*np.moveaxis(to_point - share[..., None] * along, 2, 0)).min(axis=1, initial=np.inf)
    return nearest
