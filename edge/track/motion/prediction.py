"""Prediction: where tracks are in a frame without detection.

They move on as they moved, and do not age: a frame that was skipped is no miss.
"""

import numpy as np
import numpy.typing as npt

from edge.track.matching.boxes import Records
from edge.track.motion.kalman import XYAH
from edge.track.state import TRACKED
from edge.types import Int64s, Tracks


def predicted_boxes(run: Records, table: Records, frames: float, model: int) -> npt.NDArray[np.float64]:
    """Where the boxes (xyxy, `[T, 4]`) of TRACK records will be: confirmed ones move, unconfirmed ones stay.

    Where the tracker's record `run` knows of the camera's motion, it moves all. Tracks without a filter stay where they
    were seen.
    """
    if "velocity" not in (table.dtype.names or ()):
        return table["box"].copy()
    moved = table["position"] + frames * table["velocity"] * table["confirmed"][:, None]
    if "camera_velocity" in (run.dtype.names or ()):
        moved[:, :2] += frames * run["camera_velocity"]
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


def predicted(run: Records, table: Records, ids: Int64s, frames: float, model: int) -> Tracks:
    """Those tracks of `table` that were shown as `ids`, `frames` later, with the scores of their newest detections."""
    numbers = table["number" if "number" in (table.dtype.names or ()) else "id"]
    shown = np.isin(numbers, ids)
    rows = table[shown]
    boxes = predicted_boxes(run, rows, frames, model)
    proper = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])  # who comes towards us or leaves may invert
    boxes[~proper] = rows["box"][~proper]
    return Tracks(
        numbers[shown],
        boxes.astype(np.float32),
        rows["score"].astype(np.float32),
        rows["class"].copy(),
        np.full(len(rows), -1, np.int32),
    )
