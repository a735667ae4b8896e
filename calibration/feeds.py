"""What networks read during calibration, made by the runtime's own preprocessing; crops come from the detector."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from calibration.decode import Postprocess
from calibration.rounding import Points
from calibration.runtime import Array, Feed, Runner
from edge.detect.preprocess import Preprocess
from edge.modelpack import Detector, ImageInput, Reid
from edge.types import Image

OBJECT_SCORE = 0.15  # what counts as an object when positions are drawn
CROP_SCORE = 0.3
CROPS_A_PICTURE = 4
SMALLEST_CROP = 40  # pixels of height
JITTER = 0.1  # of a box's size, at each side: a tracker's boxes are never exact
CROP_BATCH = 8
NOWHERE: Points = np.empty((0, 2))


@dataclass(frozen=True)
class CalibrationSet:
    """What a network is calibrated on: what it reads for each frame, and the centres of the objects there, in 0..1."""

    feeds: list[Feed]
    objects: list[Points]


def tensor(wanted: ImageInput, pictures: Sequence[Image]) -> Array:
    """The input tensor that the board would make of `pictures`."""
    planes = wanted.layout == "nchw-float32"
    shape = (3, wanted.height, wanted.width) if planes else (wanted.height, wanted.width, 3)
    filled = np.zeros((len(pictures), *shape), np.float32 if planes else np.uint8)
    preprocess = Preprocess(wanted, filled)
    for row, picture in enumerate(pictures):
        preprocess(picture, row)
    return filled


def collect(
    pictures: Iterable[Image], detector: Detector, reference: Runner, reid: Reid | None, seed: int = 0
) -> tuple[CalibrationSet, list[list[Array]]]:
    """Detector inputs of `pictures`, and for `reid` the jittered crops of each, tensors of one row.

    `reference` is the float detector. A picture without people gives no crops.
    """
    found, crops = CalibrationSet([], []), []
    random = np.random.default_rng(seed)
    postprocess: Postprocess | None = None
    for picture in pictures:
        filled = tensor(detector.input, [picture])
        outputs = reference(filled)
        postprocess = postprocess or Postprocess(detector, outputs)
        size = np.array([detector.input.width, detector.input.height])
        boxes = postprocess(outputs, OBJECT_SCORE).boxes_xyxy.astype(np.float64)
        found.feeds.append(filled)
        found.objects.append((boxes[:, :2] + boxes[:, 2:]) / 2 / size)
        if reid is not None:
            seen = postprocess(outputs, CROP_SCORE)
            people = seen.boxes_xyxy[_people(detector, seen.classes)][:CROPS_A_PICTURE]
            scale = np.array([picture.shape[1], picture.shape[0]] * 2) / np.tile(size, 2)
            cut = [_crop(picture, box * scale, random) for box in people]
            crops.append([tensor(reid.input, [crop]) for crop in cut if len(crop) >= SMALLEST_CROP and crop.shape[1]])
    return found, crops


def batches(crops: Sequence[Sequence[Array]], numbers: Iterable[int]) -> list[Array]:
    """The crops of the pictures with these numbers in batches of equal size; what is left over is left out."""
    rows = [crop for number in numbers for crop in crops[number]]
    whole = len(rows) - len(rows) % CROP_BATCH
    return [np.concatenate(rows[i : i + CROP_BATCH]) for i in range(0, whole, CROP_BATCH)]


def _people(detector: Detector, classes: npt.NDArray[np.int32] | None) -> npt.NDArray[np.bool_]:
    if classes is None:
        return np.ones(0, bool)
    if "person" not in detector.classes:
        return np.ones(len(classes), bool)
    return np.asarray(classes == detector.classes.index("person"))


def _crop(picture: Image, box: npt.NDArray[np.float64], random: np.random.Generator) -> Image:
    size = np.tile(box[2:] - box[:2], 2)
    corners = box + size * random.uniform(-JITTER, JITTER, 4)
    height, width = picture.shape[:2]
    x1, y1, x2, y2 = np.clip(corners, 0, [width, height, width, height]).astype(int)
    return picture[y1:y2, x1:x2]
