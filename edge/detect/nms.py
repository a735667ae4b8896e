"""Non-maximum suppression: greedy, class by class."""

import numpy as np
from numba import float32, int64

from edge.track.jit import buffer, entry
from edge.types import Float32s, Int32s, Int64s


@entry(buffer(np.float32, 2), buffer(np.float32), buffer(np.int32), int64, float32, buffer(np.int64))
def keep_best(
    boxes_xyxy: Float32s, scores: Float32s, classes: Int32s, count: int, iou_limit: float, kept: Int64s
) -> int:
    """Write the rows that survive, best score first, into `kept` (int64 `[>= count]`) and return their number.

    Of the first `count` rows, one is dropped if its IoU with a better kept one of its class is above `iou_limit`.
    Of equal scores the earlier row is the better. Boxes have x2 >= x1 and y2 >= y1.
    """
    order = np.argsort(-scores[:count], kind="mergesort")  # stable
    # The survivors, column by column: the inner loop has no branch and becomes vector instructions, twice as fast as
    # one that stops at the first hit (58 us against 117 for 993 boxes, 311 kept).
    best = np.empty((5, count), np.float32)
    x1s, y1s, x2s, y2s, areas = best[0], best[1], best[2], best[3], best[4]
    best_classes = np.empty(count, np.int32)
    number = 0
    for row in order:
        x1, y1, x2, y2 = boxes_xyxy[row, 0], boxes_xyxy[row, 1], boxes_xyxy[row, 2], boxes_xyxy[row, 3]
        area, class_ = (x2 - x1) * (y2 - y1), classes[row]
        hits = 0
        for i in range(number):
            width = max(min(x2, x2s[i]) - max(x1, x1s[i]), float32(0))
            height = max(min(y2, y2s[i]) - max(y1, y1s[i]), float32(0))
            inter = width * height
            hits += (inter > iou_limit * (area + areas[i] - inter)) & (best_classes[i] == class_)
        if hits == 0:
            x1s[number], y1s[number], x2s[number], y2s[number] = x1, y1, x2, y2
            areas[number], best_classes[number] = area, class_
            kept[number] = row
            number += 1
    return number
