"""The cells of a detector's levels: how many there are, and which strides an output of so many rows can have."""

from collections.abc import Sequence

import numpy as np

from edge.types import Float32s

# Contiguous powers of two, as feature pyramids have them; the usual ones first.
STRIDE_SETS = (
    (8, 16, 32),
    (8, 16, 32, 64),
    (4, 8, 16, 32),
    (16, 32),
    (16, 32, 64),
    (8, 16),
    (4, 8, 16),
    (8, 16, 32, 64, 128),
)


def cell_shapes(width: int, height: int, strides: Sequence[int]) -> list[tuple[int, int]]:
    """The rows and columns of cells of each level for an input of `width` x `height` pixels."""
    return [(-(-height // stride), -(-width // stride)) for stride in strides]


def cell_counts(width: int, height: int, strides: Sequence[int]) -> list[int]:
    """The number of cells of each level for an input of `width` x `height` pixels."""
    return [rows * columns for rows, columns in cell_shapes(width, height, strides)]


def strides_of(width: int, height: int, rows: int, anchors: int = 1) -> list[tuple[int, ...]]:
    """The sets of strides that give `rows` rows, with `anchors` rows a cell."""
    return [strides for strides in STRIDE_SETS if anchors * sum(cell_counts(width, height, strides)) == rows]


def centres(width: int, height: int, strides: Sequence[int], anchors: int = 1) -> tuple[Float32s, Float32s]:
    """The middle of every cell in pixels, float32 `[N, 2]`, and its stride `[N, 1]`; `anchors` times each level."""
    points, sizes = [], []
    for stride in strides:
        rows, columns = -(-height // stride), -(-width // stride)
        y, x = np.mgrid[:rows, :columns].reshape(2, -1)
        level = np.tile(np.stack([x, y], 1), (anchors, 1))
        points.append((level + 0.5) * stride)
        sizes.append(np.full((len(level), 1), stride))
    return np.concatenate(points).astype(np.float32), np.concatenate(sizes).astype(np.float32)
