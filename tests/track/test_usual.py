"""What is usual in a scene against its definition: sums over sightings that fade."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.track import usual
from edge.track.evidence import log_odds
from edge.track.methods.nanotrack import METHOD, Parameters

sightings = st.lists(st.tuples(st.floats(0.02, 0.98), st.floats(-3, 3), st.floats(0.01, 1)), min_size=1, max_size=30)


def _run() -> np.void:
    run = np.zeros(1, METHOD.run_dtype)
    run["overconfidence"] = Parameters().overconfidence
    return run[0]


@settings(deadline=None)
@given(sightings)
def test_level_and_variance_equal_their_twins(seen: list[tuple[float, float, float]]) -> None:
    run = _run()
    for score, mean, seconds in seen:
        usual.begin_frame(run, seconds)
        usual.learn(run, score, log_odds(score), mean, seconds)
    usual.begin_frame(run, 0.0)
    score, mean, seconds = np.array(seen).T
    odds = np.log(score / (1 - score))
    fade = np.exp(-(np.cumsum(seconds[::-1])[::-1] - seconds) / 20)  # what came after each sighting
    weight, total = fade * seconds * score, (fade * seconds).sum()
    level = ((weight * odds).sum() / weight.sum() * total - 1) / (total + 1)
    square = (weight * (odds - mean) ** 2).sum() / weight.sum()
    assert run["usual_level"] == pytest.approx(level, abs=1e-9)
    assert run["usual_variance"] == pytest.approx((total * square + 0.2) / (total + 1))
    assert usual.overconfidence(run) == pytest.approx(Parameters().overconfidence * max(0.0, level - 1), abs=1e-9)


def test_before_anything_was_seen_little_is_usual() -> None:
    run = _run()
    usual.begin_frame(run, 0.0)
    assert (run["usual_level"], run["usual_variance"], usual.overconfidence(run)) == (-1.0, 0.2, 0.0)


def test_what_was_learned_fades() -> None:
    run = _run()
    for _ in range(300):
        usual.begin_frame(run, 0.1)
        usual.learn(run, 0.9, log_odds(0.9), log_odds(0.9), 0.1)
    usual.begin_frame(run, 0.0)
    before = run["usual_level"]
    usual.begin_frame(run, 200.0)
    assert before > 1.6
    assert run["usual_level"] == pytest.approx(-1.0, abs=0.01)
    assert math.isclose(run["usual_variance"], 0.2, abs_tol=0.01)
