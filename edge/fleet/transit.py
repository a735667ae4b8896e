"""How long the ways between cameras take and how often they are taken: configured limits, and what is learned.

For each pair of cameras the newest gaps are kept. Their density is a kernel estimate over the logarithm of time, mixed
with a broad one that allows for everything; the fewer gaps are known, the broader.
"""

from collections import deque
from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt

from edge.types import Int64s

Float64s = npt.NDArray[np.float64]

NEWEST = 256  # gaps of a pair are remembered
SOFT_S = 5.0  # added to gaps before their logarithm is taken: seconds near 0 are all alike
BROAD = 3.0  # the broad density weighs as much as so many gaps
PRIOR_WAYS = 4.0  # from each camera so many ways were taken to all cameras alike, before any was seen
SLACK_S = 1.0  # by which clocks and boxes may be wrong


class Transits:
    """Ways between the cameras 0, 1, 2, ...; nobody stays away for longer than `absence_s`."""

    def __init__(self, absence_s: float) -> None:
        self._absence_s = absence_s
        self._gaps: dict[tuple[int, int], deque[float]] = {}
        self._from: dict[int, int] = {}
        self._limits: dict[tuple[int, int], tuple[float, float]] = {}
        self._overlapping: set[tuple[int, int]] = set()

    def limit(self, start: int, end: int, least_s: float, most_s: float) -> None:
        """Nobody takes less or more than that from `start` to `end`."""
        self._limits[start, end] = least_s, most_s

    def overlap(self, cameras: Iterable[int]) -> None:
        """These see the same place: a person may be in all of them at once."""
        cameras = list(cameras)
        self._overlapping |= {(a, b) for a in cameras for b in cameras if a != b}

    def may_be_in_both(self, one: int, other: int) -> bool:
        """Whether a person may be seen by both at once."""
        return (one, other) in self._overlapping

    def learn(self, start: int, end: int, gap_s: float) -> None:
        """Somebody took so long."""
        self._gaps.setdefault((start, end), deque(maxlen=NEWEST)).append(gap_s)
        self._from[start] = self._from.get(start, 0) + 1

    def known(self) -> Mapping[tuple[int, int], deque[float]]:
        """The newest gaps, seconds, by the ways' ends."""
        return self._gaps

    def is_possible(
        self, starts: Int64s, ends: Int64s, gaps_s: Float64s, are_over: npt.NDArray[np.bool_]
    ) -> npt.NDArray[np.bool_]:
        """Whether a person can have come in `gaps_s` `[K]` from camera `starts` `[K]` to `ends` `[K]`, bool `[K]`.

        `are_over`: the sighting at the start is over; else the person is still there.
        """
        possible = are_over & (gaps_s >= -SLACK_S) & (gaps_s <= self._absence_s)
        possible &= (starts != ends) | (gaps_s >= 0)
        for (one, other), (least_s, most_s) in self._limits.items():
            here = (starts == one) & (ends == other)
            possible[here] &= (gaps_s[here] >= least_s - SLACK_S) & (gaps_s[here] <= most_s + SLACK_S)
        for one, other in self._overlapping:
            here = (starts == one) & (ends == other)
            possible[here] |= gaps_s[here] <= 0
        return possible

    def log_density(self, starts: Int64s, ends: Int64s, gaps_s: Float64s, cameras: int) -> Float64s:
        """Of coming from camera `starts` `[K]` to `ends` `[K]` after `gaps_s` `[K]`, natural logarithm per second."""
        soft = np.maximum(gaps_s, 0) + SOFT_S
        result = -np.log(soft) - np.log(
            np.log((self._absence_s + SOFT_S) / SOFT_S)
        )  # the broad one: even in the logarithm
        share = np.full(len(gaps_s), 1.0 / max(1, cameras))
        ways = np.stack([starts, ends], 1)
        for start, end in {(int(a), int(b)) for a, b in ways.tolist()} if len(ways) else ():
            here = (starts == start) & (ends == end)
            taken = self._gaps.get((start, end), ())
            total = self._from.get(start, 0)
            share[here] = (len(taken) + PRIOR_WAYS / max(1, cameras)) / (total + PRIOR_WAYS)
            if taken:
                weight = len(taken) / (len(taken) + BROAD)
                narrow = _kernel(np.log(soft[here]), np.log(np.maximum(taken, 0) + SOFT_S)) / soft[here]
                result[here] = np.log(weight * narrow + (1 - weight) * np.exp(result[here]))
        return np.asarray(result + np.log(share), np.float64)


def _kernel(at: Float64s, known: Float64s) -> Float64s:
    """Density at `at` of the points `known`, by Gaussian kernels of Silverman's width (1986)."""
    width = max(0.1, 1.06 * float(known.std()) * len(known) ** -0.2)
    return np.asarray(
        np.exp(-(((at[:, None] - known[None]) / width) ** 2) / 2).mean(1) / (width * np.sqrt(2 * np.pi)), np.float64
    )
