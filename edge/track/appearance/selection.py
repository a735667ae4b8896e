"""Where looks could change who is who: the detections worth an embedding before the final assignment.

An embedding costs more than all association of a frame. Most detections overlap one track well and no other, and
nothing that they look like would change that; and where boxes overlap too little for looks to be heard at all they
change nothing either. The others, most urgent first:

- contested: a second track overlaps the detection, or a second detection its track, nearly as well;
- a lost track lies there: it may be the one who returns;
- born: no track overlaps that is not better met by another, so a memory begins here;
- stale: the memory of its track is old or empty, or the track is not shown yet.

Whatever the policy, who is hidden by somebody in front gets none: the crop shows the other one, and both the comparison
and the memory would suffer.
"""

from typing import Any

import numba
import numpy as np

from edge.kernels.jit import buffer, entry, given
from edge.track.matching.boxes import iou

CERTAIN, STALE, BORN, LOST_NEAR, CONTESTED = range(5)

MARGIN = 0.35  # a rival that overlaps less than the best one by this much of IoU is none
OVERLAP = 0.4  # of rivals, for methods that hear looks wherever boxes overlap
SLACK = 0.1  # of IoU, since boxes are only about where they are predicted
STALE_S = 0.5  # after so long a look is taken anew
HIDDEN = 0.4  # of a box inside one in front; from .25 to .6 tracks are the same within the noise


@entry(
    given("f8", 2),
    given("?"),
    given("?"),
    given("f4", 2),
    given("i8"),
    numba.float64,
    buffer("i1"),
)
def find_doubts(tracks: Any, lost: Any, stale: Any, boxes: Any, rows: Any, reach: float, doubts: Any) -> None:
    """Set `doubts` of the detections `rows` among `boxes` (xyxy) to one of the reasons above.

    `tracks` are predicted boxes, `lost` and `stale` say what is known of them. Up to an IoU of `reach` none is a rival.
    Every pair is looked at, which is quick for the hundreds that a frame may hold.
    """
    overlaps = np.zeros((len(rows), len(tracks)))
    rivals = np.zeros((len(tracks), 2))  # the two best overlaps of each track
    for a in range(len(rows)):
        for i in range(len(tracks)):
            value = iou(tracks[i], boxes[rows[a]], 0.0)
            overlaps[a, i] = value
            if value > rivals[i, 0]:
                rivals[i, 1] = rivals[i, 0]
                rivals[i, 0] = value
            elif value > rivals[i, 1]:
                rivals[i, 1] = value
    for a in range(len(rows)):
        best, first, second, near = -1, 0.0, 0.0, False
        for i in range(len(tracks)):
            value = overlaps[a, i]
            near |= lost[i] and value > reach
            if value > first:
                best, first, second = i, value, first
            elif value > second:
                second = value
        other = 0.0
        if best >= 0:
            other = rivals[best, 1] if first == rivals[best, 0] else rivals[best, 0]
        if best < 0 or (first <= reach and other > first):
            doubts[rows[a]] = BORN
        elif max(second, other) > max(reach, first - MARGIN):
            doubts[rows[a]] = CONTESTED
        elif near:
            doubts[rows[a]] = LOST_NEAR
        else:
            doubts[rows[a]] = STALE if stale[best] else CERTAIN


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
