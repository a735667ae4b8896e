"""How tall an object should be where it stands: a line of height over the lower edge, learned from confirmed tracks.

For a camera that looks along a ground plane the height of people in the picture is a linear function of where their
feet are (Hoiem et al. 2008). The line is fitted by least squares, relative errors counting, with slow forgetting, so
it follows a moving camera. Until enough was seen it says nothing, and it only ever delays a confirmation.
"""

import math
from typing import Any

from edge.kernels.jit import kernel

# Fields of a tracker's record: sums of 1, w, wy, wyy, wh, wyh over sightings (w = 1/h^2, y the lower edge, h the
# height), the first in seconds, and the variance of ln(height / expected height).
FIELDS: list[tuple[str, str] | tuple[str, str, tuple[int]]] = [("sums", "f8", (6,)), ("spread", "f8")]

_MEMORY_S = 6.65  # after so long a sighting counts 1/e
_ENOUGH_S = 6.7  # of sightings within that memory before the line counts
_SPREAD_MEMORY_S = 33.0  # of sightings, for the variance
_SPREAD_START, _SPREAD_LEAST = 0.09, 0.01  # variance before anything was seen, and the least believed
_USUAL = 1.0  # squared deviations up to this are no surprise
_MOST = 2.0  # surprise has a limit: the line may be wrong
_SETTLED_S = 1 / 3  # tracks teach once they are this old ...
_TEACHING_SCORE = 0.5  # ... with boxes of at least this score


@kernel
def line(run: Any) -> Any:
    """(whether it counts, height at 0, height per unit of the lower edge) of the fitted line."""
    s = run["sums"]
    determinant = s[1] * s[3] - s[2] * s[2]
    if s[0] <= _ENOUGH_S or determinant <= 0.0:
        return False, 0.0, 0.0
    slope = (s[1] * s[5] - s[2] * s[4]) / determinant
    return True, (s[4] - slope * s[2]) / s[1], slope


@kernel
def surprise(run: Any, known: bool, base: float, slope: float, box: Any) -> float:
    """How odd the height of `box` (xyxy) is for its lower edge: 0 for usual ones, at most 2."""
    if not known:
        return 0.0
    expected = base + slope * box[3]
    if expected <= 0.0:
        return _MOST
    deviation = math.log((box[3] - box[1]) / expected)
    return min(_MOST, max(0.0, 0.5 * (deviation * deviation / max(run["spread"], _SPREAD_LEAST) - _USUAL)))


@kernel
def forget(run: Any, seconds: float) -> None:
    """Let what was learned fade by `seconds`."""
    if run["spread"] == 0.0:
        run["spread"] = _SPREAD_START
    kept = math.exp(-seconds / _MEMORY_S)
    for k in range(6):
        run["sums"][k] *= kept


@kernel
def teaches(score: float, age_s: float) -> bool:
    """Whether a confirmed track of this age, just seen with this score, is to be learned from."""
    return score > _TEACHING_SCORE and age_s > _SETTLED_S


@kernel
def learn(run: Any, known: bool, base: float, slope: float, box: Any, seconds: float) -> None:
    """Take in a sighting of `seconds`; the line given is the one before this frame."""
    y, h = box[3], box[3] - box[1]
    w, s = 1.0 / (h * h), run["sums"]
    s[0] += seconds
    s[1] += w
    s[2] += w * y
    s[3] += w * y * y
    s[4] += w * h
    s[5] += w * y * h
    expected = base + slope * y
    if known and expected > 0.0:
        deviation = math.log(h / expected)
        rate = min(seconds / _SPREAD_MEMORY_S, 1.0)
        run["spread"] += rate * (min(deviation * deviation, 1.0) - run["spread"])
