"""What sets BoT-SORT apart from ByteTrack; that it is the authors' box by box is in `tests/track/test_parity.py`."""

import numpy as np

from edge import Detections, Tracker


def _frame(*boxes: tuple[float, float, float, float], score: float = 0.9) -> Detections:
    return Detections.from_xyxy(np.array(boxes).reshape(-1, 4), [score] * len(boxes))


def test_new_tracks_are_shown_at_once() -> None:
    for method, shown in (("botsort", [1, 2]), ("bytetrack", [1])):
        tracker = Tracker(method)
        tracker.update(_frame((0, 0, 20, 40)))
        tracks = tracker.update(_frame((0, 0, 20, 40), (100, 0, 120, 40)))
        assert tracks.ids.tolist() == shown, method


def test_width_and_height_are_followed_on_their_own() -> None:
    """Somebody who stretches out both arms: ByteTrack's filter of the aspect ratio takes it for noise."""
    errors = {}
    for method in ("botsort", "bytetrack"):
        tracker = Tracker(method)
        for width in (*[20] * 20, *range(22, 42, 2)):
            tracks = tracker.update(_frame((100 - width / 2, 0, 100 + width / 2, 40)))
        box = tracks.boxes_xyxy[0]
        errors[method] = abs(box[2] - box[0] - 40)
    assert errors["botsort"] < errors["bytetrack"] / 2
