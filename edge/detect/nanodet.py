"""NanoDet's outputs into boxes: scores first, distributions only for the cells above the floor.

A cell's box is its prior point and four distances to the sides, each the mean of a distribution over 0..reg_max
strides (generalised focal loss, Li et al. 2020, arXiv 2006.04388; NanoDet-Plus of RangiLyu/nanodet).
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import boolean, float32, int32, int64

from edge.modelpack import Detector
from edge.track.jit import buffer, entry, kernel
from edge.types import Float32s, Int32s

# A row that holds NaN: the network broke, which is not the same as having seen nothing.
BROKEN = -1
_LARGEST = np.finfo(np.float32).max


class Candidates(NamedTuple):
    """Room for every cell and class that may pass the floor: `boxes_xyxy` in pixels of the network's input."""

    boxes_xyxy: Float32s
    scores: Float32s
    classes: Int32s


class _Level(NamedTuple):
    """One stride's rows in the output buffers; `sides` may be the same array as `scores`, from column `first_side`."""

    scores: Float32s
    sides: Float32s
    first_side: int
    stride: int
    columns: int


class NanoDetDecoder:
    """Decodes one network's output buffers, which it looks at anew in each call.

    `outputs` are the backend's arrays, `classes` the class numbers wanted: only they are read, so that no other class
    can crowd them out. `floor` is the lowest score, a probability.
    """

    def __init__(
        self, detector: Detector, outputs: Mapping[str, npt.NDArray[Any]], classes: Sequence[int], floor: float
    ):
        head = detector.head
        self._levels = _levels(detector, outputs)
        self._classes = np.array(classes, np.int32)
        self._logits = head.scores == "logits"
        self._floor = _logit(floor) if self._logits else floor
        self._bins = head.reg_max + 1
        self._offset = head.cell_offset
        self._limits = float(detector.input.width), float(detector.input.height)
        room = sum(len(level.scores) for level in self._levels) * len(classes)
        self.candidates = Candidates(
            np.zeros((room, 4), np.float32), np.zeros(room, np.float32), np.zeros(room, np.int32)
        )

    def __call__(self) -> int:
        """Fill the first rows of `candidates` from the current outputs and return how many; `BROKEN` if NaN is met."""
        boxes, scores, classes = self.candidates
        count = 0
        for level in self._levels:
            count = _decode_level(
                *level, self._offset, self._bins, self._classes, self._floor, self._logits, *self._limits,
                boxes, scores, classes, count,
            )  # fmt: skip
            if count == BROKEN:
                break
        return count


def _levels(detector: Detector, outputs: Mapping[str, npt.NDArray[Any]]) -> list[_Level]:
    """The output buffers cut by stride; views, so that each run of the network shows in them."""
    head, image = detector.head, detector.input
    tables = [outputs[name].reshape(-1, outputs[name].shape[-1]) for name in head.outputs]
    levels = []
    first = 0
    for index, stride in enumerate(head.strides):
        columns, rows = -(-image.width // stride), -(-image.height // stride)
        part = slice(first, first + columns * rows)
        if len(tables) == 1:
            scores = sides = tables[0][part]
        elif len(tables) == 2:
            scores, sides = (table[part] for table in tables)
        else:
            scores, sides = tables[index], tables[index + len(head.strides)]
        levels.append(_Level(scores, sides, len(detector.classes) if scores is sides else 0, stride, columns))
        first = part.stop
    return levels


def _logit(probability: float) -> float:
    if probability <= 0:
        return -math.inf
    return math.inf if probability >= 1 else math.log(probability / (1 - probability))


@kernel
def _mean_bins(logits: Float32s, bins: int, weights: Float32s, powers: Int32s, means: Float32s) -> bool:
    """Write the mean bin of each side's softmax into `means` [4]; False, and nothing, where a logit is not finite.

    `weights` and `powers` [4 * bins] are room to work.

    exp is 2^whole times a polynomial with the constants of Cephes' expf (S. Moshier, netlib.org/cephes): within 2e-7 of
    the library's but vector instructions, and most of the decoding is spent here. Logits beyond +-80 count as +-80:
    no sum overflows, and no trained network puts out such.
    """
    finite = 0
    for i in range(4 * bins):
        finite += abs(logits[i]) <= _LARGEST
    if finite < 4 * bins:
        return False
    for i in range(4 * bins):
        logit = min(max(logits[i], float32(-80)), float32(80))
        whole = int32(logit * float32(1.44269504) + float32(126.5)) - int32(126)  # rounded, also below zero
        steps = float32(whole)
        rest = logit - steps * float32(0.693359375) + steps * float32(2.12194440e-4)
        value = float32(1.9875691500e-4) * rest + float32(1.3981999507e-3)
        value = value * rest + float32(8.3334519073e-3)
        value = value * rest + float32(4.1665795894e-2)
        value = value * rest + float32(1.6666665459e-1)
        value = value * rest + float32(0.5)
        weights[i] = value * rest * rest + rest + float32(1)
        powers[i] = (whole + int32(127)) << int32(23)  # the bits of the float32 2^whole
    scales = powers.view(np.float32)
    for side in range(4):
        total, mean = float32(0), float32(0)
        for bin_ in range(bins):
            weight = weights[side * bins + bin_] * scales[side * bins + bin_]
            total += weight
            mean += float32(bin_) * weight
        means[side] = mean / total
    return True


@entry(
    buffer(np.float32, 2), buffer(np.float32, 2), int64, int64, int64,
    float32, int64, buffer(np.int32), float32, boolean, float32, float32,
    buffer(np.float32, 2), buffer(np.float32), buffer(np.int32), int64,
)  # fmt: skip
def _decode_level(
    scores: Float32s, sides: Float32s, first_side: int, stride: int, columns: int,
    offset: float, bins: int, wanted: Int32s, floor: float, logits: bool, width: float, height: float,
    boxes_out: Float32s, scores_out: Float32s, classes_out: Int32s, count: int,
) -> int:  # fmt: skip
    """Append the candidates of one level after row `count`; the new count, or -1 (`BROKEN`) where NaN is met.

    Boxes are clamped to the network's input, `width` x `height`, as the published decoder does.
    """
    distances, weights, powers = np.empty(4, np.float32), np.empty(4 * bins, np.float32), np.empty(4 * bins, np.int32)
    for cell in range(scores.shape[0]):
        decoded = False
        for class_ in wanted:
            score = scores[cell, class_]
            if score < floor:
                continue
            if score != score:
                return -1
            if not decoded:
                logits_of_cell = sides[cell, first_side : first_side + 4 * bins]
                if not _mean_bins(logits_of_cell, bins, weights, powers, distances):
                    return -1
                decoded = True
            row = cell // columns
            x, y = (cell - row * columns + offset) * stride, (row + offset) * stride
            boxes_out[count, 0] = min(max(x - distances[0] * stride, 0), width)
            boxes_out[count, 1] = min(max(y - distances[1] * stride, 0), height)
            boxes_out[count, 2] = min(max(x + distances[2] * stride, 0), width)
            boxes_out[count, 3] = min(max(y + distances[3] * stride, 0), height)
            scores_out[count] = 1 / (1 + math.exp(-score)) if logits else score
            classes_out[count] = class_
            count += 1
    return count
