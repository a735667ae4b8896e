"""Tracks in frames without detection."""

import numpy as np
import pytest

from edge import Detections, Tracker
from edge.errors import InputError, UsageError
from edge.track.registry import BUILT_IN as METHODS
from edge.types import Tracks

BY_MOTION = ("nanotrack", "bytetrack", "sparsetrack")
RATE = 25.0


def walkers(time_s: float) -> Detections:
    """One goes to the right with 60 px/s, one comes nearer, one stands."""
    near = 1 + 0.2 * time_s
    boxes = [
        [60 * time_s, 50, 60 * time_s + 40, 150],
        [900 - 30 * near, 300 - 80 * near, 900 + 30 * near, 300 + 80 * near],
        [1500, 100, 1550, 220],
    ]
    return Detections(np.array(boxes, np.float32), np.array([0.9, 0.8, 0.85], np.float32))


def followed(method: str, frames: int = 30) -> Tracker:
    tracker = Tracker(method, RATE)
    for n in range(frames):
        tracker.update(walkers(n / RATE), n / RATE)
    return tracker


def iou(tracks: Tracks, detections: Detections) -> np.ndarray:
    """Of each track with the best detection."""
    a, b = tracks.boxes_xyxy[:, None], detections.boxes_xyxy[None]
    sides = np.clip(np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2]), 0, None)
    inside = sides.prod(axis=-1)
    areas = [(boxes[..., 2:] - boxes[..., :2]).prod(axis=-1) for boxes in (a, b)]
    return np.asarray((inside / (areas[0] + areas[1] - inside)).max(axis=1))


@pytest.mark.parametrize("method", BY_MOTION)
def test_tracks_are_where_the_objects_are(method: str) -> None:
    tracker = followed(method)
    shown = tracker.update(walkers(30 / RATE), 30 / RATE)
    for late in (1, 2, 5):
        tracks = tracker.predict((30 + late) / RATE)
        assert tracks.ids.tolist() == shown.ids.tolist()
        assert iou(tracks, walkers((30 + late) / RATE)).min() > 0.7
        assert (tracks.detection_index == -1).all()
        for name in Tracks.__slots__:
            assert getattr(tracks, name).dtype == getattr(shown, name).dtype
            assert getattr(tracks, name).shape == getattr(shown, name).shape


@pytest.mark.parametrize("method", METHODS)
def test_predicting_changes_nothing(method: str) -> None:
    def with_embeddings(time_s: float) -> Detections:
        found = walkers(time_s)
        found.embeddings = np.eye(3, 8, dtype=np.float32)
        return found

    asked, other = Tracker(method, RATE), Tracker(method, RATE)
    for n in range(40):
        time_s = n / RATE
        for tracker in (asked, other):
            tracks = tracker.update(with_embeddings(time_s) if n % 7 else Detections.empty(), time_s)
            if tracker is asked:
                expected = tracks
        for name in Tracks.__slots__:
            assert np.array_equal(getattr(tracks, name), getattr(expected, name))
        first, again = asked.predict(time_s + 0.01), asked.predict(time_s + 0.01)
        assert first.ids.tolist() == again.ids.tolist() == tracks.ids.tolist()
        assert np.array_equal(first.boxes_xyxy, again.boxes_xyxy)
        first.boxes_xyxy[:] = 0
        tracks.ids[:] = 0  # arrays are the caller's


@pytest.mark.parametrize("method", BY_MOTION)
@pytest.mark.parametrize("every", [2, 3, 5])
def test_identities_last_where_only_every_few_frames_are_detected_on(method: str, every: int) -> None:
    tracker, ids = Tracker(method, RATE), []
    for n in range(120):
        time_s = n / RATE
        tracks = tracker.update(walkers(time_s), time_s) if n % every == 0 else tracker.predict(time_s)
        ids.append(tracks.ids.tolist())
    assert ids[20:] == [[1, 2, 3]] * 100


def test_before_the_first_frame_nothing_is_expected_and_after_it_its_tracks_stay() -> None:
    tracker = Tracker("bytetrack", RATE)
    assert len(tracker.predict(5.0)) == 0
    tracker.update(walkers(0.0), 6.0)
    assert len(tracker.predict(6.1)) == 3
    with pytest.raises(InputError, match="before the last one"):
        tracker.predict(5.9)
    tracker.reset()
    assert len(tracker.predict(0.0)) == 0


def test_presets_that_count_frames_must_see_all_of_them() -> None:
    assert Tracker("bytetrack").follows_time
    tracker = Tracker("bytetrack", preset="reference")
    assert not tracker.follows_time
    with pytest.raises(UsageError, match="use preset default"):
        tracker.predict(1.0)


def test_boxes_that_would_turn_inside_out_stay_as_they_were() -> None:
    tracker = Tracker("sparsetrack", RATE)
    for n in range(20):
        half = 200 - 9.5 * n
        box = np.array([[500 - half, 500 - half, 500 + half, 500 + half]], np.float32)
        shown = tracker.update(Detections(box, np.array([0.9], np.float32)), n / RATE)
    tracks = tracker.predict(19 / RATE + 10)
    assert np.array_equal(tracks.boxes_xyxy, shown.boxes_xyxy)
