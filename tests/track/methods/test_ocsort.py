"""OC-SORT's ideas one by one; that it is the authors' box by box is in `tests/track/test_parity.py`."""

import numpy as np
import pytest

from edge import Detections, Tracker
from edge.track.methods import ocsort


def _frame(*boxes: tuple[float, float, float, float], score: float = 0.9) -> Detections:
    return Detections.from_xyxy(np.array(boxes, float).reshape(-1, 4), [score] * len(boxes))


def _box(x: float, y: float = 0.0) -> tuple[float, float, float, float]:
    return (x, y, x + 20, y + 40)


@pytest.mark.parametrize("preset", ["default", "reference"])
def test_a_track_is_shown_after_so_many_hits_in_a_row(preset: str) -> None:
    tracker = Tracker("ocsort", preset=preset)
    for _ in range(5):  # in the first frames of a stream everybody is shown
        tracker.update(_frame(_box(0)))
    shown = [len(tracker.update(_frame(_box(0), _box(100)))) for _ in range(5)]
    assert shown == [1, 1, 1, 2, 2]


def test_what_is_shown_is_the_detection() -> None:
    tracker = Tracker("ocsort")
    for x in (0, 5, 9, 18):
        tracks = tracker.update(_frame(_box(x)))
    assert tracks.boxes_xyxy.tolist() == [list(_box(18))]


@pytest.mark.parametrize("preset", ["default", "reference"])
def test_a_lost_track_is_corrected_along_the_line_to_where_it_is_found(preset: str) -> None:
    """It turned round while it was hidden; the replayed filter has slowed down from 4 px a frame."""
    tracker = Tracker("ocsort", preset=preset)
    for x in range(0, 60, 4):
        tracker.update(_frame(_box(x)))
    for _ in range(8):
        tracker.update(_frame())
    tracks = tracker.update(_frame(_box(47)))
    assert tracks.ids.tolist() == []  # found again, and not yet for long enough
    track = tracker._state.table[0]
    assert track["id"] == 1
    assert track["velocity"][0] == pytest.approx(1, abs=0.3)  # 9 px back in 9 frames, after 14 frames forward


def test_the_filter_splits_exactly_into_coordinates() -> None:
    """The authors' 7x7 filter with full matrices, beside ours of four numbers a coordinate."""
    transition = np.eye(7)
    transition[[0, 1, 2], [4, 5, 6]] = 1
    noise = np.diag([1, 1, 1, 1, 0.01, 0.01, 0.0001])
    measured = np.eye(4, 7)
    of_box = np.diag([1.0, 1, 10, 10])
    covariance = np.diag([10.0, 10, 10, 10, 1e4, 1e4, 1e4])
    boxes = [(0, 0, 20, 40), (3, 1, 24, 42), (7, 1, 27, 44), (9, 3, 30, 45), (14, 3, 35, 46)]
    sizes = [((x2 - x1), (y2 - y1)) for x1, y1, x2, y2 in boxes]
    observed = [
        np.array([x1 + w / 2, y1 + h / 2, w * h, w / (h + 1e-6)])
        for (x1, y1, _, _), (w, h) in zip(boxes, sizes, strict=True)
    ]
    state = np.concatenate([observed[0], np.zeros(3)])
    tracker = Tracker("ocsort", preset="reference")
    tracker.update(_frame(boxes[0]))
    for box, z in zip(boxes[1:], observed[1:], strict=True):
        state, covariance = transition @ state, transition @ covariance @ transition.T + noise
        gain = covariance @ measured.T @ np.linalg.inv(measured @ covariance @ measured.T + of_box)
        state = state + gain @ (z - measured @ state)
        covariance = (np.eye(7) - gain @ measured) @ covariance
        tracker.update(_frame(box))
        ours = tracker._state.table[0]
        np.testing.assert_allclose(ours["position"], state[:4], rtol=1e-9)
        np.testing.assert_allclose(ours["velocity"][:3], state[4:], rtol=1e-7, atol=1e-9)


def test_the_direction_of_a_track_decides_between_equal_overlaps() -> None:
    """Two boxes as far from where it is expected, one ahead and one behind: the one ahead is its own."""
    for inertia, right in ((0.2, True), (0.0, False)):
        tracker = Tracker("ocsort", preset="reference", inertia=inertia, min_hits=0)
        for x in (0, 2, 4, 6, 8):
            tracker.update(_frame(_box(x)))
        predicted = float(tracker._state.table[0]["position"][0] + tracker._state.table[0]["velocity"][0]) - 10
        behind, ahead = _box(predicted - 9.99), _box(predicted + 10)
        tracks = tracker.update(_frame(behind, ahead))
        index = tracks.detection_index[tracks.ids.tolist().index(1)]
        assert (index == 1) == right


def test_delta_t_is_no_longer_than_what_is_remembered() -> None:
    assert ocsort.Parameters.__dataclass_fields__["delta_t"].metadata["high"] == ocsort._KEPT
