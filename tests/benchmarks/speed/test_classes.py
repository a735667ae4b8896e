"""A pack of one class beside the whole one: whether both find the same boxes, in words."""

import numpy as np

from benchmarks.speed.classes import same
from edge.types import Detections


def found(*lefts: float) -> Detections:
    boxes = np.array([[left, 0, left + 10, 20] for left in lefts], np.float32).reshape(-1, 4)
    return Detections(boxes, np.full(len(lefts), 0.5, np.float32), np.zeros(len(lefts), np.int64))


def test_boxes_are_compared_picture_by_picture() -> None:
    assert same([found(1, 5), found()], [found(1, 5.5), found()]) == "2 in both, at most 0.5 pixels apart"
    assert same([found(1), found()], [found(), found(1)]) == "1 and 1"
    assert same([found()], [found()]) == "0 in both, at most 0 pixels apart"
