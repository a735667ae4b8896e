"""Tracks for the tests of sinks."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from edge.events import Moment, Observed, Origin
from edge.types import Frame, Tracks


@dataclass
class Remembering:
    """A tracker that retains the identities in `kept`."""

    lost_s: float
    kept: frozenset[int] = frozenset()

    def retained(self, ids: Collection[int], time_s: float) -> frozenset[int]:
        return self.kept.intersection(ids)


def frame(number: int, size: tuple[int, int] = (128, 96)) -> Frame:
    return Frame(np.zeros((size[1], size[0], 3), np.uint8), number, (number - 1) / 10)


def tracks(*ids: int, left: float = 10.0) -> Tracks:
    count = len(ids)
    boxes = np.array([[left + 20 * i, 20.25, left + 20 * i + 15, 60.5] for i in range(count)], np.float32)
    return Tracks(
        np.array(ids, np.int64),
        boxes.reshape(-1, 4),
        np.full(count, 0.75, np.float32),
        np.zeros(count, np.int32),
        np.arange(count, dtype=np.int32),
    )


def observed(frame: Frame, tracks: Tracks) -> Observed:
    """The event of a frame, as `track` writes it."""
    height, width = frame.image.shape[:2]
    origin, at = Origin("r1", "door", ["person"]), Moment(frame.time_s, None)
    return Observed(origin, at, frame.number, (width, height), tracks, [0] * len(tracks), frame.image)
