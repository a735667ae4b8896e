"""Do a detector's boxes make sense? A look at a few pictures, for networks that were adopted and not made here.

A wrong family, colour order or scale rarely fails: it finds nothing, or everything, or nonsense. None of these signs
proves a mistake, so they are a warning.
"""

from collections.abc import Iterable

import numpy as np

from edge.detect.detector import Detector
from edge.detect.pictures import built_in
from edge.types import Detections, Image

FLOOR = 0.05  # the floor to look with
SIZE = (640, 480)
_PICTURES = 3
_SEEN = 0.3
_MOST = 300  # no street has so many objects that are seen clearly
_FEW = 10  # boxes from which on it is strange that all are alike


def pictures() -> list[Image]:
    """The built-in ones, wider than high, so that a letterbox matters."""
    return [built_in(*SIZE, seed) for seed in range(1, _PICTURES + 1)]


def suspicion(detector: Detector, images: Iterable[Image]) -> str:
    """What is strange about the boxes in `images`, empty where nothing is. `detector` should have the floor `FLOOR`."""
    found = [(image.shape[1::-1], detector(image)) for image in images]
    if not any(len(detections) for _, detections in found):
        return f"nothing is found in {len(found)} pictures, not even with a score of {FLOOR}"
    seen = [(size, d.boxes_xyxy[d.scores >= _SEEN]) for size, d in found]
    most = max(len(boxes) for _, boxes in seen)
    if most > _MOST:
        return f"{most} objects are found in one picture with a score of {_SEEN} and more"
    away = [off for size, boxes in seen for off in _off(boxes, size)]
    if away and np.mean(away) >= 0.5:
        return f"{sum(away)} of {len(away)} boxes lie off the picture, or are far larger than it"
    boxes = np.concatenate([boxes for _, boxes in seen])
    if len(boxes) >= _FEW and np.ptp(boxes[:, 2:] - boxes[:, :2], axis=0).max() < 1:
        return f"all {len(boxes)} boxes have the same size"
    if len(found) > 1 and all(_same(found[0][1], other) for _, other in found[1:]):
        return f"the same boxes are found in {len(found)} different pictures"
    return ""


def _off(boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    middles, sides = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    outside = ((middles < 0) | (middles > size)).any(1)
    return np.asarray(outside | (sides > 2 * np.array(size)).any(1))


def _same(a: Detections, b: Detections) -> bool:
    return len(a) == len(b) and np.allclose(a.boxes_xyxy, b.boxes_xyxy, atol=0.1)
