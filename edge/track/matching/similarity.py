"""How well a detection continues a track, from 0 to 1, and what matching the two is worth.

IoU alone confuses people who cross. Three factors, all relative to the box, tell them apart: the ratio of heights; how
far the lower edge is off, since feet stay on the ground while arms move and the one in front stands lower in the
picture (a confident box's edge counts more); and the jump of the score, since someone half hidden keeps a low score
for a while (the idea of Hybrid-SORT's confidence cue, Yang et al. 2024).
"""

from typing import Any

from edge.kernels.jit import kernel


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
    """What is left of a lost track's similarity: 1 / (1 + score^2 t / `absence_s`) after t seconds unseen.

    Those with low scores are missed often and return any moment. Who was always seen and is not any more has gone
    behind something or away, and the later, the more likely a box at the place expected is somebody else.
    """
    seconds = (run["now"] - track["last"]) / run["frame_rate"]
    return 1.0 / (1.0 + track["score"] * track["score"] * seconds / run["absence_s"])


@kernel
def worth(run: Any, alike: float, score: float) -> float:
    """Gain of matching: score^2 (alike - least), where least = min(enough, floor / score^2).

    A confident box may lie far off (fast people), an unsure one must be similar `enough`.
    """
    weight = score * score
    return weight * alike - min(run["similarity_floor"], run["similarity_enough"] * weight)
