"""Evidence against its definition."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.track.evidence import FIRST_S, LONGEST_S, doubts, first, gained, log_odds
from edge.track.methods.nanotrack import METHOD, Parameters

scores = st.floats(0, 1)


def _run() -> np.void:
    run = np.zeros(1, METHOD.run_dtype)
    for name, value in vars(Parameters()).items():
        run[name] = value
    return run[0]


@given(scores, st.floats(0, 1), st.floats(0, 2), st.floats(0, 10), st.floats(-4, 4))
def test_evidence_is_a_rate_times_a_bounded_time(
    score: float, overlap: float, odd: float, seconds: float, usual_odds: float
) -> None:
    run, p = _run(), Parameters()
    odds = math.log(np.clip(score, 0.01, 0.99) / (1 - np.clip(score, 0.01, 0.99)))
    run["usual_level"] = usual_odds
    trust = p.overconfidence * max(0.0, usual_odds - 1)
    against = p.overlap_evidence * overlap + p.height_evidence * odd + p.score_evidence * trust
    assert log_odds(score) == pytest.approx(odds)
    assert doubts(run, overlap, odd) == pytest.approx(against)
    assert first(run, odds, against) == pytest.approx(FIRST_S * (p.score_evidence * odds - against))
    rate = p.score_evidence * odds + p.sight_evidence - against
    assert gained(run, odds, against, seconds) == pytest.approx(min(seconds, LONGEST_S) * rate)


def _sightings(score: float, frame_rate: float = 30.0) -> int | None:
    run, odds = _run(), log_odds(score)
    evidence = first(run, odds, 0.0)
    for count in range(1, 1000):
        if evidence >= Parameters().confirm_evidence:
            return count
        evidence += gained(run, odds, 0.0, 1 / frame_rate)
    return None


def test_sightings_it_takes() -> None:
    assert [_sightings(s) for s in (0.99, 0.9, 0.4, 0.2)] == [1, 2, 5, None]
    # Twice the frames prove nothing more: the time is the same.
    assert _sightings(0.3, 60.0) / 60 == pytest.approx(_sightings(0.3) / 30, abs=0.05)  # type: ignore[operator]
