"""The line of heights against weighted least squares."""

import math

import numpy as np
import pytest

from edge.track.methods.nanotrack import METHOD
from edge.track.motion import perspective


def _run() -> np.void:
    return np.zeros(1, METHOD.run_dtype)[0]


def _box(foot: float, height: float) -> np.ndarray:
    return np.array([0.0, foot - height, height / 2, foot])


def _teach(run: np.void, feet: np.ndarray, heights: np.ndarray, seconds: float = 1 / 30) -> None:
    for foot, height in zip(feet, heights, strict=True):
        known, base, slope = perspective.line(run)
        perspective.learn(run, known, base, slope, _box(foot, height), seconds)


@pytest.mark.parametrize("scale", [1.0, 1e-3])
def test_line_is_the_weighted_least_squares_fit(scale: float) -> None:
    random, run = np.random.default_rng(0), _run()
    feet = scale * random.uniform(300, 1000, 400)
    heights = (0.3 * feet - scale * 20) * np.exp(random.normal(0, 0.1, 400))
    perspective.forget(run, 0.0)
    _teach(run, feet, heights)
    known, base, slope = perspective.line(run)
    wanted = np.polyfit(feet, heights, 1, w=1 / heights)
    assert known
    assert (slope, base) == pytest.approx(tuple(wanted), rel=1e-6)
    usual, giant = 0.3 * 700 - 20, 3 * (0.3 * 700 - 20)
    assert perspective.surprise(run, known, base, slope, _box(scale * 700, scale * usual)) == 0.0
    assert perspective.surprise(run, known, base, slope, _box(scale * 700, scale * giant)) == 2.0
    assert perspective.surprise(run, known, base, slope, _box(-scale * 1e4, scale * usual)) == 2.0  # below the horizon
    assert 0 < math.sqrt(run["spread"]) < 0.3


def test_nothing_is_odd_before_enough_was_seen() -> None:
    run = _run()
    _teach(run, np.linspace(300, 900, 100), np.linspace(90, 270, 100))
    known, base, slope = perspective.line(run)
    assert not known
    assert perspective.surprise(run, known, base, slope, _box(500, 5000)) == 0.0


def test_a_turned_camera_is_learned_anew() -> None:
    run, feet = _run(), np.linspace(300, 900, 300)
    perspective.forget(run, 0.0)
    _teach(run, feet, 0.3 * feet)
    perspective.forget(run, 60.0)
    assert not perspective.line(run)[0]  # forgotten: it says nothing
    _teach(run, feet, 0.6 * feet)
    assert perspective.line(run)[2] == pytest.approx(0.6, rel=1e-3)
