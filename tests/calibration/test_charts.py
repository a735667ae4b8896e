"""What the report draws."""

import numpy as np

from calibration import charts
from edge.types import Detections

NAMES = ("person", "dog")


def drawn(boxes: list[tuple[int, int, int, int]], scores: list[float], classes: list[int]) -> np.ndarray:
    return charts.drawn(np.full((200, 400, 3), 90, np.uint8), Detections.from_xyxy(boxes, scores, classes), 0.3, NAMES)


def test_a_label_never_lies_on_a_better_one() -> None:
    here, there = (50, 60, 90, 160), (250, 60, 290, 160)
    one = drawn([here], [0.9], [0])
    assert np.array_equal(drawn([here, here], [0.8, 0.9], [0, 0]), one)
    assert np.array_equal(drawn([here, there], [0.9, 0.2], [0, 0]), one)  # below the floor
    two = drawn([here, there], [0.9, 0.8], [0, 0])
    assert np.array_equal(two[:, :400], one[:, :400])
    assert not np.array_equal(two, one)
    assert not np.array_equal(drawn([here, there], [0.9, 0.8], [0, 1])[:, :400], one[:, :400])  # it names classes
    assert one.shape == (400, 800, 3)
