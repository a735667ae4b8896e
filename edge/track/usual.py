"""Which scores are usual in a scene: learned online from the tracks that are shown, with exponential forgetting.

Detectors differ: one gives people .9, another .4, a third gives .9 to clutter as well. With the log-odds
o = ln(s / (1 - s)) of a score s, the weight w = seconds * s of a detection, m the mean log-odds of its track before it,
T the seconds learned from and T0 = 1 s (all sums with exponential forgetting):

    level    = (T sum(w o) / sum(w) - T0) / (T + T0)                 -1, a score of .27, before the first detection
    variance = (T sum(w (o - m)^2) / sum(w) + T0 .2)  / (T + T0)     within one track
"""

import math
from typing import Any

from edge.kernels.jit import kernel

# Fields of a tracker's record: sums of seconds, weight, weight * log-odds, weight * squared deviation; level, variance.
FIELDS: list[Any] = [("usual_sums", "f8", (4,)), ("usual_level", "f8"), ("usual_variance", "f8")]

_MEMORY_S = 20.0  # after so long a detection counts 1/e
_PRIOR_S = 1.0  # of detections weigh as much as the prior
_PRIOR_LEVEL, _PRIOR_VARIANCE = -1.0, 0.2
_OVERCONFIDENT = 1.0  # log-odds; a detector that gives people more than .73 often gives clutter a high score too


@kernel
def begin_frame(run: Any, seconds: float) -> None:
    """Let what was learned fade by `seconds` and set `usual_level` and `usual_variance`, which hold for a frame."""
    sums, kept = run["usual_sums"], math.exp(-seconds / _MEMORY_S)
    for k in range(4):
        sums[k] *= kept
    learned, weight = sums[0], sums[1]
    odds = squares = 0.0
    if weight > 0.0:
        odds, squares = sums[2] / weight, sums[3] / weight
    run["usual_level"] = (learned * odds + _PRIOR_S * _PRIOR_LEVEL) / (learned + _PRIOR_S)
    run["usual_variance"] = (learned * squares + _PRIOR_S * _PRIOR_VARIANCE) / (learned + _PRIOR_S)


@kernel
def overconfidence(run: Any) -> float:
    """By how much log-odds of new tracks count less where the detector is sure of everything it shows."""
    return run["overconfidence"] * max(0.0, run["usual_level"] - _OVERCONFIDENT)


@kernel
def learn(run: Any, score: float, odds: float, mean: float, seconds: float) -> None:
    """Take in a sighting of `seconds` by a track whose log-odds had the `mean` before it."""
    sums, weight = run["usual_sums"], seconds * score
    sums[0] += seconds
    sums[1] += weight
    sums[2] += weight * odds
    sums[3] += weight * (odds - mean) * (odds - mean)
