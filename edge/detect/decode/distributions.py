"""Distributions into boxes: scores first, distributions only for the cells above the floor.

A cell's box is its prior point and four distances to the sides, each the mean of a distribution over 0..reg_max
strides (generalised focal loss, Li et al. 2020, arXiv 2006.04388; NanoDet-Plus of RangiLyu/nanodet).
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import boolean, float32, int32, int64, uint64

from edge.detect.cells import cell_counts
from edge.detect.decode.candidates import BROKEN, Candidates
from edge.kernels.jit import buffer, entry, kernel
from edge.modelpack import Detector
from edge.types import Float32s, Int32s, Int64s

_LARGEST = np.finfo(np.float32).max
# Cells decoded together: enough for vector instructions, few enough for the first cache.
AT_ONCE = 64


class _Table(NamedTuple):
    """Output rows that lie in one array; `sides` may be the same as `scores`, from column `first_side`.

    `levels` int64 `[n, 3]`: of each stride the row behind its last one, the stride, and its columns of cells.
    """

    scores: Float32s
    sides: Float32s
    first_side: int
    levels: Int64s


class Room(NamedTuple):
    """Where exponentials are computed, as many as fit at once: a frame allocates nothing."""

    factors: Float32s
    powers: Int32s

    @classmethod
    def of(cls, numbers: int) -> "Room":
        """Room for so many numbers."""
        return cls(np.empty(numbers, np.float32), np.empty(numbers, np.int32))


class DistributionDecoder:
    """Decodes one network's output buffers, which it reads anew in each call.

    `outputs` are the backend's arrays, `classes` the class numbers wanted: only they are read, so that no other class
    can crowd them out. `floor` is the lowest score, a probability.
    """

    def __init__(
        self, detector: Detector, outputs: Mapping[str, npt.NDArray[Any]], classes: Sequence[int], floor: float
    ):
        head = detector.head
        self._tables = _tables(detector, outputs)
        self._classes = np.array(classes, np.int32)
        self._logits = head.scores == "logits"
        self._floor = logit(floor) if self._logits else floor
        self._bins = head.reg_max + 1
        self._offset = head.cell_offset
        self._limits = float(detector.input.width), float(detector.input.height)
        rows = [len(table.scores) for table in self._tables]
        self._cells = np.empty(max(rows) + 1, np.int32)
        self._room = Room.of(4 * self._bins * AT_ONCE)
        self._means = np.empty(4 * AT_ONCE, np.float32)
        self.candidates = Candidates.room(sum(rows) * len(classes))

    def __call__(self) -> int:
        """Fill the first rows of `candidates` from the current outputs and return how many; `BROKEN` if NaN is met."""
        boxes, scores, classes = self.candidates
        count = 0
        for table in self._tables:
            count = _decode_table(
                *table, self._offset, self._bins, self._classes, self._floor, self._logits, *self._limits,
                self._cells, *self._room, self._means, boxes, scores, classes, count,
            )  # fmt: skip
            if count == BROKEN:
                break
        return count


def _tables(detector: Detector, outputs: Mapping[str, npt.NDArray[Any]]) -> list[_Table]:
    """The output buffers as tables; views, so that each run of the network shows in them."""
    head, image = detector.head, detector.input
    arrays = [outputs[name].reshape(-1, outputs[name].shape[-1]) for name in head.outputs]
    columns = [-(-image.width // stride) for stride in head.strides]
    cells = cell_counts(image.width, image.height, head.strides)
    if len(arrays) > 2:
        return [
            _Table(scores, sides, 0, np.array([level], np.int64))
            for scores, sides, *level in zip(
                arrays[: len(cells)], arrays[len(cells) :], cells, head.strides, columns, strict=True
            )
        ]
    levels = np.stack([np.cumsum(cells), head.strides, columns], 1)
    if len(arrays) == 1:
        return [_Table(arrays[0], arrays[0], len(detector.classes), levels)]
    return [_Table(arrays[0], arrays[1], 0, levels)]


def logit(probability: float) -> float:
    """The logit of a probability, infinite at 0 and 1."""
    if probability <= 0:
        return -math.inf
    return math.inf if probability >= 1 else math.log(probability / (1 - probability))


@kernel
def passing(scores: Float32s, wanted: Int32s, floor: float, cells: Int32s) -> int:
    """Write the rows with a wanted class that is not below the floor into `cells`, NaN included; their number.

    Without a branch: which cells pass is not to be predicted, and the loads of the next rows go on meanwhile. Classes
    that lie side by side are read as vectors.
    """
    found = uint64(0)
    low, count = uint64(wanted[0]), uint64(wanted.shape[0])
    together = uint64(wanted[-1]) + uint64(1) - low == count
    for cell in range(uint64(scores.shape[0])):
        row = scores[cell]
        passes = run_passes(row, low, count, floor) if together else any_passes(row, wanted, floor)
        cells[found] = cell
        found += uint64(passes)
    return int64(found)


@kernel
def run_passes(row: Float32s, low: int, count: int, floor: float) -> int:
    """1 where one of `count` numbers from `low` on is not below the floor, NaN included, else 0.

    With indices of type uint64: for signed ones each would first be looked at, whether it counts from the end, and
    nothing would become vector instructions (75 us instead of 270 for 8400 rows of 80).
    """
    passes = int32(0)
    for i in range(count):
        passes |= int32(not row[low + i] < floor)
    return passes


@kernel
def any_passes(row: Float32s, wanted: Int32s, floor: float) -> int:
    """The same for the columns `wanted`."""
    passes = int32(0)
    for class_ in wanted:
        passes |= int32(not row[uint64(class_)] < floor)
    return passes


@kernel
def _gather(sides: Float32s, first_side: int, width: int, cells: Int32s, rows: Float32s) -> bool:
    """Copy columns `first_side` to `first_side + width` of the rows `cells` into `rows`; False where not all finite."""
    broken = int32(0)
    for k in range(cells.shape[0]):
        row = sides[cells[k]]
        for i in range(width):
            value = row[first_side + i]
            broken += int32(not abs(value) <= _LARGEST)
            rows[k * width + i] = value
    return broken == 0


@kernel
def _exponentials(values: Float32s, powers: Int32s) -> None:
    """Split exp of `values` into a factor, written in its place, and a power of two: the bits of `powers` as float32.

    The polynomial has the constants of Cephes' expf (S. Moshier, netlib.org/cephes): within 2e-7 of the library's but
    vector instructions. Values beyond +-80 count as +-80: no sum overflows, and no trained network puts out such.
    """
    for i in range(values.shape[0]):
        value = min(max(values[i], float32(-80)), float32(80))
        whole = int32(value * float32(1.44269504) + float32(126.5)) - int32(126)  # rounded, also below zero
        steps = float32(whole)
        rest = value - steps * float32(0.693359375) + steps * float32(2.12194440e-4)
        factor = float32(1.9875691500e-4) * rest + float32(1.3981999507e-3)
        factor = factor * rest + float32(8.3334519073e-3)
        factor = factor * rest + float32(4.1665795894e-2)
        factor = factor * rest + float32(1.6666665459e-1)
        factor = factor * rest + float32(0.5)
        values[i] = factor * rest * rest + rest + float32(1)
        powers[i] = (whole + int32(127)) << int32(23)


@kernel
def _means(factors: Float32s, scales: Float32s, bins: int, means: Float32s) -> None:
    """The mean bin of every distribution: `factors` times `scales` are its weights, `bins` of them in a row."""
    for i in range(means.shape[0]):
        total, mean = float32(0), float32(0)
        for bin_ in range(bins):
            weight = factors[i * bins + bin_] * scales[i * bins + bin_]
            total += weight
            mean += float32(bin_) * weight
        means[i] = mean / total


@kernel
def _squash(values: Float32s, factors: Float32s, powers: Int32s) -> None:
    """Logits into probabilities, in place; `factors` and `powers` are room for as many numbers."""
    for i in range(values.shape[0]):
        factors[i] = -values[i]
    _exponentials(factors, powers)
    scales = powers.view(np.float32)
    for i in range(values.shape[0]):
        values[i] = float32(1) / (float32(1) + factors[i] * scales[i])


@kernel
def squash_all(values: Float32s, factors: Float32s, powers: Int32s) -> None:
    """Logits into probabilities, in place, as many at once as there is room for in `factors` and `powers`."""
    for low in range(0, values.shape[0], factors.shape[0]):
        some = values[low : min(low + factors.shape[0], values.shape[0])]
        _squash(some, factors[: some.shape[0]], powers)


@entry(
    buffer(np.float32, 2), buffer(np.float32, 2), int64, buffer(np.int64, 2),
    float32, int64, buffer(np.int32), float32, boolean, float32, float32,
    buffer(np.int32), buffer(np.float32), buffer(np.int32), buffer(np.float32),
    buffer(np.float32, 2), buffer(np.float32), buffer(np.int32), int64,
)  # fmt: skip
def _decode_table(
    scores: Float32s, sides: Float32s, first_side: int, levels: Int64s,
    offset: float, bins: int, wanted: Int32s, floor: float, logits: bool, width: float, height: float,
    cells: Int32s, factors: Float32s, powers: Int32s, means: Float32s,
    boxes_out: Float32s, scores_out: Float32s, classes_out: Int32s, count: int,
) -> int:  # fmt: skip
    """Append the candidates of one table after row `count`; the new count, or -1 (`BROKEN`) where NaN is met.

    Boxes are clamped to the network's input, `width` x `height`, as the published decoder does.
    """
    found = passing(scores, wanted, floor, cells)
    scales = powers.view(np.float32)
    level = first = row = 0
    begun = count
    for low in range(0, found, AT_ONCE):
        part = cells[low : min(low + AT_ONCE, found)]
        size = 4 * bins * part.shape[0]
        if not _gather(sides, first_side, 4 * bins, part, factors):
            return -1
        _exponentials(factors[:size], powers)
        if bins == 8:  # all published NanoDets; with a constant the compiler makes vector instructions of it
            _means(factors, scales, 8, means[: 4 * part.shape[0]])
        else:
            _means(factors, scales, bins, means[: 4 * part.shape[0]])
        for k in range(part.shape[0]):
            cell = part[k]
            while cell >= levels[level, 0]:
                first, row = levels[level, 0], 0
                level += 1
            stride, columns = levels[level, 1], levels[level, 2]
            while cell - first >= (row + 1) * columns:  # cells rise: cheaper than a division
                row += 1
            x, y = (cell - first - row * columns + offset) * stride, (row + offset) * stride
            for class_ in wanted:
                score = scores[cell, class_]
                if score < floor:
                    continue
                if score != score:
                    return -1
                boxes_out[count, 0] = min(max(x - means[4 * k] * stride, 0), width)
                boxes_out[count, 1] = min(max(y - means[4 * k + 1] * stride, 0), height)
                boxes_out[count, 2] = min(max(x + means[4 * k + 2] * stride, 0), width)
                boxes_out[count, 3] = min(max(y + means[4 * k + 3] * stride, 0), height)
                scores_out[count] = score
                classes_out[count] = class_
                count += 1
    if logits:
        squash_all(scores_out[begun:count], factors, powers)
    return count
