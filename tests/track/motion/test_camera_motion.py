"""The camera's motion: found in offsets that NumPy makes up, and carried on."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import Detections, Tracker, Tracks
from edge.track.matching.boxes import PAIR
from edge.track.methods.nanotrack import METHOD, Parameters
from edge.track.motion.camera_motion import REACH, consensus, widened
from edge.track.state import PREVIOUS, TRACKED, State, Work
from tests.track.twins import iou_matrix


def _walk(shift_x: float, shift_y: float, strays: int, **parameters: Any) -> tuple[int, int]:
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


def _twin(tracks: np.ndarray, seen: np.ndarray, pairs: np.ndarray, noise: float) -> np.ndarray | None:
    """Mutual best partners, then the M-estimate of their offsets, its squared error and the mean height.

    None for fewer than three.
    """
    height, seen_height = (boxes[:, 3] - boxes[:, 1] for boxes in (tracks, seen))
    alike = pairs["iou"].reshape(len(tracks), len(seen))
    alike = alike * np.minimum.outer(height, seen_height) / np.maximum.outer(height, seen_height)
    best = alike.argmax(1)
    mutual = [i for i, j in enumerate(best) if alike[i, j] > 0.3 and alike[:, j].argmax() == i]
    if len(mutual) < 3:
        return None
    centres, seen_centres = ((boxes[:, :2] + boxes[:, 2:]) / 2 for boxes in (tracks, seen))
    offsets, variance = seen_centres[best[mutual]] - centres[mutual], (noise * height[mutual]) ** 2
    shift = offsets.mean(0)
    for _ in range(5):
        weight = 1 / (variance * (1 + ((offsets - shift) ** 2).sum(1) / (4 * variance)))
        off, mean = ((offsets - shift) ** 2).sum(1), (weight * height[mutual]).sum() / weight.sum()
        error = (weight**2 * (off + variance / 2)).sum() / weight.sum() ** 2 / mean**2
        before, shift = shift, (weight[:, None] * offsets).sum(0) / weight.sum()
        if np.hypot(*(shift - before)) <= 1e-3 * mean:
            break
    return np.array([*shift, error, mean])


@pytest.mark.parametrize("count", [2, 3, 12, 40])
@pytest.mark.parametrize("seed", range(4))
def test_consensus_equals_its_twin(count: int, seed: int) -> None:
    random, p = np.random.default_rng([count, seed]), Parameters()
    corner, height = random.uniform(0, 900, (count, 2)), random.uniform(60, 200, (count, 1))
    tracks = np.concatenate([corner, corner + height * [0.4, 1.0]], 1)
    seen = tracks + np.array([9.0, -4.0, 9.0, -4.0]) + np.tile(random.normal(0, 4, (count, 2)), 2)
    pairs = _pairs(tracks, seen, REACH)
    state = State(np.zeros(1, METHOD.run_dtype), METHOD.track_dtype)
    run, table, detections, spans, room, nodes, clusters = state.arrays
    run["camera_noise"], run["birth_score"], run["tracks"] = p.camera_noise, p.birth_score, count
    table["confirmed"][:count], table["status"][:count] = True, TRACKED
    table["position"][:count] = np.concatenate([(tracks[:, :2] + tracks[:, 2:]) / 2, 0.4 * height, height], 1)
    detections["box"][:count], detections["score"][:count] = seen, 0.9
    work = Work(run, table, detections, spans, spans[PREVIOUS], room, nodes, clusters, count)
    agreed, *found = consensus(work, pairs, len(pairs))
    expected = _twin(tracks, seen, pairs, p.camera_noise)
    assert agreed == (expected is not None) == (count >= 3)
    if expected is not None:
        assert found == pytest.approx(expected, abs=1e-9)


def _way_of_a_camera_at_rest(seconds: int, walkers: int) -> float:
    """How far, in heights, the picture is taken to have moved while a few people walk before a camera at rest."""
    random, tracker, way = np.random.default_rng(3), Tracker("nanotrack"), np.zeros(2)
    corner = np.stack([np.linspace(0, 600, walkers), np.full(walkers, 100.0)], 1)
    for frame in range(30 * seconds):
        corner = corner + random.normal([2.0, 0.0], 1.5, (walkers, 2))
        boxes = np.concatenate([corner, corner + np.array([40, 100])], 1).astype(np.float32)
        tracker.update(Detections(boxes, np.full(walkers, 0.8, np.float32)))
        if frame > 30:
            way += tracker._run["camera_velocity"][0]
    return float(np.hypot(*way) / 100)


@pytest.mark.parametrize("walkers", [3, 4, 6])
def test_few_walkers_do_not_move_a_camera_at_rest(walkers: int) -> None:
    # They go 580 pixels in those ten seconds, all the same way.
    assert _way_of_a_camera_at_rest(11, walkers) < 0.6


def _pan(tracker: Tracker, frames: Iterable[int], people: int = 12, *, forget: bool = False) -> Tracks:
    """The tracks after `frames` of a camera that pans by 20 pixels a frame along standing people 40 pixels wide.

    `forget`: the tracker is made to forget how the camera moved, after every frame.
    """
    corner = np.random.default_rng(2).uniform(0, 1500, (people, 2))
    for frame in frames:
        boxes = (np.tile(corner - [20.0 * frame, 0.0], 2) + np.array([0, 0, 40, 100])).astype(np.float32)
        tracks = tracker.update(Detections(boxes, np.full(people, 0.9, np.float32)), frame / 30)
        if forget:
            tracker._run["camera_velocity"] = 0
    return tracks


def test_a_pan_goes_on_over_dropped_frames() -> None:
    # Three frames on, everybody is one and a half bodies off: somewhere else, without the camera's velocity.
    frames = [*range(8), 10, 13, 14, 17]
    assert sorted(_pan(Tracker("nanotrack"), frames).ids) == list(range(1, 13))
    assert sorted(_pan(Tracker("nanotrack"), frames, forget=True).ids) != list(range(1, 13))


def test_expected_boxes_follow_the_camera() -> None:
    tracker = Tracker("nanotrack")
    before = _pan(tracker, range(8))
    expected = tracker.predict(10 / 30)
    moved = expected.boxes_xyxy[np.argsort(expected.ids)] - before.boxes_xyxy[np.argsort(before.ids)]
    assert moved == pytest.approx(np.tile([-60.0, 0.0, -60.0, 0.0], (12, 1)), abs=3)


def test_a_camera_on_which_too_few_agree_stands_still() -> None:
    tracker = Tracker("nanotrack")
    _pan(tracker, range(8), people=2)
    assert not tracker._run["camera_velocity"].any()


@pytest.mark.parametrize("later_s", [0.0, 1e-6])
def test_two_frames_of_one_moment_leave_the_camera_as_it_was(later_s: float) -> None:
    tracker = Tracker("nanotrack")
    before = _pan(tracker, range(8))
    velocity = tracker._run["camera_velocity"].copy()
    trembling = before.boxes_xyxy + np.float32(1)
    tracker.update(Detections(trembling, np.full(12, 0.9, np.float32)), 7 / 30 + later_s)
    assert tracker._run["camera_velocity"] == pytest.approx(velocity, abs=2)
    assert sorted(_pan(tracker, [9, 10]).ids) == list(range(1, 13))
