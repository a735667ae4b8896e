"""Which tracks of a finished recording are one person's, by appearance.

Online an identity must be decided on when a track is first shown. Afterwards all pairs can be compared, with everything
that was seen of both, and the surest are joined first.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge.track.appearance.reentry import REACH_S, SLACK_S
from edge.types import Float32s, Int64s

LEAST_COSINE = 0.75  # as for re-entry: on OSNet 1 in 100 pairs of people are more alike, and 97 in 100 of one person

Float64s = npt.NDArray[np.float64]


@dataclass(frozen=True)
class _Stay:
    """One uninterrupted track: when it began and ended, seconds, and its boxes xyxy then."""

    first_s: float
    last_s: float
    first_box: Float64s
    last_box: Float64s

    def may_precede(self, later: "_Stay") -> bool:
        """Whether the same person can have made both: one after the other, and near enough to walk."""
        seconds = later.first_s - self.last_s
        if seconds <= 0:
            return False
        one, other = self.last_box, later.first_box
        height = max(one[3] - one[1], other[3] - other[1])
        across = (other[0] + other[2] - one[0] - one[2]) / 2
        return bool(np.hypot(across, other[3] - one[3]) <= REACH_S * height * (seconds + SLACK_S))


class Tracklets:
    """The appearance of tracks, which are known by numbers of their own, and which of them are one person's."""

    def __init__(self) -> None:
        self._sums: dict[int, Float64s] = {}

    def learn(self, numbers: Int64s, embeddings: Float32s, scores: Float64s) -> None:
        """Take in how tracks look in a frame; rows of zeros say nothing, better scores say more."""
        lengths = np.linalg.norm(embeddings, axis=1)
        for row in np.flatnonzero(lengths):
            vector = float(scores[row] / lengths[row]) * embeddings[row].astype(np.float64)
            number = int(numbers[row])
            self._sums[number] = self._sums.get(number, 0.0) + vector

    def merged(
        self,
        numbers: Int64s,
        frames: Int64s,
        boxes_xyxy: Float64s,
        times_s: Sequence[float],
        identities: Mapping[int, int],
    ) -> dict[int, int]:
        """The identity of each track in `numbers` (R rows, with boxes and frames): its own or an older one's.

        `identities` are those so far. People seen at the same time stay apart.
        """
        stays = _stays(numbers, frames, boxes_xyxy, times_s)
        people: dict[int, list[_Stay]] = {}
        embeddings: dict[int, Float64s] = {}
        for number, stay in stays.items():
            identity = identities[number]
            people.setdefault(identity, []).append(stay)
            if number in self._sums:
                embeddings[identity] = embeddings.get(identity, 0.0) + self._sums[number]
        owner = {identity: identity for identity in people}
        for one, other in _alike(embeddings):
            first, second = sorted((owner[one], owner[other]))
            if first == second or _cosine(embeddings[first], embeddings[second]) < LEAST_COSINE:
                continue
            together = sorted(people[first] + people[second], key=lambda stay: stay.first_s)
            if all(a.may_precede(b) for a, b in itertools.pairwise(together)):
                people[first], embeddings[first] = together, embeddings[first] + embeddings[second]
                owner.update({identity: first for identity, of in owner.items() if of == second})
        return {number: owner[identities[number]] for number in stays}


def _stays(numbers: Int64s, frames: Int64s, boxes_xyxy: Float64s, times_s: Sequence[float]) -> dict[int, _Stay]:
    """By track its first and last row."""
    order = np.lexsort((frames, numbers))
    known, first, count = np.unique(numbers[order], return_index=True, return_counts=True)
    stays = {}
    for number, begin, end in zip(known.tolist(), order[first], order[first + count - 1], strict=True):
        stays[number] = _Stay(times_s[frames[begin]], times_s[frames[end]], boxes_xyxy[begin], boxes_xyxy[end])
    return stays


def _alike(embeddings: Mapping[int, Float64s]) -> list[tuple[int, int]]:
    """Pairs of identities that look alike, the most alike first."""
    names = list(embeddings)
    if len(names) < 2:
        return []
    vectors = np.stack([embeddings[name] / np.linalg.norm(embeddings[name]) for name in names])
    pairs = []
    for i, vector in enumerate(vectors[:-1]):
        cosines = vectors[i + 1 :] @ vector
        pairs += [(float(cosines[k]), names[i], names[i + 1 + k]) for k in np.flatnonzero(cosines >= LEAST_COSINE)]
    return [(one, other) for _, one, other in sorted(pairs, key=lambda pair: -pair[0])]


def _cosine(one: Float64s, other: Float64s) -> float:
    return float(one @ other / (np.linalg.norm(one) * np.linalg.norm(other)))
