"""How alike embeddings of one person are, and of two people: learned from tracklets of which that is known.

Two tracklets that were seen at the same time in different places are two people; tracklets that were found to be one
person's are, as far as that is sure. No threshold is set by hand: a similarity is as much evidence as it
is likelier among the ones than among the others.
"""

from collections import deque

import numpy as np
import numpy.typing as npt

Float64s = npt.NDArray[np.float64]

NEWEST = 4096  # pairs of each kind are remembered
# Before anything was seen: cosines of person networks without what a camera adds, as if from so many pairs.
PRIOR_PAIRS = 20
SAME, DIFFERENT = (0.65, 0.18), (0.0, 0.15)  # mean and standard deviation
LEAST_SD = 0.02
LEAST_WEIGHT = 0.01  # of a pair that is remembered
STRONGEST = 12.0  # no similarity is more evidence than that, natural logarithm


class Likeness:
    """The cosines of pairs of tracklets, of one person and of two."""

    def __init__(self) -> None:
        self._same: deque[tuple[float, float]] = deque(maxlen=NEWEST)
        self._different: deque[tuple[float, float]] = deque(maxlen=NEWEST)
        self._moments: tuple[float, float, float, float] | None = None

    def note(self, cosines: npt.ArrayLike, *, same: bool, weights: npt.ArrayLike = 1.0) -> None:
        """Cosines of pairs that are of one person, or of two, with the probabilities that they are."""
        found, sure = np.broadcast_arrays(np.atleast_1d(np.asarray(cosines, np.float64)), weights)
        pairs = [pair for pair in zip(found.tolist(), sure.tolist(), strict=True) if pair[1] >= LEAST_WEIGHT]
        (self._same if same else self._different).extend(pairs)
        self._moments = None

    @property
    def moments(self) -> tuple[float, float, float, float]:
        """Mean and standard deviation of one person's cosines, then of two people's."""
        if self._moments is None:
            self._moments = (*_moments(self._same, *SAME), *_moments(self._different, *DIFFERENT))
        return self._moments

    def evidence(self, cosines: Float64s) -> Float64s:
        """Natural logarithm of how much likelier each cosine is for one person than for two; rises with the cosine."""
        return evidence(cosines, *self.moments)

    def equal_cosine(self) -> float:
        """The cosine that speaks neither for one person nor for two, for people to look at."""
        grid = np.linspace(-1, 1, 2001)
        return float(grid[np.searchsorted(self.evidence(grid), 0.0, side="left").clip(max=2000)])


def evidence(
    cosines: Float64s, mean_same: float, sd_same: float, mean_different: float, sd_different: float
) -> Float64s:
    """Log likelihood ratio of two normal distributions, each flat beyond its mean so that it rises with the cosine.

    >>> evidence(np.array([0.2, 0.8]), 0.8, 0.1, 0.2, 0.1).round(1)
    array([-12.,  12.])
    """
    below = np.minimum(cosines - mean_same, 0) / sd_same
    above = np.maximum(cosines - mean_different, 0) / sd_different
    ratio = np.log(sd_different / sd_same) + (above**2 - below**2) / 2
    return np.asarray(np.clip(ratio, -STRONGEST, STRONGEST), np.float64)


def _moments(pairs: deque[tuple[float, float]], mean: float, sd: float) -> tuple[float, float]:
    """Mean and standard deviation of weighted values and of `PRIOR_PAIRS` with those given."""
    found, weights = np.array(pairs, np.float64).reshape(-1, 2).T
    total = PRIOR_PAIRS + weights.sum()
    middle = (PRIOR_PAIRS * mean + (weights * found).sum()) / total
    square = PRIOR_PAIRS * (sd**2 + (mean - middle) ** 2) + (weights * (found - middle) ** 2).sum()
    return float(middle), max(LEAST_SD, float(np.sqrt(square / total)))
