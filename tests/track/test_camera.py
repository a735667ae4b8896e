"""The camera's shift, found in offsets that NumPy makes up."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge import Detections, Tracker
from edge.track.boxes import PAIR
from edge.track.camera import consensus, widened
from edge.track.nanotrack import RUN, TRACK, Parameters
from edge.track.state import TRACKED, State, Work
from tests.track.twins import iou_matrix


def _walk(shift_x: float, shift_y: float, strays: int, **parameters: float) -> tuple[int, int]:
    """How many of 30 standing people keep their id, and how many ids there are, when the camera pans all the time."""
    random = np.random.default_rng(1)
    corner = random.uniform(0, 1500, (30, 2))
    height = random.uniform(120, 200, (30, 1))
    step = np.zeros((30, 2))
    step[:strays] = random.normal(0, 12, (strays, 2))
    tracker, first, last = Tracker("nanotrack", **parameters), np.zeros(0, np.int64), np.zeros(0, np.int64)
    for k in range(24):
        # An abrupt pan, faster than half a body a frame, after a calm start.
        moved = corner + k * step + (max(k - 12, 0) * np.array([shift_x, shift_y]))
        boxes = np.concatenate([moved, moved + height * [0.4, 1.0]], 1).astype(np.float32)
        tracks = tracker.update(Detections(boxes, np.full(30, 0.9, np.float32)))
        last = tracks.ids[np.argsort(tracks.detection_index)]
        if k == 12:
            first = last
    return int(np.isin(last, first).sum()), int(last.max())


def test_people_keep_their_ids_when_the_camera_jerks() -> None:
    kept, ids = _walk(40.0, 0.0, strays=5)
    without, more = _walk(40.0, 0.0, strays=5, camera_noise=0.0)
    assert kept == 30
    assert ids == 30
    assert without < kept or more > ids


def test_a_camera_at_rest_is_left_at_rest() -> None:
    assert _walk(0.0, 0.0, strays=12) == (30, 30)


@settings(deadline=None)
@given(st.lists(st.floats(-1e4, 1e4), min_size=4, max_size=4), st.floats(0, 2))
def test_widened_boxes_grow_on_every_side(box: list[float], reach: float) -> None:
    wide = np.array(widened(np.array(box), reach))
    size = np.array([box[2] - box[0], box[3] - box[1]])
    assert wide == pytest.approx(np.array(box) + reach * np.concatenate([-size, size]))


def _pairs(tracks: np.ndarray, seen: np.ndarray, reach: float) -> np.ndarray:
    """Every pair's IoU of widened boxes, as records."""
    wide = [np.array([widened(box, reach) for box in boxes]) for boxes in (tracks, seen)]
    overlap = iou_matrix(wide[0], wide[1], 0.0)
    pairs = np.zeros(overlap.size, PAIR)
    pairs["row"], pairs["column"] = np.unravel_index(np.arange(overlap.size), overlap.shape)
    pairs["iou"] = np.maximum(overlap, 0.0).ravel()
    return pairs


def _twin(tracks: np.ndarray, seen: np.ndarray, pairs: np.ndarray, noise: float) -> np.ndarray:
    """Mutual best partners, then the M-estimate of their offsets."""
    height, seen_height = (boxes[:, 3] - boxes[:, 1] for boxes in (tracks, seen))
    alike = pairs["iou"].reshape(len(tracks), len(seen))
    alike = alike * np.minimum.outer(height, seen_height) / np.maximum.outer(height, seen_height)
    best = alike.argmax(1)
    mutual = [i for i, j in enumerate(best) if alike[i, j] > 0.3 and alike[:, j].argmax() == i]
    if len(mutual) < 3:
        return np.zeros(2)
    centres, seen_centres = ((boxes[:, :2] + boxes[:, 2:]) / 2 for boxes in (tracks, seen))
    offsets, variance = seen_centres[best[mutual]] - centres[mutual], (noise * height[mutual]) ** 2
    shift = offsets.mean(0)
    for _ in range(5):
        weight = 1 / (variance * (1 + ((offsets - shift) ** 2).sum(1) / (4 * variance)))
        shift = (weight[:, None] * offsets).sum(0) / weight.sum()
    return np.asarray(shift)


@pytest.mark.parametrize("count", [2, 3, 12, 40])
@pytest.mark.parametrize("seed", range(4))
def test_consensus_equals_its_twin(count: int, seed: int) -> None:
    random, p = np.random.default_rng([count, seed]), Parameters()
    corner, height = random.uniform(0, 900, (count, 2)), random.uniform(60, 200, (count, 1))
    tracks = np.concatenate([corner, corner + height * [0.4, 1.0]], 1)
    seen = tracks + np.array([9.0, -4.0, 9.0, -4.0]) + np.tile(random.normal(0, 4, (count, 2)), 2)
    pairs = _pairs(tracks, seen, p.camera_reach)
    state = State(np.zeros(1, RUN), TRACK)
    run, table, previous, detections, spans, room, nodes, clusters = state.arrays
    run["camera_noise"], run["birth_score"], run["tracks"] = p.camera_noise, p.birth_score, count
    table["confirmed"][:count], table["status"][:count] = True, TRACKED
    table["position"][:count] = np.concatenate([(tracks[:, :2] + tracks[:, 2:]) / 2, 0.4 * height, height], 1)
    detections["box"][:count], detections["score"][:count] = seen, 0.9
    work = Work(run, table, previous, detections, spans, room, nodes, clusters, count)
    found = consensus(work, pairs, len(pairs))
    expected = _twin(tracks, seen, pairs, p.camera_noise)
    assert found == pytest.approx(expected, abs=1e-9)
    assert bool(expected.any()) == (count >= 3)
