"""What networks read during calibration, made by the runtime's own preprocessing; crops come from the detector."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from calibration.decode import Postprocess
from calibration.rounding import Points
from calibration.runtime import Array, Feed, Runner
from edge.detect.preprocess import Preprocess, Scale
from edge.modelpack import Detector, ImageInput, Reid
from edge.types import Image

OBJECT_SCORE = 0.15  # what counts as an object when positions are drawn
CROP_SCORE = 0.3
CROPS_A_PICTURE = 4
SMALLEST_CROP = 40  # pixels of height
JITTER = 0.1  # of a box's size, at each side: a tracker's boxes are never exact
CROP_BATCH = 8
Boxes = npt.NDArray[np.float64]
NOWHERE: Points = np.empty((0, 2))


@dataclass(frozen=True)
class CalibrationSet:
    """What a network is calibrated on: what it reads for each frame, the centres of the objects there, in 0..1, and how
    the frame lies in what it reads."""

    feeds: list[Feed]
    objects: list[Points]
    views: list["View"] = field(default_factory=list)


class View(NamedTuple):
    """A frame of `width` x `height` pixels, to which `scale` leads back from the network's input."""

    width: int
    height: int
    scale: Scale

    def boxes(self, boxes_xyxy: Boxes) -> Boxes:
        """Boxes in pixels of the network's input as boxes in pixels of the frame."""
        x, y, left, top = self.scale
        return np.asarray(boxes_xyxy * [x, y, x, y] + [left, top, left, top])


def tensor(wanted: ImageInput, pictures: Sequence[Image]) -> Array:
    """The input tensor that the board would make of `pictures`."""
    return _scaled(wanted, pictures)[0]


def _scaled(wanted: ImageInput, pictures: Sequence[Image]) -> tuple[Array, list[Scale]]:
    planes = wanted.layout != "nhwc-uint8"
    shape = (3, wanted.height, wanted.width) if planes else (wanted.height, wanted.width, 3)
    filled = np.zeros((len(pictures), *shape), wanted.layout.removeprefix("nchw-") if planes else np.uint8)
    preprocess = Preprocess(wanted, filled)
    return filled, [preprocess(picture, row) for row, picture in enumerate(pictures)]


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
        filled, (scale,) = _scaled(detector.input, [picture])
        feed = reference.feed(detector.input.name, filled, detector.constants)
        view = View(picture.shape[1], picture.shape[0], scale)
        outputs = reference(feed)
        postprocess = postprocess or Postprocess(detector, outputs)
        size = np.array([detector.input.width, detector.input.height])
        boxes = postprocess(outputs, OBJECT_SCORE).boxes_xyxy.astype(np.float64)
        found.feeds.append(feed)
        found.objects.append(np.clip((boxes[:, :2] + boxes[:, 2:]) / 2 / size, 0, 1))
        found.views.append(view)
        if reid is not None:
            seen = postprocess(outputs, CROP_SCORE)
            people = seen.boxes_xyxy[_people(detector, seen.classes)][:CROPS_A_PICTURE]
            cut = [_crop(picture, box, random) for box in view.boxes(people.astype(np.float64))]
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
