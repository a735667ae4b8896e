"""Which scores are usual in a scene: learned from the tracks that are shown, forgotten slowly.

Detectors differ: one gives people .9, another .4, a third gives .9 to clutter. With the log-odds o = ln(s / (1 - s)) of
a score s, the weight w = seconds * s of a sighting, m the mean log-odds of its track before it, T the seconds learned
from and T0 = 1 s (all sums with exponential forgetting):

    level    = (T sum(w o) / sum(w) - T0) / (T + T0)                 -1, a score of .27, before anything was seen
    variance = (T sum(w (o - m)^2) / sum(w) + T0 .2)  / (T + T0)     of one and the same track
"""

import math
from typing import Any

from edge.kernels.jit import kernel

# Field of a tracker's record: sums of seconds, weight, weight * log-odds, weight * squared deviation.
FIELDS: list[Any] = [("usual_sums", "f8", (4,))]

_MEMORY_S = 20.0  # after so long a sighting counts 1/e
_PRIOR_S = 1.0  # of sightings count as much as what is believed before any
_PRIOR_LEVEL, _PRIOR_VARIANCE = -1.0, 0.2
_SURE_OF_ITSELF = 1.0  # log-odds; a detector that gives people more than .73 is likely to give clutter much too


@kernel
def level(run: Any) -> float:
    """The usual log-odds."""
    seconds, weight, odds = run["usual_sums"][0], run["usual_sums"][1], run["usual_sums"][2]
    found = odds / weight if weight > 0.0 else 0.0
    return (seconds * found + _PRIOR_S * _PRIOR_LEVEL) / (seconds + _PRIOR_S)


@kernel
def variance(run: Any) -> float:
    """By how much, squared, the log-odds of one track's scores vary about their mean."""
    seconds, weight, squares = run["usual_sums"][0], run["usual_sums"][1], run["usual_sums"][3]
    found = squares / weight if weight > 0.0 else 0.0
    return (seconds * found + _PRIOR_S * _PRIOR_VARIANCE) / (seconds + _PRIOR_S)


@kernel
def overconfidence(run: Any) -> float:
    """By how much log-odds of new tracks count less where the detector is sure of everything it shows."""
    return run["overconfidence"] * max(0.0, level(run) - _SURE_OF_ITSELF)


@kernel
def learn(run: Any, score: float, odds: float, mean: float, seconds: float) -> None:
    """Take in a sighting of `seconds` by a track whose log-odds had the `mean` before it."""
    sums, weight = run["usual_sums"], seconds * score
    sums[0] += seconds
    sums[1] += weight
    sums[2] += weight * odds
    sums[3] += weight * (odds - mean) * (odds - mean)


@kernel
def forget(run: Any, seconds: float) -> None:
    """Let what was learned fade by `seconds`."""
    kept = math.exp(-seconds / _MEMORY_S)
    for k in range(4):
        run["usual_sums"][k] *= kept
