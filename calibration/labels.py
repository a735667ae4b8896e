"""Labels of the calibration pictures, where there are any: what people drew, to judge variants by more than float32.

The form is YOLO's: for each picture a text file of the same stem, a line an object: `class x y width height`, centre
and size in shares of the picture. Class numbers are the detector's; those that it does not have are left out.
"""

from pathlib import Path

import numpy as np

from calibration.frames import Frames
from edge.errors import DataError
from edge.modelpack import Detector
from edge.types import Detections


def read(folder: Path, frames: Frames, detector: Detector) -> list[Detections]:
    """True boxes of each chosen picture as shares of its width and height, scores 1; no file means no objects.

    Raises DataError for lines that are no labels, and where not one picture has a file.
    """
    files = {path.stem: path for path in folder.rglob("*.txt")} if folder.is_dir() else {}
    names = [Path(frames.sources[i]).stem for i in frames.chosen] if len(frames.sources) > max(frames.chosen) else []
    if not any(name in files for name in names):
        raise DataError(
            f"--labels {folder}: expected text files named like the pictures (000123.jpg: 000123.txt), found none that"
            " match; labels need a folder of pictures, not a video"
        )
    return [_boxes(files.get(name), len(detector.classes)) for name in names]


def _boxes(path: Path | None, classes: int) -> Detections:
    lines = path.read_text("utf-8").splitlines() if path else []
    try:
        rows = np.array([[float(word) for word in line.split()] for line in lines if line.strip()]).reshape(-1, 5)
    except ValueError as error:
        raise DataError(
            f"{path}: expected lines of class, x, y, width, height ({error}); convert the labels"
        ) from error
    rows = rows[rows[:, 0] < classes]
    corners = np.hstack([rows[:, 1:3] - rows[:, 3:] / 2, rows[:, 1:3] + rows[:, 3:] / 2])
    return Detections(corners.astype(np.float32), np.ones(len(rows), np.float32), rows[:, 0].astype(np.int32))
