"""Who is in a zone and for how long, who crosses a line and in which direction."""

import math
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.events import Ended, Event, LineCrossed, Moment, Observed, Origin, ZoneChanged
from edge.service.zones import MARGIN, SETTLE_S, Areas, contains, feet_of
from edge.settings.config import Line, Zone
from edge.types import Tracks

ORIGIN = Origin("r1", "door", ["person"])
SIZE = (200, 100)
# The right half of the picture, and an upright line in its middle: "in" is from right to left, as it leads down.
RIGHT = Zone("right", ((0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0)))
MIDDLE = Line("middle", ((0.5, 0.2), (0.5, 0.8)))


def at(time_s: float) -> Moment:
    return Moment(time_s, None)


def seen(time_s: float, places: dict[int, tuple[float, float]]) -> Observed:
    """A frame in which identities stand at these shares of the picture."""
    feet = np.array(list(places.values()), np.float32).reshape(-1, 2) * SIZE
    boxes = np.concatenate([feet - np.array([10, 40]), feet + np.array([10, 0])], axis=1).astype(np.float32)
    count = len(places)
    tracks = Tracks(
        np.array(list(places), np.int64), boxes, np.ones(count, np.float32), np.zeros(count, np.int32),
        np.zeros(count, np.int32),
    )  # fmt: skip
    return Observed(ORIGIN, at(time_s), 1, SIZE, tracks, [0] * count)


def walk(areas: Areas, xs: Iterable[float], y: float = 0.5, start_s: float = 0.0, step_s: float = 0.1) -> list[Event]:
    """What happens when identity 1 stands at `xs`, one after another."""
    return [event for i, x in enumerate(xs) for event in areas.note(seen(start_s + i * step_s, {1: (x, y)}))]


def test_feet_are_the_middle_of_the_lower_edge_as_shares_of_the_picture() -> None:
    assert feet_of(seen(0, {1: (0.25, 0.5), 2: (0.75, 1.0)})) == pytest.approx(np.array([[0.25, 0.5], [0.75, 1.0]]))
    assert feet_of(seen(0, {})).shape == (0, 2)


def test_entering_and_leaving_with_the_time_between() -> None:
    areas = Areas(ORIGIN, [RIGHT], [])
    events = walk(areas, [0.2] * 10 + [0.8] * 30 + [0.3] * 10)
    enter, leave = (event for event in events if isinstance(event, ZoneChanged))
    assert (enter.action, enter.count, enter.dwell_s, enter.zone, enter.id) == ("enter", 1, 0.0, "right", 1)
    assert (leave.action, leave.count) == ("leave", 0)
    assert leave.dwell_s == pytest.approx(3.0)  # from the first step inside to the first outside
    assert enter.at.time_s == pytest.approx(1.0 + SETTLE_S)


def test_a_trembling_box_on_the_edge_is_no_traffic() -> None:
    assert walk(Areas(ORIGIN, [RIGHT], []), [0.49, 0.51] * 50) == []


def test_who_is_not_seen_stays_until_the_identity_ends() -> None:
    areas = Areas(ORIGIN, [RIGHT], [])
    walk(areas, [0.8] * 10)
    for i in range(10):
        assert areas.note(seen(1.0 + i / 10, {})) == []
    (leave,) = areas.note(Ended(ORIGIN, at(2.0), 1, 10, "lost"))
    assert isinstance(leave, ZoneChanged)
    assert (leave.action, leave.dwell_s, leave.count) == ("leave", pytest.approx(2.0), 0)
    assert areas.note(Ended(ORIGIN, at(2.0), 1, 10, "lost")) == []


def test_many_are_counted_one_by_one() -> None:
    areas = Areas(ORIGIN, [RIGHT], [])
    places = {1: (0.7, 0.5), 2: (0.8, 0.5), 3: (0.2, 0.5)}
    events = [event for i in range(10) for event in areas.note(seen(i / 10, places))]
    assert [(event.id, event.count) for event in events if isinstance(event, ZoneChanged)] == [(1, 1), (2, 2)]


@pytest.mark.parametrize(("xs", "direction"), [((0.8, 0.6, 0.4, 0.2), "in"), ((0.2, 0.4, 0.6, 0.8), "out")])
def test_crossing_a_line_has_a_direction(xs: tuple[float, ...], direction: str) -> None:
    (event,) = walk(Areas(ORIGIN, [], [MIDDLE]), xs)
    assert isinstance(event, LineCrossed)
    assert event.direction == direction
    assert (event.total_in, event.total_out) == ((1, 0) if direction == "in" else (0, 1))


def test_a_line_has_ends() -> None:
    assert walk(Areas(ORIGIN, [], [MIDDLE]), (0.2, 0.8), y=0.9) == []
    assert len(walk(Areas(ORIGIN, [], [MIDDLE]), (0.2, 0.8), y=0.79)) == 1


def test_standing_on_a_line_is_no_crossing() -> None:
    tremble = [0.5 + 0.9 * MARGIN * math.sin(i) for i in range(50)]
    areas = Areas(ORIGIN, [], [MIDDLE])
    assert walk(areas, [0.4, *tremble, 0.4]) == []
    assert len(walk(areas, [*tremble, 0.6])) == 1


def test_a_new_identity_on_the_other_side_did_not_cross() -> None:
    areas = Areas(ORIGIN, [], [MIDDLE])
    areas.note(seen(0, {1: (0.2, 0.5)}))
    areas.note(Ended(ORIGIN, at(1.0), 1, 1, "lost"))
    assert areas.note(seen(2.0, {1: (0.8, 0.5)})) == []


def winding(polygon: list[tuple[float, float]], x: float, y: float) -> bool:
    """Whether the edges turn around the point: the slow, obvious twin."""
    total = 0.0
    for (ax, ay), (bx, by) in zip(polygon, polygon[1:] + polygon[:1], strict=True):
        turn = math.atan2(by - y, bx - x) - math.atan2(ay - y, ax - x)
        total += (turn + math.pi) % (2 * math.pi) - math.pi
    return abs(total) > math.pi


@given(
    st.integers(3, 8),
    st.lists(st.floats(0.1, 1.0), min_size=8, max_size=8),
    st.tuples(st.floats(-1, 1), st.floats(-1, 1)),
)
def test_a_point_is_inside_where_the_edges_turn_around_it(
    corners: int, radii: list[float], point: tuple[float, float]
) -> None:
    angles = [2 * math.pi * i / corners + 0.1 for i in range(corners)]
    polygon = [(r * math.cos(a), r * math.sin(a)) for r, a in zip(radii, angles, strict=False)]
    x, y = point
    edges = zip(polygon, polygon[1:] + polygon[:1], strict=True)
    if any(abs((bx - ax) * (y - ay) - (by - ay) * (x - ax)) < 1e-9 for (ax, ay), (bx, by) in edges):
        return  # on an edge either answer is right
    assert contains(np.array(polygon), np.array([point])).tolist() == [winding(polygon, x, y)]
