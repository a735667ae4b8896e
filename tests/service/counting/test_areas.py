"""Who is in a zone and for how long, who crosses a line and in which direction."""

import dataclasses
import math
from collections.abc import Iterable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.demo.scene import Options
from edge.events import Direction, Ended, Event, LineCrossed, Lost, Moment, Observed, Origin, ZoneChanged
from edge.service.counting.areas import Areas
from edge.service.counting.border import wide_polygon
from edge.service.counting.feet import FeetFinder
from edge.service.counting.lines import BAND, cut
from edge.service.counting.zones import LOST_S, SETTLE_S, contains, distances
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


def test_feet_are_the_middle_of_the_lower_edge() -> None:
    feet = FeetFinder().find(seen(0, {1: (0.25, 0.5), 2: (0.75, 1.0)}))
    assert feet.points == pytest.approx(np.array([[50, 50], [150, 100]]))
    assert feet.heights == pytest.approx(np.array([40, 40]))
    assert FeetFinder().find(seen(0, {})).points.shape == (0, 2)


def boxed(time_s: float, boxes: dict[int, tuple[float, float, float, float]], size: tuple[int, int] = SIZE) -> Observed:
    """A frame with these boxes, in pixels, by identity."""
    count = len(boxes)
    tracks = Tracks(
        np.array(list(boxes), np.int64), np.array(list(boxes.values()), np.float32).reshape(-1, 4),
        np.ones(count, np.float32), np.zeros(count, np.int32), np.zeros(count, np.int32),
    )  # fmt: skip
    return Observed(ORIGIN, at(time_s), 1, size, tracks, [0] * count)


def test_legs_behind_something_are_sought_below_the_head() -> None:
    finder, whole = FeetFinder(), (80.0, 20.0, 100.0, 70.0)
    for i in range(10):
        assert finder.find(boxed(i / 10, {1: whole})).points[0] == pytest.approx([90, 70])
    for i in range(10, 30):  # walks on behind a car
        x = 80.0 + i
        assert finder.find(boxed(i / 10, {1: (x, 20, x + 20, 45)})).points[0] == pytest.approx([x + 10, 70])
    assert finder.find(boxed(3.0, {1: (110, 20, 130, 69)})).points[0] == pytest.approx([120, 69])


def test_whoever_walks_away_keeps_the_lower_edge() -> None:
    finder = FeetFinder()
    for i in range(60):  # a quarter smaller every second
        height = 60 * 0.75 ** (i / 10)
        top = 20 + 0.6 * (60 - height)
        assert finder.find(boxed(i / 10, {1: (80, top, 90, top + height)})).points[0, 1] == pytest.approx(top + height)


def test_a_person_who_sat_down_is_believed_after_a_while() -> None:
    finder = FeetFinder()
    finder.find(boxed(0.0, {1: (80, 20, 100, 70)}))
    bottoms = [finder.find(boxed(i / 10, {1: (80, 20, 100, 55)})).points[0, 1] for i in range(1, 80)]
    assert bottoms[0] == pytest.approx(70)
    assert bottoms[-1] == pytest.approx(55)


def test_the_lower_border_of_the_picture_hides_legs_too() -> None:
    finder = FeetFinder()
    for i in range(30):  # walks down and out of the picture
        top = 40.0 + 2 * i
        foot = finder.find(boxed(i / 10, {1: (80, top, 100, min(top + 50, 100))})).points[0, 1]
        assert foot == pytest.approx(top + 50)


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


@pytest.mark.parametrize("away_s", [LOST_S - 1, LOST_S + 1])
def test_who_is_lost_and_found_in_a_zone_soon_never_left_it(away_s: float) -> None:
    areas = Areas(ORIGIN, [RIGHT], [])
    walk(areas, [0.8] * 10)
    assert areas.note(Lost(ORIGIN, at(1.0), 1)) == []
    events = [event for i in range(round(10 * away_s)) for event in areas.note(seen(1.0 + i / 10, {}))]
    events += walk(areas, [0.8] * 10, start_s=1.0 + away_s)
    actions = [event.action for event in events if isinstance(event, ZoneChanged)]
    assert actions == ([] if away_s < LOST_S else ["leave", "enter"])
    (leave,) = areas.note(Ended(ORIGIN, at(20.0), 1, 20, "stopped"))
    assert isinstance(leave, ZoneChanged)
    assert leave.count == 0


def test_who_is_lost_in_a_zone_was_there_until_then() -> None:
    for is_over in (False, True):
        areas = Areas(ORIGIN, [RIGHT], [])
        walk(areas, [0.8] * 10)
        areas.note(Lost(ORIGIN, at(1.0), 1))
        end = Ended(ORIGIN, at(3.0), 1, 10, "lost")
        (leave,) = areas.note(end if is_over else seen(1.0 + LOST_S, {}))
        assert isinstance(leave, ZoneChanged)
        assert (leave.action, leave.dwell_s) == ("leave", pytest.approx(1.0))
        assert areas.people == {}
        assert areas.note(end) == []


def test_many_are_counted_one_by_one() -> None:
    areas = Areas(ORIGIN, [RIGHT], [])
    places = {1: (0.7, 0.5), 2: (0.8, 0.5), 3: (0.2, 0.5)}
    events = [event for i in range(10) for event in areas.note(seen(i / 10, places))]
    assert [(event.id, event.count) for event in events if isinstance(event, ZoneChanged)] == [(1, 1), (2, 2)]


@pytest.mark.parametrize(("xs", "direction"), [((0.8, 0.6, 0.4, 0.2), "in"), ((0.2, 0.4, 0.6, 0.8), "out")])
def test_crossing_a_line_has_a_direction(xs: tuple[float, ...], direction: str) -> None:
    (event,) = walk(Areas(ORIGIN, [], [MIDDLE]), [*xs, *[xs[-1]] * 5])
    assert isinstance(event, LineCrossed)
    assert event.direction == direction
    assert (event.total_in, event.total_out) == ((1, 0) if direction == "in" else (0, 1))


def test_a_line_has_ends() -> None:
    assert walk(Areas(ORIGIN, [], [MIDDLE]), (0.2, *[0.8] * 5), y=0.9) == []
    assert len(walk(Areas(ORIGIN, [], [MIDDLE]), (0.2, *[0.8] * 5), y=0.79)) == 1


def test_standing_on_a_line_is_no_crossing() -> None:
    band = BAND * 40 / SIZE[0]  # people are 40 pixels tall here
    tremble = [0.5 + 0.9 * band * math.sin(i) for i in range(50)]
    areas = Areas(ORIGIN, [], [MIDDLE])
    assert walk(areas, [0.4, *tremble, *[0.4] * 10]) == []
    assert len(walk(areas, [*tremble, *[0.6] * 10], start_s=10)) == 1


def test_a_single_frame_on_the_other_side_is_no_crossing() -> None:
    assert walk(Areas(ORIGIN, [], [MIDDLE]), [0.4] * 10 + [0.6] + [0.4] * 10) == []


def test_arriving_on_the_other_side_counts_even_if_the_identity_ends_there() -> None:
    areas = Areas(ORIGIN, [], [MIDDLE])
    assert walk(areas, [0.4] * 5 + [0.6]) == []
    (event,) = areas.note(Ended(ORIGIN, at(1.0), 1, 6, "lost"))
    assert isinstance(event, LineCrossed)


def test_a_way_around_the_end_of_a_line_is_no_crossing_and_back_through_it_is_one() -> None:
    areas = Areas(ORIGIN, [], [MIDDLE])
    around = [(0.4, 0.5), (0.4, 0.95), (0.6, 0.95), *[(0.6, 0.5)] * 10]
    assert [e for i, place in enumerate(around) for e in areas.note(seen(i / 10, {1: place}))] == []
    (event,) = walk(areas, [0.6, 0.4, *[0.4] * 10], start_s=10)
    assert isinstance(event, LineCrossed)
    assert event.direction == "in"


def test_a_crossing_during_an_occlusion_counts() -> None:
    areas = Areas(ORIGIN, [], [MIDDLE])
    assert walk(areas, [0.3] * 5) == []
    assert len(walk(areas, [0.7] * 10, start_s=4.0)) == 1


def test_a_person_who_stands_for_a_minute_on_line_and_edge_counts_once_at_most() -> None:
    """Boxes of a light detector wander by a tenth of the height, slowly and quickly."""
    rng = np.random.default_rng(7)
    areas = Areas(ORIGIN, [RIGHT], [MIDDLE])
    slow, events = 0.0, []
    for i in range(600):
        slow = 0.95 * slow + 0.3 * 0.06 * rng.standard_normal()
        x = 0.5 + (slow + 0.02 * rng.standard_normal()) * 40 / SIZE[0]
        events += areas.note(seen(i / 10, {1: (x, 0.5)}))
    assert [event for event in events if isinstance(event, LineCrossed)] == []
    assert len(events) <= 1


def true_crossings(path: list[float], band: float) -> tuple[int, int]:
    """How often a path of offsets from a line goes from clearly right of it to clearly left, and back: by rote."""
    known = [1 if offset > 0 else -1 for offset in path if abs(offset) > band]
    changes = [after for before, after in pairwise(known) if before != after]
    return changes.count(-1), changes.count(1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_counts_are_exact_on_the_streets_of_the_built_in_scene(seed: int) -> None:
    """Boxes as a detector gives them: a jitter of 3 % of the height, a tenth of them missing, a gap now and then.

    Who turns back right at the edge of the band cannot be told exactly and is left out.
    """
    options = Options(people=20, seed=seed, size=(480, 270), fps=10)
    stage, rng = options.stage(), np.random.default_rng(seed)
    areas = Areas(ORIGIN, [], [Line("middle", ((0.5, 0.0), (0.5, 1.0)))])
    paths: list[list[float]] = []  # of each visit of a person to the picture: offsets in heights
    counted: list[list[str]] = []
    visits: dict[int, tuple[int, int]] = {}  # of each person: the visit, and when last in the picture
    blind_until = np.zeros(options.people + 1, int)
    events: list[Event] = []
    for number in range(600):
        stage.advance(number / 10)
        _, truth = stage.shoot(1 / 30)
        boxes = {}
        rows = zip(truth.ids.tolist(), truth.boxes_xyxy.tolist(), truth.visibility.tolist(), strict=True)
        for person, box, visibility in rows:
            height = box[3] - box[1]
            visit, last = visits.get(person, (-1, -1))
            if visit < 0 or last < number - 1:  # the scene's people come back elsewhere
                visit = len(paths)
                paths.append([])
                counted.append([])
            visits[person] = visit, number
            if visibility < 0.25 or blind_until[person] >= number or rng.random() < 0.1:
                continue
            if box[0] > 0 and box[2] < 480:  # a box that the border cuts has its middle elsewhere
                paths[visit].append(((box[0] + box[2]) / 2 - 240) / height)
            if rng.random() < 0.01:
                blind_until[person] = number + rng.integers(5, 15)
            boxes[visit] = tuple(np.array(box) + 0.03 * height * rng.standard_normal(4))
        events += areas.note(boxed(number / 10, boxes, (480, 270)))
    for visit in range(len(paths)):
        events += areas.note(Ended(ORIGIN, at(60.0), visit, 1, "stopped"))
    for event in events:
        assert isinstance(event, LineCrossed)
        counted[event.id].append(event.direction)
    certain = [len({true_crossings(path, band) for band in (0.05, 0.15, 0.25)}) == 1 for path in paths]
    assert np.mean(certain) > 0.8
    expected = [true_crossings(path, 0.15) for path, sure in zip(paths, certain, strict=True) if sure]
    found = [(c.count("in"), c.count("out")) for c, sure in zip(counted, certain, strict=True) if sure]
    assert np.sum(expected) > 10
    assert found == expected


@given(st.lists(st.tuples(st.floats(-1, 1), st.floats(-1, 1)), min_size=2, max_size=30))
def test_the_cuts_of_a_closed_path_cancel_out(path: list[tuple[float, float]]) -> None:
    points = np.array([*path, path[0]])
    start, end = np.array([0.0, -5.0]), np.array([0.0, 5.0])
    assert sum(cut(start, end, a, b) for a, b in pairwise(points)) == 0


@given(st.tuples(st.floats(-2, 2), st.floats(-2, 2)))
def test_distances_to_a_polygon_are_those_of_its_nearest_point(point: tuple[float, float]) -> None:
    square = np.array([(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)])
    shares = np.linspace(0, 1, 2001)[:, None, None]
    edges = (1 - shares) * square + shares * np.roll(square, -1, axis=0)
    slow = np.hypot(*np.moveaxis(edges - point, 2, 0)).min()
    assert distances(square, np.array([point]))[0] == pytest.approx(slow, abs=1e-3)


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


def test_a_line_that_reaches_the_border_counts_feet_below_the_picture() -> None:
    door = Line("door", ((0.5, 0.3), (0.5, 1.0)))
    assert len(walk(Areas(ORIGIN, [], [door]), [0.4] * 5 + [0.6] * 5, y=1.2)) == 1
    assert walk(Areas(ORIGIN, [], [door]), [0.4] * 5 + [0.6] * 5, y=0.2) == []


@given(st.integers(3, 7), st.lists(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]), min_size=14, max_size=14))
def test_a_wide_polygon_is_the_same_inside_the_picture(corners: int, values: list[float]) -> None:
    polygon = np.array(values[: 2 * corners]).reshape(-1, 2)
    places = np.stack(np.meshgrid(*[np.linspace(0.031, 0.969, 17)] * 2), axis=-1).reshape(-1, 2)
    assert contains(wide_polygon(polygon), places).tolist() == contains(polygon, places).tolist()


def test_a_zone_along_the_border_goes_on_beyond_it() -> None:
    right = wide_polygon(np.array(RIGHT.points))
    outside = np.array([(0.7, 1.4), (1.3, 0.5), (0.3, 1.4), (0.7, -0.4)])
    assert contains(right, outside).tolist() == [True, True, False, True]


def test_crossings_and_stays_are_counted_by_class() -> None:
    origin = Origin("r1", "door", ["person", "car"])
    past: dict[tuple[str, Direction, str], int] = {("middle", "in", "car"): 5, ("other", "in", "car"): 9}
    areas = Areas(origin, [RIGHT], [MIDDLE], past, ["person", "car"])
    found: list[Event] = []
    for i in range(20):  # a person and a car, side by side from right to left; the tracker corrects a class on the way
        event = seen(i / 10, {1: (0.8 - 0.03 * i, 0.4), 2: (0.8 - 0.03 * i, 0.6)})
        event.tracks.classes[:] = [0, i > 2]
        found += areas.note(dataclasses.replace(event, origin=origin))
    crossed = [e for e in found if isinstance(e, LineCrossed)]
    assert [(e.id, e.class_name, e.total_in, e.class_in, e.class_out) for e in crossed] == [
        (1, "person", 6, 1, 0),
        (2, "car", 7, 6, 0),
    ]
    assert areas.crossings == {
        ("middle", "in", "person"): 1, ("middle", "out", "person"): 0, ("middle", "in", "car"): 6,
        ("middle", "out", "car"): 0,
    }  # fmt: skip
    zones = [(e.id, e.action, e.class_name, e.count, e.class_count) for e in found if isinstance(e, ZoneChanged)]
    assert zones == [
        (1, "enter", "person", 1, 1), (2, "enter", "car", 2, 1),
        (1, "leave", "person", 1, 0), (2, "leave", "car", 0, 0),
    ]  # fmt: skip
    assert areas.people == {("right", "person"): 0, ("right", "car"): 0}
