"""Short lists of boxes, from networks that choose among their own: end-to-end YOLO, DETR-like, and NMS in the graph."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import boolean, float32, int64

from edge.detect.decode.candidates import Candidates
from edge.detect.decode.distributions import AT_ONCE, Room, logit, squash_all
from edge.kernels.jit import buffer, entry, kernel
from edge.modelpack import Detector
from edge.types import Float32s, Int32s

_LARGEST = np.finfo(np.float32).max
# Corners or middle and size, and the order of x and y, by `head.boxes`.
_MIDDLE = {"cxcywh": True, "cxcywh-share": True, "xyxy": False, "yxyx-share": False}


class Column(NamedTuple):
    """A column of an output: the rows as a table, and its number; of boxes the first of their four."""

    table: Float32s
    number: int


def table(array: npt.NDArray[Any]) -> Float32s:
    """An output `[1, N, W]`, `[N, W]`, `[1, N]` or `[N]` as rows `[N, W]`; W is 1 for a list of single values."""
    if array.ndim == 3 or (array.ndim == 2 and array.shape[0] != 1):
        return array.reshape(-1, array.shape[-1])
    return array.reshape(-1, 1)


class ListDecoder:
    """Decodes a list of boxes with one score and one class number each.

    `boxes`, `scores` and `labels` are where those are. Rows of classes that the description has no name for are
    `UNNAMED`. See `edge.detect.families.family.Family.decoder` for the others.
    """

    def __init__(
        self, detector: Detector, boxes: Column, scores: Column, labels: Column, classes: Sequence[int], floor: float
    ):
        self._columns = *boxes, *scores, *labels
        self._form = _form(detector)
        self._wanted = np.zeros(len(detector.classes), np.bool_)
        self._wanted[list(classes)] = True
        self._floor = floor
        self.candidates = Candidates.room(len(boxes.table))

    def __call__(self) -> int:
        """Fill the first rows of `candidates` and return how many; `BROKEN` if NaN is met, `UNNAMED`."""
        return int(_decode_list(*self._columns, self._wanted, self._floor, *self._form, *self.candidates))


class QueryDecoder:
    """Decodes queries: `boxes` `[N, 4]` and `scores` `[N, C]`, logits where the head says so. Every wanted class of a
    query that is not below the floor is a candidate."""

    def __init__(
        self,
        detector: Detector,
        boxes: Float32s,
        scores: Float32s,
        classes: Sequence[int],
        floor: float,
    ):
        self._boxes, self._scores = boxes, scores
        self._logits = detector.head.scores == "logits"
        self._floor = logit(floor) if self._logits else floor
        self._form = _form(detector)
        self._classes = np.array(classes, np.int32)
        self._room = Room.of(AT_ONCE)
        self.candidates = Candidates.room(len(boxes) * len(classes))

    def __call__(self) -> int:
        """Fill the first rows of `candidates` and return how many; `BROKEN` if NaN is met."""
        inputs = self._boxes, self._scores, self._classes, self._floor, self._logits
        factors, powers = self._room
        return int(_decode_queries(*inputs, *self._form, factors, powers, *self.candidates))


def _form(detector: Detector) -> tuple[bool, bool, float, float]:
    """Whether boxes have a middle and a size, whether y comes first, and what their numbers are multiplied with."""
    form, image = detector.head.boxes, detector.input
    shares = form.endswith("-share")
    width, height = (float(image.width), float(image.height)) if shares else (1.0, 1.0)
    return _MIDDLE[form], form.startswith("yx"), width, height


def of_outputs(outputs: Mapping[str, npt.NDArray[Any]], names: Sequence[str]) -> list[Float32s]:
    """The tables of outputs, in the order of `names`."""
    return [table(outputs[name]) for name in names]


@kernel
def _put_box(
    row: Float32s, middle: bool, y_first: bool, width: float, height: float, place: int, boxes_out: Float32s
) -> bool:
    """Write a box of any form as xyxy in pixels; False where it is not finite."""
    a, b, c, d = row[0], row[1], row[2], row[3]
    if y_first:
        a, b, c, d = b, a, d, c
    if middle:
        c, d = max(c, float32(0)) / 2, max(d, float32(0)) / 2
        a, b, c, d = a - c, b - d, a + c, b + d
    boxes_out[place, 0], boxes_out[place, 1] = a * width, b * height
    boxes_out[place, 2], boxes_out[place, 3] = max(a, c) * width, max(b, d) * height
    return abs(row[0]) + abs(row[1]) + abs(row[2]) + abs(row[3]) <= _LARGEST


@entry(
    buffer(np.float32, 2), int64, buffer(np.float32, 2), int64, buffer(np.float32, 2), int64,
    buffer(np.bool_), float32, boolean, boolean, float32, float32,
    buffer(np.float32, 2), buffer(np.float32), buffer(np.int32),
)  # fmt: skip
def _decode_list(
    boxes: Float32s, box_column: int, scores: Float32s, score_column: int, labels: Float32s, label_column: int,
    wanted: npt.NDArray[np.bool_], floor: float, middle: bool, y_first: bool, width: float, height: float,
    boxes_out: Float32s, scores_out: Float32s, classes_out: Int32s,
) -> int:  # fmt: skip
    """Candidates of a list; their number, -1 (`BROKEN`) or -2 (`UNNAMED`)."""
    count = 0
    for i in range(boxes.shape[0]):
        score, label = scores[i, score_column], labels[i, label_column]
        if score < floor or score < 0:  # rows that are not in use have a score of -1
            continue
        if score != score or label != label:
            return -1
        if not 0 <= label < wanted.shape[0]:
            return -2
        if wanted[int64(label)]:
            if not _put_box(boxes[i, box_column : box_column + 4], middle, y_first, width, height, count, boxes_out):
                return -1
            scores_out[count], classes_out[count] = score, int64(label)
            count += 1
    return count


@entry(
    buffer(np.float32, 2), buffer(np.float32, 2), buffer(np.int32), float32, boolean,
    boolean, boolean, float32, float32, buffer(np.float32), buffer(np.int32),
    buffer(np.float32, 2), buffer(np.float32), buffer(np.int32),
)  # fmt: skip
def _decode_queries(
    boxes: Float32s, scores: Float32s, classes: Int32s, floor: float, logits: bool,
    middle: bool, y_first: bool, width: float, height: float, factors: Float32s, powers: Int32s,
    boxes_out: Float32s, scores_out: Float32s, classes_out: Int32s,
) -> int:  # fmt: skip
    """Candidates of queries; their number, or -1 (`BROKEN`)."""
    count = 0
    for i in range(boxes.shape[0]):
        for class_ in classes:
            score = scores[i, class_]
            if score < floor:
                continue
            if score != score or not _put_box(boxes[i], middle, y_first, width, height, count, boxes_out):
                return -1
            scores_out[count], classes_out[count] = score, class_
            count += 1
    if logits:
        squash_all(scores_out[:count], factors, powers)
    return count
