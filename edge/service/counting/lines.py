"""Who crosses a line, and in which direction.

What counts is the path of the feet: it must cut the line between its ends, and lead from clearly one side to clearly
the other, where it stays for a while. Clearly is a share of the person's height away from the line, so a person who
stands on the line and sways crosses nothing. Between two sightings the path is straight.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from edge.events import Direction, LineCrossed, Moment, Origin
from edge.service.counting.border import long_line
from edge.service.counting.feet import Feet, Points
from edge.service.counting.shape import Shape

SETTLE_S = 0.3  # so long somebody must be on the other side
BAND = 0.15  # half the width of the band along the line in which nobody has a side, as a share of the height


@dataclass(slots=True)
class _Walk:
    class_name: str
    point: Points  # where the feet were seen last
    side: int  # 1 on the right hand, -1 on the left, 0 not yet known
    cuts: int = 0  # how often the path has cut the line since then, to the right less to the left
    changing: tuple[int, float] | None = None  # the side that is now seen, and since when


class LineCounter:
    """The crossings of one line; "in" is from left to right, seen from its first point to its second.

    `totals` are earlier crossings by (line, direction, class). `by_class` counts them all by (direction, class).
    """

    def __init__(self, origin: Origin, line: Shape, totals: Mapping[tuple[str, Direction, str], int]):
        self._origin, self.name = origin, line.name
        self._points = long_line(np.array(line.points))
        self._walks: dict[int, _Walk] = {}
        self.by_class: Counter[tuple[Direction, str]] = Counter()
        self.go_on_from(totals)

    def go_on_from(self, totals: Mapping[tuple[str, Direction, str], int]) -> None:
        """Count on from earlier crossings, where those are more."""
        self.by_class |= Counter({(way, class_): n for (name, way, class_), n in totals.items() if name == self.name})

    def total(self, direction: Direction) -> int:
        """All crossings in `direction`."""
        return sum(count for (way, _), count in self.by_class.items() if way == direction)

    def update(self, feet: Feet, size: tuple[int, int], at: Moment) -> list[LineCrossed]:
        """The crossings that are certain now."""
        found: list[LineCrossed] = []
        start, end = self._points * np.maximum(size, 1)
        offsets = signed_distances(start, end, feet.points) / np.maximum(feet.heights, 1e-6)
        for id_, class_, point, offset in zip(feet.ids, feet.classes, feet.points, offsets.tolist(), strict=True):
            side = 0 if abs(offset) < BAND else 1 if offset > 0 else -1
            walk = self._walks.get(id_)
            if walk is None:
                self._walks[id_] = _Walk(class_, point, side)
                continue
            walk.class_name = class_
            walk.cuts += cut(start, end, walk.point, point)
            walk.point = point
            if side == 0 or side == walk.side:
                walk.changing = None
                if side:
                    walk.cuts = 0
            elif walk.changing is None or walk.changing[0] != side:
                walk.changing = side, at.time_s
            elif at.time_s - walk.changing[1] >= SETTLE_S:
                found += self._settle(id_, walk, at)
        return found

    def forget(self, id_: int, at: Moment) -> list[LineCrossed]:
        """Identity `id_` ended: on the other side it had arrived."""
        walk = self._walks.pop(id_, None)
        return [] if walk is None or walk.changing is None else self._settle(id_, walk, at)

    def _settle(self, id_: int, walk: _Walk, at: Moment) -> list[LineCrossed]:
        """`walk` has changed sides: a crossing, if its path cut the line and did not go around its ends."""
        assert walk.changing is not None
        before, cuts = walk.side, walk.cuts
        walk.side, walk.changing, walk.cuts = walk.changing[0], None, 0
        if before == 0 or cuts != walk.side:
            return []
        direction: Direction = "in" if walk.side > 0 else "out"
        class_ = walk.class_name
        self.by_class[direction, class_] += 1
        totals, of_class = (
            (self.total("in"), self.total("out")),
            (self.by_class["in", class_], self.by_class["out", class_]),
        )
        return [LineCrossed(self._origin, at, self.name, id_, direction, *totals, class_, *of_class)]


def signed_distances(start: Points, end: Points, points: Points) -> Points:
    """Distance of `points` `[M, 2]` from the endless line, positive on the right hand of who goes from start to end.

    y points down.
    """
    along = end - start
    normal = np.array([-along[1], along[0]]) / max(float(np.hypot(*along)), 1e-12)
    offsets: Points = (points - start) @ normal
    return offsets


def cut(start: Points, end: Points, before: Points, now: Points) -> int:
    """1 where the step from `before` to `now` cuts the line between its ends to the right hand, -1 to the left, else 0.

    A point on the line belongs to its right hand, so that a path that touches the line cuts it once or not at all.
    """
    (ax, ay), (bx, by) = start.tolist(), end.tolist()
    (px, py), (qx, qy) = before.tolist(), now.tolist()
    side_before = (bx - ax) * (py - ay) - (by - ay) * (px - ax) >= 0
    side_now = (bx - ax) * (qy - ay) - (by - ay) * (qx - ax) >= 0
    if side_before == side_now:
        return 0
    of_start = (qx - px) * (ay - py) - (qy - py) * (ax - px)
    of_end = (qx - px) * (by - py) - (qy - py) * (bx - px)
    if of_start * of_end > 0:
        return 0
    return 1 if side_now else -1
