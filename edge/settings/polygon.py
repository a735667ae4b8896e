"""Polygons as people draw them: those with an area, whose sides do not cross."""

from collections.abc import Sequence
from itertools import combinations

LEAST_AREA = 1e-4  # of the picture: 8 by 8 pixels at 640x480, less than any mouse draws

_Point = Sequence[float]


def simple(points: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
    """`points` themselves (shares of width and height, in order). Raises ValueError where they are no such polygon."""
    if abs(_area(points)) < LEAST_AREA and not _crossed(points):
        raise ValueError("expected a polygon with an area, found points on a line or on top of each other")
    crossed = _crossed(points)
    if crossed is not None:
        raise ValueError(
            f"expected the points in order around it, found that the sides from points {crossed[0] + 1} and"
            f" {crossed[1] + 1} cross"
        )
    return points


def _area(points: Sequence[_Point]) -> float:
    """The area by the shoelace formula, negative where the points turn to the left."""
    following = [*points[1:], points[0]]
    return sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(points, following, strict=True)) / 2


def _crossed(points: Sequence[_Point]) -> tuple[int, int] | None:
    """The numbers of the first points of two sides that cross, None where there are none."""
    count = len(points)
    for i, j in combinations(range(count), 2):
        if j - i in (1, count - 1):
            continue  # neighbours meet in a point
        a, b, c, d = points[i], points[(i + 1) % count], points[j], points[(j + 1) % count]
        if _turn(a, b, c) * _turn(a, b, d) < 0 and _turn(c, d, a) * _turn(c, d, b) < 0:
            return i, j
    return None


def _turn(a: _Point, b: _Point, c: _Point) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
