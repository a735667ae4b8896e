"""How far scores depend on which sequences a benchmark happens to have: the percentile bootstrap over sequences.

Efron and Tibshirani 1993, "An Introduction to the Bootstrap", chapter 13. Each resample draws as many sequences as
there are, with replacement, and scores them as one.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from edge.val.run import Judged
from edge.val.score import combine, scores

METRICS = ("HOTA", "MOTA", "IDF1")
RESAMPLES = 1000
LEVEL = 0.95
_SEED = 0


class Interval(NamedTuple):
    """The middle `LEVEL` of the resamples."""

    low: float
    high: float


def intervals(
    judged: Mapping[str, Mapping[str, Judged]],
) -> tuple[dict[str, dict[str, Interval]], dict[str, dict[str, Interval]]]:
    """Of every label the interval of each of `METRICS`, and of every label but the first that of its difference to it.

    A resample draws the same sequences for all labels, so that differences are paired.
    """
    names = list(next(iter(judged.values())))
    draws = np.random.default_rng(_SEED).integers(len(names), size=(RESAMPLES, len(names)))
    drawn = {label: _resampled(by_name, names, draws) for label, by_name in judged.items()}
    first = next(iter(drawn.values()))
    others = list(drawn)[1:]
    return (
        {label: _intervals(values) for label, values in drawn.items()},
        {label: _intervals(drawn[label] - first) for label in others},
    )


def _resampled(
    by_name: Mapping[str, Judged], names: list[str], draws: np.ndarray[tuple[int, ...], np.dtype[np.int64]]
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """`METRICS` of each resample, float64 `[RESAMPLES, metrics]`."""
    found = np.empty((len(draws), len(METRICS)))
    for i, draw in enumerate(draws.tolist()):
        chosen = {str(place): by_name[names[k]].result for place, k in enumerate(draw)}
        found[i] = list(scores(combine(chosen), METRICS).values())
    return found


def _intervals(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> dict[str, Interval]:
    low, high = np.percentile(values, (50 * (1 - LEVEL), 50 * (1 + LEVEL)), axis=0)
    return {name: Interval(float(a), float(b)) for name, a, b in zip(METRICS, low, high, strict=True)}
