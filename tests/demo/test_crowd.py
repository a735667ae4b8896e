"""How people walk."""

import numpy as np
import pytest

from edge.demo.crowd import Crowd
from edge.demo.layout import CROSSING_HALF_WIDTH, FAR_KERB_Y, NEAR_KERB_Y, Layout, plan


@pytest.fixture(params=[0, 1, 2])
def walked(request: pytest.FixtureRequest) -> tuple[np.ndarray, Layout]:
    """Positions `[T, P, 2]` of two minutes, 20 people, and their layout."""
    layout = plan(np.random.default_rng([request.param, 0]))
    crowd = Crowd(20, layout, 0.6, np.full(20, 0.9), np.random.default_rng([request.param, 3]))
    trail = []
    for _ in range(2400):
        crowd.step()
        trail.append(crowd.positions.copy())
    return np.array(trail[200:]), layout


def test_nobody_walks_on_the_road_except_on_the_crossing(walked: tuple[np.ndarray, Layout]) -> None:
    trail, layout = walked
    on_road = (trail[..., 1] > NEAR_KERB_Y + 0.5) & (trail[..., 1] < FAR_KERB_Y - 0.5)
    beside = np.abs(trail[..., 0] - layout.crossing_x) > CROSSING_HALF_WIDTH + 1.2
    assert on_road.any()
    assert (on_road & beside).mean() < 0.002


def test_people_keep_apart(walked: tuple[np.ndarray, Layout]) -> None:
    trail, _ = walked
    gaps = np.linalg.norm(trail[::20, :, None] - trail[::20, None], axis=-1)
    gaps[:, np.arange(20), np.arange(20)] = 9
    in_view = np.abs(trail[::20, :, 0]) < 0.6 * trail[::20, :, 1]
    near = (gaps < 0.25).any(2) & in_view
    assert near.mean() < 0.03


def test_people_walk_at_human_speed(walked: tuple[np.ndarray, Layout]) -> None:
    trail, _ = walked
    speeds = np.linalg.norm(np.diff(trail, axis=0), axis=-1) / 0.05
    speeds = speeds[speeds < 10]  # those who come back jump, out of view
    assert 0.7 < np.median(speeds) < 1.6
    assert np.percentile(speeds, 99.9) < 2.8


def test_who_waits_stays_where_they_are_and_nobody_follows_them() -> None:
    layout = plan(np.random.default_rng([4, 0]))
    crowd = Crowd(20, layout, 0.6, np.full(20, 0.9), np.random.default_rng([4, 3]))
    crowd.make_wait(5, np.random.default_rng([4, 6]))
    first = crowd.positions.copy()
    for _ in range(1200):
        crowd.step()
    way = np.hypot(*(crowd.positions - first).T)
    assert (way[:5] < 1.5).all()  # people who pass push them a little
    assert (way[5:] > 2).mean() > 0.8
    gaps = np.linalg.norm(first[:5, None] - first[None, :5], axis=-1)[np.triu_indices(5, 1)]
    assert gaps.min() >= 1.2
