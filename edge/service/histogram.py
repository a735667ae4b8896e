"""Histograms of times in seconds, as Prometheus has them: for each bound how many were no longer."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge.spans import Span, bin_edges_ms

STAGE_BOUNDS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
AGE_BOUNDS_S = (0.01, 0.025, 0.05, 0.1, 0.2, 0.35, 0.5, 1.0, 2.0, 5.0)
DWELL_BOUNDS_S = (1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)


@dataclass(frozen=True, slots=True)
class Histogram:
    """`counts[i]` times were at most `bounds_s[i]`; one more count, the last, is of all. `sum_s` is their sum."""

    bounds_s: Sequence[float]
    counts: Sequence[int]
    sum_s: float


class Buckets:
    """A histogram that grows. `note` belongs to one thread, `histogram` is for the same."""

    def __init__(self, bounds_s: Sequence[float]):
        self._bounds_s = bounds_s
        self._counts = [0] * (len(bounds_s) + 1)
        self._sum_s = 0.0

    def note(self, seconds: float) -> None:
        """Count a time."""
        self._counts[bisect_left(self._bounds_s, seconds)] += 1
        self._sum_s += seconds

    def histogram(self) -> Histogram:
        """All times so far."""
        return Histogram(self._bounds_s, np.cumsum(self._counts).tolist(), self._sum_s)


def of_span(span: Span) -> Histogram:
    """The durations of `span`; those within 1/64 of a bound may count on either side of it."""
    totals = np.cumsum(span.histogram())
    counts = [int(totals[last]) for last in _LAST_BINS]
    return Histogram(STAGE_BOUNDS_S, [*counts, int(totals[-1])], span.total_ns / 1e9)


# The last bin of a span's histogram that ends at each bound.
_LAST_BINS = (np.searchsorted(bin_edges_ms(), 1e3 * np.array(STAGE_BOUNDS_S), side="right") - 2).tolist()
