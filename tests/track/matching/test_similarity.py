"""The similarity against NumPy, and what it must not depend on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.track.matching.boxes import iou
from edge.track.matching.similarity import grown, margin, returning, similarity, worth
from edge.track.methods.nanotrack import METHOD, Parameters
from edge.track.state import DETECTION
from tests.track.twins import iou_matrix

sizes, places, scores = st.floats(1, 500), st.floats(-500, 500), st.floats(0, 1)
boxes = st.tuples(places, places, sizes, sizes).map(lambda b: np.array([b[0], b[1], b[0] + b[2], b[1] + b[3]]))


def _records(track_box: np.ndarray, seen: np.ndarray, score: float, running: float) -> tuple[np.void, np.void, np.void]:
    run, track, detection = np.zeros(1, METHOD.run_dtype), np.zeros(1, METHOD.track_dtype), np.zeros(1, DETECTION)
    for name, value in vars(Parameters()).items():
        run[name] = value
    track["box"], detection["box"] = track_box, seen
    track["score"], detection["score"] = running, score
    return run[0], track[0], detection[0]


def _twin(box: np.ndarray, seen: np.ndarray, score: float, running: float) -> float:
    p, heights = Parameters(), np.array([box[3] - box[1], seen[3] - seen[1]])
    overlap = max(iou_matrix(box[None], seen[None], 0.0)[0, 0], 0.0)
    off = score * (seen[3] - box[3]) / (p.feet_tolerance * heights[0])
    return float(overlap * heights.min() / heights.max() * (1 - p.continuity * abs(score - running)) / (1 + off**2))


def _similarity(run: np.void, track: np.void, detection: np.void) -> float:
    overlap = max(iou(track["box"], detection["box"], 0.0), 0.0)
    return float(similarity(run, track, detection, overlap))


@given(boxes, boxes, scores, scores)
def test_similarity_equals_its_twin(box: np.ndarray, seen: np.ndarray, score: float, running: float) -> None:
    assert _similarity(*_records(box, seen, score, running)) == pytest.approx(_twin(box, seen, score, running))


@given(boxes, boxes, scores, st.floats(0.01, 100))
def test_similarity_has_no_pixels(box: np.ndarray, seen: np.ndarray, score: float, scale: float) -> None:
    one = _similarity(*_records(box, seen, score, 0.5))
    assert 0 <= one <= 1
    assert _similarity(*_records(scale * box, scale * seen, score, 0.5)) == pytest.approx(one, abs=1e-9)


def test_the_one_in_front_keeps_the_lower_edge() -> None:
    front, behind = np.array([100.0, 100, 160, 300]), np.array([120.0, 90, 180, 270])
    seen = np.array([112.0, 98, 172, 298])
    assert _similarity(*_records(front, seen, 0.9, 0.9)) > 1.4 * _similarity(*_records(behind, seen, 0.9, 0.9))


def test_who_was_always_seen_must_come_back_soon() -> None:
    run, track = _records(np.zeros(4), np.zeros(4), 0, 1.0)[:2]
    run["frame_rate"], run["now"] = 25.0, 25 * Parameters().absence_s
    assert returning(run, track) == pytest.approx(0.5)
    track["score"] = 0.3
    assert returning(run, track) == pytest.approx(1 / 1.09)
    track["last"] = run["now"]
    assert returning(run, track) == 1


@given(scores, scores)
def test_worth_is_positive_above_the_least_similarity(alike: float, score: float) -> None:
    p, run = Parameters(), _records(np.zeros(4), np.zeros(4), 0, 0)[0]
    least = min(p.similarity_enough, p.similarity_floor / max(score, 1e-9) ** 2)
    assert worth(run, alike, score) == pytest.approx(score**2 * (alike - least), abs=1e-9)


@given(st.floats(1, 500), st.floats(0, 1))
def test_boxes_are_grown_by_what_is_uncertain(height: float, deviation: float) -> None:
    """`deviation` in heights: nothing up to .08, then in proportion, at most .08."""
    run, track = _records(np.zeros(4), np.zeros(4), 0, 0)[:2]
    track["position"][3], track["var_position"] = height, (deviation * height) ** 2
    expected = np.clip(Parameters().uncertainty_reach * (deviation - 0.08), 0, 0.08) * height
    assert margin(run, track) == pytest.approx(expected, abs=1e-9 * height)
    assert grown((1.0, 2.0, 3.0, 4.0), 0.5) == (0.5, 1.5, 3.5, 4.5)


def test_who_was_gone_is_found_where_nobody_just_seen_would_be() -> None:
    run, track, detection = _records(np.array([0.0, 0, 60, 180]), np.array([64.0, 0, 124, 180]), 0.9, 0.9)
    track["position"] = (30, 90, 60, 180)
    for deviation, found in ((0.05, False), (0.5, True)):
        track["var_position"] = (deviation * 180) ** 2
        pixels = margin(run, track)
        assert (iou(np.array(grown(track["box"], pixels)), np.array(grown(detection["box"], pixels)), 0.0) > 0) == found
