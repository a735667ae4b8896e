"""Re-entry: a new track that looks like one that is gone, and is near enough to be it, gets its identity.

The motion model covers a second or two. People that leave the picture or stand behind a car for longer come back as new
tracks. Each is compared with those that are gone once, when it is first shown, so that an identity never changes while
it is in sight. The memories of both are compared, so that one bad crop does not decide.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edge.track.matching.boxes import Records
from edge.track.state import LOST, REMOVED
from edge.types import Float32s, Int64s

CAPACITY = 256  # of tracks that are gone; the one gone for longest makes room
LEAD = 0.03  # of cosine, by which the best must beat the second: two that look alike are not chosen between
REACH_S = 2.5  # no object moves farther than this many heights of its box a second (a person: 4 m/s) ...
SLACK_S = 0.5  # ... and this much longer, because boxes at the border and behind things are cut


class Past(NamedTuple):
    """A track as it was last: when, in frames; its box, xyxy; and its memory, float32 `[E]`."""

    number: int
    last: float
    box: npt.NDArray[np.float64]
    memory: Float32s


class Reentry:
    """The identities of one tracker's tracks, over gaps that are too long for its motion model.

    A memory has to have a cosine of `cosine` with one of a track unseen for at most `frames` frames of the tracker's
    clock, which makes `frame_rate` a second. Fixed room: `CAPACITY` tracks that are gone.
    """

    def __init__(self, cosine: float, frames: float, frame_rate: float) -> None:
        self._cosine, self._frames, self._frame_rate = cosine, frames, frame_rate
        self._identities: dict[int, int] = {}  # of the tracks in the table: number -> identity
        self._before: list[Past] = []  # the same tracks, as they were after the last frame
        self._gone: list[Past] = []  # by identity instead of number, the longest gone first

    def identify(self, table: Records, ids: Int64s, memories: Float32s, shown: Int64s, now: float) -> Int64s:
        """The identities of the tracks `shown` (int64 `[M]`, some of the method's own `ids`), in a fresh array.

        `table` holds the TRACK records after a frame at `now`, `ids` int64 `[T]` and `memories` float32 `[T, E]` are
        theirs (`[0, 0]` before the first embedding). A track that is lost and has come back as another one is marked
        as removed.
        """
        rows = np.flatnonzero(table["confirmed"])
        numbers = ids[rows].tolist()
        self._keep_gone(set(numbers), now)
        memories = memories if len(memories) else np.zeros((len(table), 0), np.float32)
        visible = set(shown.tolist())
        for row, number in zip(rows.tolist(), numbers, strict=True):
            if number not in self._identities:
                self._identities[number] = self._returned(table, ids, memories, row, visible) or number
        boxes = table["box"].copy()
        self._before = [
            Past(number, float(table["last"][row]), boxes[row], memories[row])
            for row, number in zip(rows.tolist(), numbers, strict=True)
            if number in self._identities
        ]
        return self.identities(shown)

    def identities(self, shown: Int64s) -> Int64s:
        """The identities of tracks that `identify` has seen, int64 `[M]`, by their numbers."""
        return np.array([self._identities[number] for number in shown.tolist()], np.int64)

    def retained(self, now: float, lost_frames: float) -> set[int]:
        """The identities that a frame from `now` on may show; `lost_frames`: how long a track stays in the table."""
        alive = [past for past in self._before if now - past.last <= max(self._frames, lost_frames)]
        gone = [past for past in self._gone if now - past.last <= self._frames]
        identities = {self._identities.get(past.number) for past in alive} | {past.number for past in gone}
        return {identity for identity in identities if identity is not None}

    def _keep_gone(self, alive: set[int], now: float) -> None:
        """Keep what is known of the tracks that have left the table, and forget the oldest."""
        for past in self._before:
            if past.number not in alive:
                identity = self._identities.pop(past.number)
                if past.memory.any():  # a copy, or one row would keep those of the whole frame
                    self._gone.append(past._replace(number=identity, memory=past.memory.copy()))
        self._gone = [past for past in self._gone if now - past.last <= self._frames][-CAPACITY:]

    def _returned(self, table: Records, ids: Int64s, memories: Float32s, row: int, visible: set[int]) -> int | None:
        """The identity that the new track in `row` goes on with, taken from its former owner."""
        if not memories[row].any():
            return None
        lost = [
            k
            for k in np.flatnonzero(table["confirmed"] & (table["status"] == LOST)).tolist()
            if k != row and ids[k] in self._identities and ids[k] not in visible
        ]
        owners = [(table["last"][k], table["box"][k], memories[k]) for k in lost]
        owners += [past[1:] for past in self._gone]
        able = [k for k, (last, box, _) in enumerate(owners) if self._could_be(table[row], last, box)]
        if not able:
            return None
        likeness = np.stack([owners[k][2] for k in able]) @ memories[row]
        best = int(likeness.argmax())
        second = np.delete(likeness, best).max(initial=-1.0)
        if likeness[best] < self._cosine or likeness[best] - second < LEAD:
            return None
        place = able[best]
        if place >= len(lost):
            return self._gone.pop(place - len(lost)).number
        table["status"][lost[place]] = REMOVED
        return self._identities.pop(int(ids[lost[place]]))

    def _could_be(self, track: Records, last: float, box: npt.NDArray[np.float64]) -> bool:
        """Whether an object last seen at `last` in `box` can have moved to where `track` appeared."""
        seconds = (track["start"] - last) / self._frame_rate
        if seconds <= 0:
            return False
        here, height = track["box"], max(track["box"][3] - track["box"][1], box[3] - box[1])
        across = (here[0] + here[2] - box[0] - box[2]) / 2
        return bool(np.hypot(across, here[3] - box[3]) <= REACH_S * height * (seconds + SLACK_S))
