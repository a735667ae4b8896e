"""What the values of a short list show: rows of a box, a score and a class number, as a network chose them."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from edge.types import Float32s

_TOLERANCE = 1e-3  # of scores in half precision
_SHARE = 2.0  # no corner of a share lies so far out, and of boxes in pixels some do


class Rows(NamedTuple):
    """A list: corners `[N, 4]`, x1, y1, x2, y2 or y first, scores `[N]` and class numbers `[N]`."""

    boxes: Float32s
    scores: Float32s
    labels: Float32s


def shown(samples: Iterable[Rows], *, shares: bool = False, classes: int | None = None) -> bool | None:
    """Whether the rows of `samples` are such a list, boxes in pixels or in `shares` of the picture, numbers below
    `classes` where that is given. None where the values neither show nor contradict it: no row is in use, or all boxes
    are alike."""
    found = [_shows(rows, shares, classes) for rows in samples]
    return None if all(one is None for one in found) else False not in found


def _shows(rows: Rows, shares: bool, classes: int | None) -> bool | None:
    used = rows.scores > 0
    if not used.any() or np.ptp(rows.boxes[used]) == 0:
        return None
    boxes, scores, labels = (values[used] for values in rows)
    corners = bool((boxes[:, 2:] >= boxes[:, :2]).all())
    numbers = bool(((labels == np.round(labels)) & (labels >= 0)).all() and (classes is None or labels.max() < classes))
    in_shares = bool(np.abs(boxes).max() <= _SHARE)
    return corners and numbers and in_shares == shares and bool(scores.max() <= 1 + _TOLERANCE)
