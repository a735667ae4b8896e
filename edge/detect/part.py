"""A part of a picture that is changed, and whether the cells that follow it lie where they are thought to.

Distributions and scores say nothing of where their cells are: rows in another order have the same shapes and values of
the same kind. But each cell sees its own place, so what a change moves most tells where the cells are.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.detect.cells import cell_shapes
from edge.types import Float32s

# Middle (x, y) and size in shares of the picture. Off the diagonal, so that rows are told from columns.
_MIDDLE = (0.25, 0.75)
_SIZE = 0.25
# Correlation of a cell's distance and the logarithm of its change, on the finest level: -.73 to -.95 of published
# NanoDets, -.58 to -.72 of YOLOs and -.45 of small networks with random weights; between -.2 and .2 in any other order.
_FOLLOWS = -0.3
_FEWEST = 64  # cells that a correlation is made of
# Share of the largest change anywhere, and change of a probability: what moves less shows rounding more than the
# picture. Trained networks see no object of some sizes at all in the built-in pictures: such scores stay at 1e-4.
_MOVES = 0.05
_MOVES_AT_ALL = 1e-3
_LEAST = 1e-6  # of the largest change
_ALIKE = 1e-3


def invert(planes: npt.NDArray[Any], largest: float) -> None:
    """Invert the part of a picture `[3, H, W]` of values from 0 to `largest`, in place."""
    height, width = planes.shape[1:]
    part = planes[:, _cut(height, _MIDDLE[1]), _cut(width, _MIDDLE[0])]
    part[...] = largest - part


def is_followed(changes: Float32s, width: int, height: int, strides: Sequence[int], anchors: int = 1) -> bool | None:
    """Whether `changes` fall with the distance of their cells from the part: how far each row of an output moved, all
    levels of `strides` one behind the other, `anchors` times each, for an input of `width` x `height`.

    The finest level that moves is looked at: cells of the others see most of the picture, and levels in another order
    shift it. None where there is nothing to be seen: nothing moved, everything did alike, or there are too few cells.
    """
    least, begin = max(_MOVES * changes.max(), _MOVES_AT_ALL), 0
    for rows, columns in cell_shapes(width, height, strides):
        if rows * columns < _FEWEST:
            break
        end = begin + anchors * rows * columns
        moving = [level for level in changes[begin:end].reshape(anchors, -1) if level.max() >= least]
        begin = end
        if moving:
            found = [one for level in moving if (one := _correlation(level, rows, columns)) is not None]
            return all(one <= _FOLLOWS for one in found) if found else None
    return None


def _correlation(level: Float32s, rows: int, columns: int) -> float | None:
    moved = level.astype(np.float64)
    if not np.isfinite(moved).all() or np.ptp(moved) <= _ALIKE * moved.max():
        return None
    y, x = np.mgrid[:rows, :columns].reshape(2, -1) + 0.5
    distance = np.hypot(x / columns - _MIDDLE[0], y / rows - _MIDDLE[1])
    return float(np.corrcoef(distance, np.log(moved + _LEAST * moved.max()))[0, 1])


def _cut(size: int, middle: float) -> slice:
    return slice(round(size * (middle - _SIZE / 2)), round(size * (middle + _SIZE / 2)))
