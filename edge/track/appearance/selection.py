"""Which detections need an embedding: those whose appearance could change the assignment.

An embedding costs more than all association of a frame. Most detections overlap one track well and no other, and no
embedding would change that; and below the IoU at which appearance counts it changes nothing either. The others, most
urgent first:

- contested: a second track overlaps the detection, or a second detection its track, nearly as well;
- a lost track overlaps it: it may have returned;
- born: no track overlaps it, or all that do overlap another detection better: likely a new track;
- stale: the memory of its track is old or empty, or the track is not shown yet.

Whatever the policy, a detection hidden behind another one gets none: the crop shows the other one, and both the
comparison and the memory would suffer.
"""

from typing import Any

import numba
import numpy as np

from edge.kernels.jit import buffer, entry, given, kernel
from edge.track.matching.boxes import iou

CERTAIN, STALE, BORN, LOST_NEAR, CONTESTED = range(5)

MARGIN = 0.35  # a rival that overlaps less than the best one by this much of IoU is none
OVERLAP = 0.4  # of rivals, for methods in which appearance counts wherever boxes overlap
SLACK = 0.1  # of IoU, since boxes are only about where they are predicted
STALE_S = 0.5  # after so long a new embedding is taken
HIDDEN = 0.4  # of a box inside one in front; from .25 to .6 tracks are the same within the noise


@kernel
def _keep_best(two: Any, value: float) -> None:
    """Let `value` be one of the best two if it is, the better one first."""
    if value > two[0]:
        two[1] = two[0]
        two[0] = value
    elif value > two[1]:
        two[1] = value


@entry(
    given("f8", 2),
    given("?"),
    given("?"),
    given("f4", 2),
    given("i8"),
    numba.float64,
    buffer("i1"),
)
def find_reasons(tracks: Any, lost: Any, stale: Any, boxes: Any, rows: Any, least_iou: float, reasons: Any) -> None:
    """Set `reasons` of the detections `rows` among `boxes` (xyxy) to one of the reasons above.

    `tracks` are predicted boxes, `lost` and `stale` mark some of them. Up to an IoU of `least_iou` none is a rival.
    Every pair is compared, which is quick for the hundreds that a frame usually holds.
    """
    n = len(rows)
    rivals = np.zeros((len(tracks), 2))  # the two best overlaps of each track
    best_track, best_two = np.full(n, -1), np.zeros((n, 2))  # of each detection
    near_lost = np.zeros(n, np.bool_)
    for a in range(n):
        for i in range(len(tracks)):
            value = iou(tracks[i], boxes[rows[a]], 0.0)
            near_lost[a] |= lost[i] and value > least_iou
            if value > best_two[a, 0]:
                best_track[a] = i
            _keep_best(best_two[a], value)
            _keep_best(rivals[i], value)
    for a in range(n):
        best, first, second = best_track[a], best_two[a, 0], best_two[a, 1]
        other = 0.0
        if best >= 0:
            other = rivals[best, 1] if first == rivals[best, 0] else rivals[best, 0]
        if best < 0 or (first <= least_iou and other > first):
            reasons[rows[a]] = BORN
        elif max(second, other) > max(least_iou, first - MARGIN):
            reasons[rows[a]] = CONTESTED
        elif near_lost[a]:
            reasons[rows[a]] = LOST_NEAR
        else:
            reasons[rows[a]] = STALE if stale[best] else CERTAIN


@entry(given("f4", 2), given("i8"), buffer("?"))
def find_hidden(boxes: Any, rows: Any, hidden: Any) -> None:
    """Set `hidden[a]` where the detection `rows[a]` of `boxes` (xyxy) is covered by one whose lower edge is lower."""
    for a in range(len(rows)):
        box = boxes[rows[a]]
        most = HIDDEN * (box[2] - box[0]) * (box[3] - box[1])
        hidden[a] = False
        for b in range(len(rows)):
            other = boxes[rows[b]]
            if other[3] > box[3]:
                width = min(box[2], other[2]) - max(box[0], other[0])
                height = min(box[3], other[3]) - max(box[1], other[1])
                hidden[a] |= min(width, height) > 0.0 and width * height > most
