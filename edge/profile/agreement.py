"""How alike two runs over the same frames are: the share of boxes that have the same identity in both."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from edge.types import Float32s, Int64s

# Ids int64 [M] and boxes float32 [M, 4] of one frame.
Shown = tuple[Int64s, Float32s]
_LEAST_IOU = 0.5


def agreement(first: Sequence[Shown], second: Sequence[Shown]) -> float:
    """0..1: of all boxes of both runs, those that lie on one of the other run and belong to the same person there.

    Boxes lie on each other where the IoU is at least .5 and each is the other's best. Two identities are one person
    where each is what the other lay on most often: IDF1 (Ristani et al. 2016, arXiv 1609.01775) with that in place of
    the best assignment, which can only be higher. It says how alike, not how good. The longer run is cut; two runs
    that show nothing agree.
    """
    together: Counter[tuple[int, int]] = Counter()
    boxes = 0
    for (ids_a, boxes_a), (ids_b, boxes_b) in zip(first, second, strict=False):
        boxes += len(ids_a) + len(ids_b)
        if len(ids_a) and len(ids_b):
            together.update(_pairs(ids_a, boxes_a, ids_b, boxes_b))
    if not boxes:
        return 1.0
    best_of_a: dict[int, tuple[int, int]] = {}
    best_of_b: dict[int, tuple[int, int]] = {}
    for (a, b), count in sorted(together.items()):
        best_of_a[a] = max(best_of_a.get(a, (0, 0)), (count, b))
        best_of_b[b] = max(best_of_b.get(b, (0, 0)), (count, a))
    agreed = sum(count for a, (count, b) in best_of_a.items() if best_of_b[b] == (count, a))
    return 2 * agreed / boxes


def _pairs(ids_a: Int64s, boxes_a: Float32s, ids_b: Int64s, boxes_b: Float32s) -> list[tuple[int, int]]:
    overlaps = _iou(boxes_a, boxes_b)
    best = overlaps.argmax(1)
    rows = np.arange(len(ids_a))
    mutual = (overlaps[rows, best] >= _LEAST_IOU) & (overlaps.argmax(0)[best] == rows)
    return list(zip(ids_a[mutual].tolist(), ids_b[best[mutual]].tolist(), strict=True))


def _iou(a: Float32s, b: Float32s) -> Float32s:
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=2)
    areas_a, areas_b = np.prod(a[:, 2:] - a[:, :2], axis=1), np.prod(b[:, 2:] - b[:, :2], axis=1)
    return np.asarray(shared / np.maximum(areas_a[:, None] + areas_b - shared, 1e-9), np.float32)
