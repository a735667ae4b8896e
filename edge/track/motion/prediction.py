"""Prediction: the tracks' boxes in a frame without detection.

Tracks keep their velocity and do not age: a frame that the detector skipped is no miss.
"""

import numpy as np
import numpy.typing as npt

from edge.track.matching.boxes import Records
from edge.track.motion.kalman import XYAH, XYWH
from edge.track.state import TRACKED

Boxes = npt.NDArray[np.float64]


def last_boxes(run: Records, table: Records, frames: float) -> Boxes:
    """The boxes where they were seen last (xyxy, `[T, 4]`), for methods without a motion model."""
    boxes: Boxes = table["box"].copy()
    return boxes


def predicted_xywh(run: Records, table: Records, frames: float) -> Boxes:
    """The boxes (xyxy, `[T, 4]`) of the TRACK records `table`, `frames` later: unconfirmed ones stay.

    `run` is the tracker's record of settings and counters. This is for filters of the model XYWH.
    """
    return _boxes(_moved(table, frames), table, XYWH)


def predicted_xyah(run: Records, table: Records, frames: float) -> Boxes:
    """As `predicted_xywh`, for filters of the model XYAH."""
    return _boxes(_moved(table, frames), table, XYAH)


def predicted_with_camera(run: Records, table: Records, frames: float) -> Boxes:
    """As `predicted_xywh`, and all move as the camera moved the picture lately."""
    moved = _moved(table, frames)
    moved[:, :2] += frames * run["camera_velocity"]
    return _boxes(moved, table, XYWH)


def _moved(table: Records, frames: float) -> Boxes:
    moved: Boxes = table["position"] + frames * table["velocity"] * table["confirmed"][:, None]
    return moved


def _boxes(moved: Boxes, table: Records, model: int) -> Boxes:
    """The boxes of filter positions; those of tracks that are not followed keep their size."""
    still = table["status"] != TRACKED
    moved[still, 3] = table["position"][still, 3]
    if model == XYAH:
        width = moved[:, 2] * moved[:, 3]
    else:
        moved[still, 2] = table["position"][still, 2]
        width = moved[:, 2]
    size = np.stack([width, moved[:, 3]], axis=1)
    corner = moved[:, :2] - size / 2
    return np.concatenate([corner, corner + size], axis=1)
