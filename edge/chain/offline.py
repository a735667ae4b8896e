"""Tracks of a finished recording: a second pass over what a tracker saw, which knows what came later.

Of the tracks that the first pass showed, sightings from before they were confirmed are shown as well, boxes are
smoothed and short gaps filled; what turns out to have been short or badly seen all the time goes, and so does what was
shown unseen after the last sighting. With appearance, tracks of one person become one, see `edge.chain.tracklets`.
Figures are HOTA / MOTA on average over real, public and simulated detections.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge.chain.chain import Chain
from edge.chain.tracklets import Tracklets
from edge.track.tracker import Tracker
from edge.types import Detections, Frame, Int64s, Tracks

EARLIER_S = 1.0  # sightings up to so long before a track was first shown are shown: +.4 / +.4; older ones are doubtful
GAP_S = 0.5  # gaps up to here are filled: +.6 / +.5; 1 s gains .2 more HOTA and costs real detections 1 MOTA
SMOOTH_S = 0.06  # standard deviation of the window in time: +.4; wider ones cut the corners of dancers
UNSURE = 4.0  # a box of score s weighs 1 / (1 + this * (1 - s))^2, the tracker's own noise of a measurement
LEAST_S = 0.5  # tracks that last less go: +.1 / +.4
LEAST_SHARE = 0.6  # of the usual score; tracks whose mean score is below go, standing clutter most of all: +.2 / +1.5
_REACH = 3.0  # standard deviations on either side that the window reaches

Float64s = npt.NDArray[np.float64]


@dataclass
class _Rows:
    """Boxes of all tracks, R rows, sorted by `tracks` (a track's number) and `frames` (index from 0).

    `shown`: by the first pass. `detection_index` is -1 where a box was filled in.
    """

    tracks: Int64s
    frames: Int64s
    boxes_xyxy: Float64s
    scores: Float64s
    classes: Int64s
    detection_index: Int64s
    shown: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.frames)

    def where(self, rows: npt.NDArray[np.bool_] | Int64s) -> "_Rows":
        return _Rows(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))

    @classmethod
    def joined(cls, parts: Sequence["_Rows"]) -> "_Rows":
        """All rows of `parts`."""
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in cls.__dataclass_fields__))


_NONE = np.zeros(0, np.int64)
_NOTHING = _Rows(_NONE, _NONE, np.zeros((0, 4)), np.zeros(0), _NONE, _NONE, np.zeros(0, np.bool_))


class Recording:
    """What `tracker` saw of a recording: `add` every frame after the tracker had it, then ask for `tracks`.

    The tracker must be a new one, and must not be reset meanwhile.
    """

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker
        self._times_s: list[float] = []
        self._parts: list[_Rows] = []
        self._identities: dict[int, int] = {}  # of a track, by its birth
        self._tracklets = Tracklets()

    def add(self, time_s: float, tracks: Tracks, detections: Detections | None) -> None:
        """Note a frame: what the tracker made of its `detections`; None where the detector did not run."""
        frame = len(self._times_s)
        self._times_s.append(time_s)
        if detections is None:
            return
        seen = self._tracker.sightings()
        for birth, identity in zip(seen.shown.tolist(), tracks.ids.tolist(), strict=True):
            self._identities.setdefault(birth, identity)
        index, count = seen.detection_index, len(seen.births)
        classes = np.zeros(count, np.int64) if detections.classes is None else detections.classes[index]
        self._parts.append(
            _Rows(
                seen.births,
                np.full(count, frame),
                detections.boxes_xyxy[index].astype(np.float64),
                detections.scores[index].astype(np.float64),
                classes.astype(np.int64),
                index,
                np.isin(seen.births, seen.shown),
            )
        )
        if detections.embeddings is not None:
            self._tracklets.learn(seen.births, detections.embeddings[index], self._parts[-1].scores)

    def tracks(self) -> list[Tracks]:
        """The tracks of every frame added, after the second pass; ids are the first pass's."""
        times_s = np.array(self._times_s)
        rows = self._sightings()
        rows = _lasting(rows, times_s, 1.0 / self._tracker.frame_rate)
        rows.boxes_xyxy = _smoothed(rows, times_s)
        rows = _filled(rows, times_s)
        return _by_frame(rows, len(times_s))

    def _sightings(self) -> _Rows:
        """Sightings of the tracks that were ever shown, from up to `EARLIER_S` before, by identity.

        Those after a first showing that were hidden stay hidden: the tracker had its doubts.
        """
        times_s = np.array(self._times_s)
        rows = _Rows.joined([_NOTHING, *self._parts])
        births, of_row = np.unique(rows.tracks, return_inverse=True)
        first_s = np.full(len(births), np.inf)
        np.minimum.at(first_s, of_row[rows.shown], times_s[rows.frames[rows.shown]])
        earlier_s = first_s[of_row] - times_s[rows.frames]
        rows = rows.where(rows.shown | ((earlier_s > 0) & (earlier_s <= EARLIER_S)))
        identities = self._tracklets.merged(rows.tracks, rows.frames, rows.boxes_xyxy, self._times_s, self._identities)
        rows.tracks = np.array([identities[birth] for birth in rows.tracks.tolist()], np.int64)
        return _once(rows)


def finished(chain: Chain, frames: Iterable[Frame]) -> list[Tracks]:
    """The tracks of all frames of a recording after both passes. `chain` is a new one; raises what it raises."""
    recording = Recording(chain.tracker)
    for frame in frames:
        tracks = chain(frame)
        recording.add(frame.time_s, tracks, chain.detections if chain.was_detected else None)
    return recording.tracks()


def _once(rows: _Rows) -> _Rows:
    """Sorted by track and frame; where a track has two boxes in a frame, the one with the better score."""
    rows = rows.where(np.lexsort((-rows.scores, rows.frames, rows.tracks)))
    again = (rows.tracks[1:] == rows.tracks[:-1]) & (rows.frames[1:] == rows.frames[:-1])
    return rows.where(np.concatenate([[True], ~again])) if len(rows) else rows


def _lasting(rows: _Rows, times_s: Float64s, frame_s: float) -> _Rows:
    """Without the tracks that are too short or too badly seen; the usual score is the mean, weighted with itself."""
    if not len(rows):
        return rows
    tracks, first, count = np.unique(rows.tracks, return_index=True, return_counts=True)
    lasts_s = times_s[rows.frames[first + count - 1]] - times_s[rows.frames[first]] + frame_s
    usual = (rows.scores**2).sum() / max(rows.scores.sum(), 1e-9)
    mean = np.add.reduceat(rows.scores, first) / count
    kept = tracks[(lasts_s >= LEAST_S) & (mean >= LEAST_SHARE * usual)]
    return rows.where(np.isin(rows.tracks, kept))


def _smoothed(rows: _Rows, times_s: Float64s) -> Float64s:
    """Boxes of a line fitted around each time, near boxes and good scores weighing more (Cleveland 1979).

    Where fewer than three boxes lie in the window the box stays.
    """
    count, at_s, boxes = len(rows), times_s[rows.frames], rows.boxes_xyxy
    weights = 1.0 / (1.0 + UNSURE * (1.0 - rows.scores)) ** 2
    sums, moments, near = np.zeros((count, 3)), np.zeros((count, 2, 4)), np.zeros(count, np.int64)
    for step in (-1, 1):
        here = np.arange(count)
        there = here if step == 1 else here + step
        while True:
            inside = (there >= 0) & (there < count)
            here, there = here[inside], there[inside]
            close = (rows.tracks[here] == rows.tracks[there]) & (abs(at_s[there] - at_s[here]) <= _REACH * SMOOTH_S)
            here, there = here[close], there[close]
            if not len(here):
                break
            x = at_s[there] - at_s[here]
            w = weights[there] * np.exp(-0.5 * (x / SMOOTH_S) ** 2)
            sums[here] += np.stack([w, w * x, w * x * x], 1)
            moments[here] += np.stack([w, w * x], 1)[:, :, None] * boxes[there, None]
            near[here] += 1
            there = there + step
    determinant = sums[:, 0] * sums[:, 2] - sums[:, 1] ** 2
    fitted = (near >= 3) & (determinant > 0)
    smooth: Float64s = boxes.copy()
    s, m = sums[fitted, :, None], moments[fitted]
    smooth[fitted] = (s[:, 2] * m[:, 0] - s[:, 1] * m[:, 1]) / determinant[fitted, None]
    return smooth


def _filled(rows: _Rows, times_s: Float64s) -> _Rows:
    """With the frames of gaps up to `GAP_S`, on straight lines."""
    before = np.flatnonzero((rows.tracks[1:] == rows.tracks[:-1]) & (np.diff(rows.frames) > 1))
    gap_s = times_s[rows.frames[before + 1]] - times_s[rows.frames[before]]
    before = before[gap_s <= GAP_S + 1e-9]
    missing = np.diff(rows.frames)[before] - 1
    start = np.repeat(before, missing)
    frames = rows.frames[start] + 1 + np.arange(len(start)) - np.repeat(np.cumsum(missing) - missing, missing)
    from_s, to_s = times_s[rows.frames[start]], times_s[rows.frames[start + 1]]
    share = (times_s[frames] - from_s) / (to_s - from_s)
    filled = rows.where(start)
    filled.frames, filled.detection_index = frames, np.full(len(frames), -1)
    filled.boxes_xyxy += share[:, None] * (rows.boxes_xyxy[start + 1] - filled.boxes_xyxy)
    filled.scores += share * (rows.scores[start + 1] - filled.scores)
    return _Rows.joined([rows, filled])


def _by_frame(rows: _Rows, count: int) -> list[Tracks]:
    """The tracks of each of `count` frames; a track has the class with most of its score."""
    classes = _voted(rows)
    order = np.lexsort((rows.tracks, rows.frames))
    rows, classes = rows.where(order), classes[order]
    ends = np.searchsorted(rows.frames, np.arange(count + 1))
    return [
        Tracks(
            rows.tracks[first:end].copy(),
            rows.boxes_xyxy[first:end].astype(np.float32),
            rows.scores[first:end].astype(np.float32),
            classes[first:end].astype(np.int32),
            rows.detection_index[first:end].astype(np.int32),
        )
        for first, end in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True)
    ]


def _voted(rows: _Rows) -> Int64s:
    """The class of each row's track."""
    if not len(rows):
        return rows.classes
    tracks, of_row = np.unique(rows.tracks, return_inverse=True)
    kinds, kind_of_row = np.unique(rows.classes, return_inverse=True)
    votes = np.zeros((len(tracks), len(kinds)))
    np.add.at(votes, (of_row, kind_of_row), rows.scores)
    return np.asarray(kinds[votes.argmax(1)][of_row], np.int64)
