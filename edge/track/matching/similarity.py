"""Similarity of a detection to a track, from 0 to 1, and the gain of matching the two.

IoU alone confuses people who cross. Three factors, all relative to the box, tell them apart: the ratio of heights; the
offset of the lower edge, since feet stay on the ground while arms move, and who is in front stands lower in the picture
(it counts more for a confident box); and the change of the score, since somebody half occluded keeps a low score for a
while (the confidence cue of Hybrid-SORT, Yang et al. 2024).

Where a prediction is less certain than usual, after a gap or at a low rate, both boxes are grown by the same margin
before their IoU is computed (buffered IoU, Yang et al. 2023, with a buffer that depends on the uncertainty).
"""

import math
from typing import Any

from edge.kernels.jit import kernel

_CERTAIN_H = 0.08  # standard deviation of the place, in heights, of a track seen 30 times a second
_MOST_H = 0.08  # the largest margin, in heights


@kernel
def margin(run: Any, track: Any) -> float:
    """By how many pixels boxes are grown on every side: `uncertainty_reach` times what the deviation is beyond usual.

    With the height h and the standard deviation d of the predicted centre: min(.08 h, reach * max(0, d - .08 h)).
    """
    height, deviation = track["position"][3], math.sqrt(track["var_position"][0])
    return min(_MOST_H * height, run["uncertainty_reach"] * max(0.0, deviation - _CERTAIN_H * height))


@kernel
def grown(box: Any, pixels: float) -> Any:
    """`box` (xyxy), larger by `pixels` on every side."""
    return box[0] - pixels, box[1] - pixels, box[2] + pixels, box[3] + pixels


@kernel
def similarity(run: Any, track: Any, detection: Any, overlap: float) -> float:
    """Similarity of a track's predicted box and score and a detection's, whose IoU is `overlap`."""
    box, seen, score = track["box"], detection["box"], detection["score"]
    height, seen_height = box[3] - box[1], seen[3] - seen[1]
    size = min(height, seen_height) / max(height, seen_height)
    off = score * (seen[3] - box[3]) / (run["feet_tolerance"] * height)
    return overlap * size * (1.0 - run["continuity"] * abs(score - track["score"])) / (1.0 + off * off)


@kernel
def returning(run: Any, track: Any) -> float:
    """Factor on a lost track's similarity: 1 / (1 + score^2 t / `absence_s`) after t seconds unseen.

    Objects of low score are missed often and return soon. One of high score that is lost is occluded or has left, and
    the later it is, the more likely a detection at its predicted place is somebody else.
    """
    seconds = (run["now"] - track["last"]) / run["frame_rate"]
    return 1.0 / (1.0 + track["score"] * track["score"] * seconds / run["absence_s"])


@kernel
def worth(run: Any, alike: float, score: float) -> float:
    """Gain of matching: score^2 (alike - least), where least = min(enough, floor / score^2).

    A confident detection may lie far off (fast people), one of low score must be similar `enough`.
    """
    weight = score * score
    return weight * alike - min(run["similarity_floor"], run["similarity_enough"] * weight)
