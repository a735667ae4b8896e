"""Detections as the compiled code reads them: float32 boxes and scores, int32 classes, of shapes that fit."""

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.errors import InputError
from edge.types import Detections, Float32s, as_array

# More than any detector finds. It bounds what one frame may take: all pairs of boxes are a second of work.
MOST_DETECTIONS = 10_000


def converted(detections: Detections) -> Detections:
    """With float32 boxes `[N, 4]` and scores `[N]` and int32 classes, the same object where they are. N counts scores.

    Lists and arrays of any real numbers are converted, as far as their values stay what they are: whole numbers for
    classes, and nothing that float32 cannot hold. Raises InputError that names the argument, and for more than
    MOST_DETECTIONS.
    """
    if not isinstance(detections, Detections):
        raise no_detections(detections)
    scores = as_array("detections.scores", detections.scores, np.float32)
    if scores.ndim != 1:
        raise _shape("detections.scores", scores, "one dimension")
    n = len(scores)
    if n > MOST_DETECTIONS:
        raise too_many(n)
    boxes = as_array("detections.boxes_xyxy", detections.boxes_xyxy, np.float32)
    if boxes.shape == (0,) and n == 0:
        boxes = boxes.reshape(0, 4)
    if boxes.shape != (n, 4):
        raise _shape("detections.boxes_xyxy", boxes, f"shape {(n, 4)}, a row for each score")
    classes = detections.classes
    if classes is not None:
        classes = as_array("detections.classes", classes, np.int32)
        if classes.shape != (n,):
            raise _shape("detections.classes", classes, f"shape {(n,)}, one for each score")
    if boxes is detections.boxes_xyxy and scores is detections.scores and classes is detections.classes:
        return detections
    return dataclasses.replace(detections, boxes_xyxy=boxes, scores=scores, classes=classes)


def no_detections(found: object) -> InputError:
    """That something else stands in the place of detections."""
    return InputError(
        f"detections: expected Detections, found {type(found).__name__}; make them with"
        " Detections.from_xyxy(boxes, scores), and Detections.empty() where nothing was found"
    )


def too_many(n: int) -> InputError:
    """That a frame has more detections than MOST_DETECTIONS."""
    return InputError(
        f"detections: expected at most {MOST_DETECTIONS} in a frame, found {n}; raise the least score of the detector"
    )


def _shape(name: str, found: npt.NDArray[Any], expected: str) -> InputError:
    return InputError(f"{name}: expected {expected}, found shape {found.shape}")


def wrong_values(boxes: Float32s, scores: Float32s) -> InputError:
    """What is wrong with the values of boxes or scores that the compiled code has refused."""
    for row, box in enumerate(boxes):
        if not np.isfinite(box).all():
            return InputError(
                f"detections.boxes_xyxy: row {row} is {box.tolist()}; expected finite numbers: drop such boxes"
            )
        if not 0.0 <= scores[row] <= 1.0:
            return InputError(
                f"detections.scores: row {row} is {scores[row]}; expected a score from 0 to 1: rescale it"
            )
    return InputError("detections: changed while they were read")
