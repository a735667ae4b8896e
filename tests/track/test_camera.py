"""The camera's shift, found in offsets that NumPy makes up."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge import Detections, Tracker
from edge.track.camera import widened


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
