"""Rows with a box and a score for each class into candidates: YOLO's many heads.

A row is one cell: four numbers of its box, an objectness where the family has one, a score for each class. Of every
row the best wanted class counts, as in the published code of these families. Scores are looked at first, boxes only of
the rows above the floor.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import boolean, float32, int64, uint64

from edge.detect.cells import cell_counts
from edge.detect.decode.candidates import Candidates
from edge.detect.decode.distributions import any_passes, passing, run_passes
from edge.kernels.jit import buffer, entry, kernel
from edge.modelpack import Detector
from edge.types import Float32s, Int32s, Int64s

_LARGEST = np.finfo(np.float32).max
# Cells whose best class is searched together: their scores stay in the first cache while the classes go by.
_AT_ONCE = 1024


class RowDecoder:
    """Decodes `[1, N, 4 + objectness + C]`, or `[1, 4 + C, N]` where the rows are `upright` columns.

    Boxes are as `head.boxes` says: `cxcywh` in pixels of the input, or `grid`, which needs the head's strides. See
    `edge.detect.families.family.Family.decoder` for the arguments.
    """

    def __init__(
        self,
        detector: Detector,
        outputs: Mapping[str, npt.NDArray[Any]],
        classes: Sequence[int],
        floor: float,
        *,
        objectness: bool,
        upright: bool = False,
    ):
        (array,) = (outputs[name] for name in detector.head.outputs)
        self._table: Float32s = array.reshape(array.shape[-2:])
        self._upright = upright
        self._objectness = objectness
        self._columns = np.array(classes, np.int32) + (5 if objectness else 4)
        self._floor = floor
        self._levels = levels_of(detector) if detector.head.boxes == "grid" else np.zeros((0, 3), np.int64)
        self._offset = detector.head.cell_offset
        rows: int = self._table.shape[1 if upright else 0]
        self._cells = np.empty(rows + 1, np.int32)  # what the kernels work in, so that a frame allocates nothing
        self._best = np.empty(_AT_ONCE, np.float32), np.empty(_AT_ONCE, np.int32)
        self.candidates = Candidates.room(rows)

    def __call__(self) -> int:
        """Fill the first rows of `candidates` from the current outputs and return how many; `BROKEN` if NaN is met."""
        if self._upright:
            best, classes = self._best
            return int(_decode_upright(self._table, self._columns, self._floor, best, classes, *self.candidates))
        form = self._objectness, self._columns, self._floor, self._levels, self._offset
        return int(_decode_rows(self._table, *form, self._cells, *self.candidates))


def levels_of(detector: Detector) -> Int64s:
    """Of each stride the row behind its last cell, the stride, and its columns of cells: int64 `[n, 3]`."""
    image, strides = detector.input, detector.head.strides
    cells = cell_counts(image.width, image.height, strides)
    columns = [-(-image.width // stride) for stride in strides]
    return np.stack([np.cumsum(cells), strides, columns], 1).astype(np.int64)


@kernel
def _best_class(row: Float32s, columns: Int32s) -> tuple[float, int]:
    """The highest score of a row and its column, the first of equal ones; NaN where any is."""
    best, column = row[uint64(columns[0])], columns[0]
    for k in range(uint64(1), uint64(columns.shape[0])):
        score = row[uint64(columns[k])]
        if score > best or score != score:
            best, column = score, columns[k]
    return best, column


@kernel
def _passing_twice(table: Float32s, columns: Int32s, floor: float, cells: Int32s) -> int:
    """As `passing`, of the rows whose objectness, in column 4, is not below the floor: mostly few."""
    found = uint64(0)
    low, count = uint64(columns[0]), uint64(columns.shape[0])
    together = uint64(columns[-1]) + uint64(1) - low == count
    for cell in range(uint64(table.shape[0])):
        row = table[cell]
        if row[uint64(4)] < floor:
            continue
        passes = run_passes(row, low, count, floor) if together else any_passes(row, columns, floor)
        cells[found] = cell
        found += uint64(passes)
    return int64(found)


@kernel
def _put(cx: float, cy: float, width: float, height: float, row: int, boxes_out: Float32s) -> bool:
    """Write a box given by its middle and size; False where it is not finite."""
    half_width, half_height = max(width, float32(0)) / 2, max(height, float32(0)) / 2
    boxes_out[row, 0], boxes_out[row, 1] = cx - half_width, cy - half_height
    boxes_out[row, 2], boxes_out[row, 3] = cx + half_width, cy + half_height
    total = abs(cx) + abs(cy) + abs(width) + abs(height)
    return total <= _LARGEST


@entry(
    buffer(np.float32, 2), boolean, buffer(np.int32), float32, buffer(np.int64, 2), float32, buffer(np.int32),
    buffer(np.float32, 2), buffer(np.float32), buffer(np.int32),
)  # fmt: skip
def _decode_rows(
    table: Float32s, objectness: bool, columns: Int32s, floor: float, levels: Int64s, offset: float, cells: Int32s,
    boxes_out: Float32s, scores_out: Float32s, classes_out: Int32s,
) -> int:  # fmt: skip
    """Candidates of rows; their number, or -1 (`BROKEN`). A score is no higher than its objectness."""
    found = _passing_twice(table, columns, floor, cells) if objectness else passing(table, columns, floor, cells)
    first_class = 5 if objectness else 4
    count = 0
    level = begin = 0
    for k in range(found):
        row = table[cells[k]]
        score, column = _best_class(row, columns)
        if objectness:
            score *= row[4]
        if score < floor:
            continue
        if score != score:
            return -1
        cx, cy, width, height = row[0], row[1], row[2], row[3]
        if levels.shape[0] > 0:
            while cells[k] >= levels[level, 0]:
                begin = levels[level, 0]
                level += 1
            stride, place = levels[level, 1], cells[k] - begin
            cx = float32((cx + place % levels[level, 2] + offset) * stride)
            cy = float32((cy + place // levels[level, 2] + offset) * stride)
            width, height = float32(math.exp(width) * stride), float32(math.exp(height) * stride)
        if not _put(cx, cy, width, height, count, boxes_out):
            return -1
        scores_out[count] = score
        classes_out[count] = column - first_class
        count += 1
    return count


@entry(
    buffer(np.float32, 2), buffer(np.int32), float32, buffer(np.float32), buffer(np.int32),
    buffer(np.float32, 2), buffer(np.float32), buffer(np.int32),
)  # fmt: skip
def _decode_upright(
    table: Float32s, columns: Int32s, floor: float, best: Float32s, classes: Int32s,
    boxes_out: Float32s, scores_out: Float32s, classes_out: Int32s,
) -> int:  # fmt: skip
    """Candidates of a table whose columns are cells; their number, or -1 (`BROKEN`)."""
    count = 0
    for low in range(0, table.shape[1], best.shape[0]):
        size = min(best.shape[0], table.shape[1] - low)
        for i in range(size):
            best[i], classes[i] = table[columns[0], low + i], columns[0]
        for k in range(1, columns.shape[0]):
            column = columns[k]
            scores = table[column, low : low + size]
            for i in range(size):  # without a branch: vector instructions; NaN is taken and stays
                score = scores[i]
                better = (score > best[i]) | (score != score)
                best[i] = score if better else best[i]
                classes[i] = column if better else classes[i]
        for i in range(size):
            if best[i] < floor:
                continue
            if best[i] != best[i]:
                return -1
            cell = low + i
            if not _put(table[0, cell], table[1, cell], table[2, cell], table[3, cell], count, boxes_out):
                return -1
            scores_out[count] = best[i]
            classes_out[count] = classes[i] - 4
            count += 1
    return count
