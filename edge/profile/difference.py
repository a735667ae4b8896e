"""Whether one profile is faster than another, and how sure that is.

Compared are the medians of consecutive parts of each run, as logarithms, so that the result is a ratio: Welch's t-test
(B. L. Welch, Biometrika 34, 1947). Neighbouring parts resemble each other where the board drifts, which makes them
worth fewer: of n parts with autocorrelation r count n (1 - r) / (1 + r), as for an autoregressive process of order one.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np

from edge.profile.report import Report

CONFIDENCE = 0.95
_FEWEST_PARTS = 5

Verdict = Literal["faster", "slower", "not distinguishable"]


@dataclass(frozen=True)
class Difference:
    """What `name` takes in the second report over the first: `ratio`, with its confidence interval `low` to `high`."""

    name: str
    first_ms: float
    second_ms: float
    ratio: float
    low: float
    high: float

    @property
    def verdict(self) -> Verdict:
        """What the interval allows to say."""
        if self.high < 1:
            return "faster"
        return "slower" if self.low > 1 else "not distinguishable"


def differences(first: Report, second: Report) -> list[Difference]:
    """The time a frame, and every stage that both have."""
    pairs = [("1/FPS", [1000 / fps for fps in first.rate.block_fps], [1000 / fps for fps in second.rate.block_fps])]
    for stage in first.stages:
        other = second.stage(stage.name)
        if other is not None and stage.name != "wait":  # waiting is what is left over
            pairs.append((stage.name, list(stage.block_medians_ms), list(other.block_medians_ms)))
    return [difference(name, a, b) for name, a, b in pairs if min(*a, *b) > 0]


def difference(name: str, first_ms: Sequence[float], second_ms: Sequence[float]) -> Difference:
    """The ratio of two rows of parts. Its interval is everything where there are too few to tell."""
    a, b = np.log(first_ms), np.log(second_ms)
    ratio = math.exp(b.mean() - a.mean())
    first, second = math.exp(a.mean()), math.exp(b.mean())
    if min(len(a), len(b)) < _FEWEST_PARTS:
        return Difference(name, first, second, ratio, 0.0, math.inf)
    (variance_a, n_a), (variance_b, n_b) = _of_mean(a), _of_mean(b)
    variance = variance_a + variance_b
    if variance == 0:
        return Difference(name, first, second, ratio, ratio, ratio)
    freedom = variance**2 / (variance_a**2 / (n_a - 1) + variance_b**2 / (n_b - 1))
    reach = student_quantile(0.5 + CONFIDENCE / 2, freedom) * math.sqrt(variance)
    return Difference(name, first, second, ratio, ratio * math.exp(-reach), ratio * math.exp(reach))


def _of_mean(values: np.ndarray) -> tuple[float, float]:
    """The variance of the mean, and the number of independent values that the row is worth."""
    centred = values - values.mean()
    square = float(centred @ centred)
    correlation = float(centred[:-1] @ centred[1:]) / square if square else 0.0
    worth = min(len(values), max(2.0, len(values) * (1 - correlation) / (1 + correlation)))
    return square / (len(values) - 1) / worth, worth


def student_quantile(probability: float, freedom: float) -> float:
    """A quantile of Student's t distribution, by Hill's series from the normal one.

    G. W. Hill, Algorithm 396, CACM 13 (1970); within 1 % from two degrees of freedom up at 95 % confidence.
    """
    z = NormalDist().inv_cdf(probability)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / freedom**power for power, term in enumerate(terms, 1))
