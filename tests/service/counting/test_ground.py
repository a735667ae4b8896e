"""Pixels become metres on the ground, and paths become speeds."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.demo.camera import Camera
from edge.demo.scene import Options
from edge.events import Ended, Event, LineCrossed, Moment, Observed
from edge.service.counting.areas import Areas
from edge.service.counting.ground import Ground
from edge.settings.config import Line
from tests.service.counting.test_areas import ORIGIN, boxed

SIZE = (1920, 1080)
CORNERS_M = [(-2.0, 4.0), (2.0, 4.0), (3.0, 20.0), (-3.0, 20.0)]


def seen(x_m: float, y_m: float, up_m: float = 0.0) -> tuple[float, float]:
    """Where a camera 3 m high that looks 15 degrees down sees a point: shares of its picture, by a pinhole's rule."""
    tilt, focal = np.radians(15.0), 1.1
    down, ahead = 3.0 - up_m, y_m
    depth = ahead * np.cos(tilt) + down * np.sin(tilt)
    below = down * np.cos(tilt) - ahead * np.sin(tilt)
    return 0.5 + focal * x_m / depth, 0.5 + focal * below / depth * SIZE[0] / SIZE[1]


GROUND = Ground([seen(x, y) for x, y in CORNERS_M], CORNERS_M)


@given(st.floats(-10, 10), st.floats(2, 60))
def test_every_place_on_the_ground_is_found_again(x_m: float, y_m: float) -> None:
    assert GROUND.metres(np.array([seen(x_m, y_m)]))[0] == pytest.approx([x_m, y_m], rel=1e-6, abs=1e-6)


def test_above_the_horizon_there_is_no_ground() -> None:
    assert np.isnan(GROUND.metres(np.array([[0.5, -0.1], [0.2, -0.5]]))).all()


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (2, 0, 3, 1), (3, 2, 1, 0)])
def test_the_order_of_the_points_and_the_corner_that_metres_count_from_do_not_matter(order: Any) -> None:
    moved = [(100 - CORNERS_M[i][0], CORNERS_M[i][1] - 7) for i in order]
    ground = Ground([seen(*CORNERS_M[i]) for i in order], moved)
    assert ground.metres(np.array([seen(1.0, 9.0)]))[0] == pytest.approx([99.0, 2.0])


def walked(speed_mps: float, jitter: float, seconds: float = 6.0, fps: float = 10.0) -> list[Event]:
    """The events of a person of 1.75 m who walks from left to right 8 m away, over a line in the middle."""
    rng = np.random.default_rng(0)
    areas = Areas(ORIGIN, [], [Line("gate", ((0.5, 0.0), (0.5, 1.0)))], ground=GROUND)
    events: list[Event] = []
    for i in range(round(seconds * fps)):
        x_m = speed_mps * (i / fps - seconds / 2)
        (x, bottom), (_, top) = (np.multiply(seen(x_m, 8.0, up_m), SIZE) for up_m in (0.0, 1.75))
        height = bottom - top
        box = np.array([x - 0.2 * height, top, x + 0.2 * height, bottom]) + jitter * height * rng.standard_normal(4)
        events += areas.note(boxed(i / fps, {1: tuple(box)}, SIZE))
    return events + areas.note(Ended(ORIGIN, Moment(seconds, None), 1, 60, "lost"))


@pytest.mark.parametrize("speed_mps", [0.5, 1.4, 3.0])
@pytest.mark.parametrize("jitter", [0.0, 0.01])
def test_who_crosses_a_line_is_as_fast_as_he_walks(speed_mps: float, jitter: float) -> None:
    (event,) = walked(speed_mps, jitter)
    assert isinstance(event, LineCrossed)
    assert event.speed_mps == pytest.approx(speed_mps, rel=0.01 if jitter == 0 else 0.15)


def test_without_four_points_and_after_a_short_path_no_speed_is_told() -> None:
    areas = Areas(ORIGIN, [], [Line("gate", ((0.5, 0.0), (0.5, 1.0)))])
    short = Areas(ORIGIN, [], [Line("gate", ((0.5, 0.0), (0.5, 1.0)))], ground=GROUND)
    for each in (areas, short):
        events: list[Event] = []
        for i, x in enumerate((0.3, 0.7, 0.7)):
            events += each.note(boxed(i / 10, {1: (x * 1920 - 50, 500, x * 1920 + 50, 800)}, SIZE))
        events += each.note(Ended(ORIGIN, Moment(0.3, None), 1, 3, "lost"))
        (event,) = events
        assert isinstance(event, LineCrossed)
        assert event.speed_mps is None
    assert areas.speeds_mps is None
    assert short.speeds_mps == {}


def test_everybody_in_the_built_in_scene_is_as_fast_as_he_walks() -> None:
    options = Options(people=12, seed=3, size=(640, 360), fps=10)
    corners = np.array([(-3.0, 6.0, 0.0), (3.0, 6.0, 0.0), (4.0, 18.0, 0.0), (-4.0, 18.0, 0.0)])
    ground = Ground((Camera(640, 360).project(corners) / (640, 360)).tolist(), corners[:, :2].tolist())
    areas, stage = Areas(ORIGIN, [], [], ground=ground), options.stage()
    errors_mps, places = [], []
    for number in range(100):
        stage.advance(number / 10)
        places.append(stage._crowd.positions.copy())
        _, truth = stage.shoot(1 / 30)
        whole = (truth.visibility > 0.8) & (truth.boxes_xyxy[:, 3] < 355)  # of others the feet are a guess
        boxes = dict(zip(truth.ids[whole].tolist(), truth.boxes_xyxy[whole].tolist(), strict=True))
        assert areas.note(boxed(number / 10, boxes, (640, 360))) == []
        speeds_mps = areas.speeds_mps
        assert speeds_mps is not None
        assert speeds_mps.keys() <= boxes.keys()
        for person, speed_mps in speeds_mps.items() if number >= 10 else ():
            moved_m = float(np.hypot(*(places[-1][person - 1] - places[-11][person - 1])))
            if moved_m < 4:  # else he left and came back elsewhere
                errors_mps.append(speed_mps - moved_m)
    assert len(errors_mps) > 200
    assert abs(np.median(errors_mps)) < 0.05
    assert np.percentile(np.abs(errors_mps), 90) < 0.2


def test_an_identity_that_ended_leaves_nothing() -> None:
    areas = Areas(ORIGIN, [], [Line("gate", ((0.5, 0.0), (0.5, 1.0)))], ground=GROUND)
    frame: Observed = boxed(0.0, {1: (0, 500, 100, 800)}, SIZE)
    areas.note(frame)
    areas.note(Ended(ORIGIN, Moment(1.0, None), 1, 1, "lost"))
    assert areas._speeds is not None
    assert areas._speeds._paths == {}
