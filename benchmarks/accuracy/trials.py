"""Many settings on many sequences in little time: tracked and scored in one process, without text in between.

TrackEval is the judge of everything that is published; a search or an ablation with its noise wants thousands of runs,
most of whose time would be TrackEval's. Here HOTA, MOTA and IDF1 are counted as there (Luiten et al. 2021), with the
truth read once, all thresholds at once and no metric that nobody looks at: agreement to .01 is under test.
"""

import multiprocessing
import os
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from edge.chain.offline import Recording
from edge.motchallenge import read_detections, read_ground_truth
from edge.track.tracker import Tracker
from edge.types import Detections, Tracks
from edge.val.dataset import Sequence
from edge.val.run import Setting, upright
from edge.val.score import Scores

METRICS = ("HOTA", "DetA", "AssA", "MOTA", "IDF1", "IDSW", "FP", "FN")
JITTER = 0.005  # of a box: what two runs of a detector on nearly the same picture differ by
_ALPHAS = np.arange(0.05, 0.99, 0.05)
_EPS = float(np.finfo("float").eps)
_PERSON, _DISTRACTORS = 1, (2, 7, 8, 12)  # classes of MOT17's ground truth, as TrackEval groups them
NOBODY = 0.3  # IoU with everybody below which nobody is there
STANDS = 0.5  # heights that the middle of a thing that stands strays at most
_STAY = 1000.0  # CLEAR keeps yesterday's pairs before all others

Array = npt.NDArray[Any]


class Run(NamedTuple):
    """A setting, and the error of boxes it is tried with; see `Trial.run`."""

    setting: Setting
    jitter: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class Counts:
    """What adds up over sequences: at each of 19 thresholds pairs, boxes missed and false, and pairs times AssA."""

    tp: Array
    fn: Array
    fp: Array
    ass: Array
    clear: Array  # pairs, truth boxes, false ones, switches
    identity: Array  # pairs, boxes of truth and tracks

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))


class Trial:
    """A sequence in memory: its detections and its truth, by frame."""

    def __init__(self, sequence: Sequence) -> None:
        if sequence.detections is None:
            raise ValueError(f"{sequence.name}: expected detections, found none")
        self.name, self.frame_rate = sequence.name, sequence.frame_rate
        self._numbers, self.times_s = sequence.frames.tolist(), sequence.times_s.tolist()
        detections = read_detections(sequence.detections, sequence.info.frame_count)
        self._detections = [detections[number - 1] for number in self._numbers]
        truth = read_ground_truth(sequence.ground_truth)
        ends = np.searchsorted(truth.frames, [self._numbers, [n + 1 for n in self._numbers]])
        self._boxes, self._ids, self._asked, self._distract = [], [], [], []
        _, ids = np.unique(truth.ids, return_inverse=True)
        for first, end in ends.T:
            boxes = truth.boxes_ltwh[first:end].copy()
            boxes[:, 2:] += boxes[:, :2]
            classes = truth.classes[first:end]
            self._boxes.append(boxes)
            self._ids.append(ids[first:end])
            self._asked.append((truth.scores[first:end] != 0) & (classes == _PERSON))
            self._distract.append(np.isin(classes, _DISTRACTORS))
        self._people = int(ids.max()) + 1

    def run(self, setting: Setting, jitter: float = 0.0, seed: int = 0) -> Counts:
        """Track and count. `jitter`: every side of every box is moved by a normal error of this much of its size."""
        return self.count(*self.track(setting, jitter, seed))

    def track(self, setting: Setting, jitter: float = 0.0, seed: int = 0) -> tuple[list[Array], list[Array]]:
        """Boxes xyxy as text holds them, float64 `[M, 4]`, and ids `[M]` of the tracks shown, by frame; see `run`."""
        tracker = Tracker(
            setting.method, self.frame_rate, setting.preset, appearance=None, class_groups=None, **setting.parameters
        )
        recording, shown = Recording(tracker), []
        for time_s, seen in zip(self.times_s, self.detections(jitter, seed), strict=True):
            shown.append(tracker.update(seen, time_s if setting.time_aware else None))
            if setting.offline:
                recording.add(time_s, shown[-1], seen)
        if setting.offline:
            shown = recording.tracks()
        if setting.output_filter:
            shown = [upright(tracks) for tracks in shown]
        return self.as_text(shown)

    def detections(self, jitter: float = 0.0, seed: int = 0) -> list[Detections]:
        """By frame; see `run`."""
        random = np.random.default_rng([seed, len(self.times_s)])
        return [_jittered(found, jitter, random) for found in self._detections] if jitter else self._detections

    @staticmethod
    def as_text(shown: Iterable[Tracks]) -> tuple[list[Array], list[Array]]:
        """Boxes as text holds them and ids, by frame, as `count` wants them."""
        shown = list(shown)
        return [_as_text(tracks.boxes_xyxy) for tracks in shown], [tracks.ids for tracks in shown]

    def standing_false_s(self, tracked: list[Array], ids: list[Array]) -> float:
        """The longest time, in seconds, for which a track shows something that stands where nobody is.

        It stands while its middle stays within `STANDS` of its height from where this began, and nobody is there while
        its IoU with every box of the truth, considered or not, is below `NOBODY`. A pause of its being shown ends it.
        """
        began: dict[int, tuple[float, Array]] = {}
        longest = 0.0
        for time_s, truth, boxes, track in zip(self.times_s, self._boxes, tracked, ids, strict=True):
            false = _ious(truth, boxes).max(0, initial=0.0) < NOBODY
            middles, heights = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 3] - boxes[:, 1]
            still: dict[int, tuple[float, Array]] = {}
            for k in np.flatnonzero(false):
                start_s, place = began.get(int(track[k]), (time_s, middles[k]))
                if np.linalg.norm(middles[k] - place) > STANDS * heights[k]:
                    start_s, place = time_s, middles[k]
                still[int(track[k])] = start_s, place
                longest = max(longest, time_s - start_s)
            began = still
        return longest

    def count(self, tracked: list[Array], ids: list[Array]) -> Counts:
        """Counts of boxes xyxy and ids by frame."""
        known, flat = np.unique(np.concatenate([np.zeros(0, np.int64), *ids]), return_inverse=True)
        rows = np.split(flat, np.cumsum([len(i) for i in ids])[:-1])
        shape = self._people, len(known)
        likely, together = np.zeros(shape), np.zeros(shape)
        truth_count, track_count = np.zeros(shape[0]), np.zeros(shape[1])
        frames, last, clear = [], np.full((2, shape[0]), -1), np.zeros(4)
        for k, (boxes, track) in enumerate(zip(tracked, rows, strict=True)):
            alike = _ious(self._boxes[k], boxes)
            if self._distract[k].any() and alike.size:
                kept = self._undistracted(k, alike)
                alike, track = alike[:, kept], track[kept]
            people, alike = self._ids[k][self._asked[k]], alike[self._asked[k]]
            truth_count[people] += 1
            track_count[track] += 1
            clear += _clear(alike, people, track, last)
            if alike.size:
                cell = people[:, None], track[None]
                total = alike.sum(0)[None] + alike.sum(1)[:, None] - alike
                likely[cell] += np.divide(alike, total, out=np.zeros_like(alike), where=total > _EPS)
                together[cell] += alike >= 0.5
                frames.append((alike, people, track))
        aligned = likely / np.maximum(truth_count[:, None] + track_count[None] - likely, 1e-10)
        tp, ass = _associate(frames, aligned, truth_count, track_count)
        row, column = linear_sum_assignment(-together)
        boxes_, tracks_ = truth_count.sum(), track_count.sum()
        identity = np.array([together[row, column].sum(), boxes_ + tracks_])
        return Counts(tp, boxes_ - tp, tracks_ - tp, ass, clear, identity)

    def _undistracted(self, k: int, alike: Array) -> Array:
        """Which of a frame's tracks are not on somebody who does not count."""
        close = np.where(alike < 0.5 - _EPS, 0.0, alike)
        row, column = linear_sum_assignment(-close)
        kept = np.ones(alike.shape[1], np.bool_)
        kept[column[(close[row, column] > _EPS) & self._distract[k][row]]] = False
        return kept


def total(counts: Iterable[Counts]) -> Scores:
    """`METRICS` over some sequences, as if they were one; percentages 0..100."""
    first, *others = counts
    for other in others:
        first = first + other
    detected = first.tp / np.maximum(1, first.tp + first.fn + first.fp)
    associated = first.ass / np.maximum(1, first.tp)
    pairs, boxes, false, switches = map(float, first.clear)
    return {
        "HOTA": 100 * float(np.sqrt(detected * associated).mean()),
        "DetA": 100 * float(detected.mean()),
        "AssA": 100 * float(associated.mean()),
        "MOTA": 100 * (pairs - false - switches) / max(1.0, boxes),
        "IDF1": 100 * 2 * float(first.identity[0]) / max(1.0, float(first.identity[1])),
        "IDSW": switches,
        "FP": false,
        "FN": boxes - pairs,
    }


def workers() -> ProcessPoolExecutor:
    """A process a core."""
    context = multiprocessing.get_context("spawn")  # Numba does not survive a fork of its threads
    return ProcessPoolExecutor(len(os.sched_getaffinity(0)), context)


def counts(
    pool: Executor, work: Iterable[tuple[Sequence, list[Run]]], progress: Callable[[int, int], None]
) -> list[list[Counts]]:
    """For each sequence what each of its runs counts; read once and run by one process, the longest first.

    `progress` is called with the number of sequences done and of all.
    """
    numbered = sorted(enumerate(work), key=lambda item: -len(item[1][0].frames) * len(item[1][1]))
    running = {pool.submit(_run_all, sequence, runs): number for number, (sequence, runs) in numbered}
    found: dict[int, list[Counts]] = {}
    for future in as_completed(running):
        found[running[future]] = future.result()
        progress(len(found), len(numbered))
    return [found[number] for number in range(len(numbered))]


def _run_all(sequence: Sequence, runs: list[Run]) -> list[Counts]:
    trial = Trial(sequence)
    return [trial.run(*run) for run in runs]


def _jittered(detections: Detections, jitter: float, random: np.random.Generator) -> Detections:
    boxes = detections.boxes_xyxy
    sizes = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
    return replace(detections, boxes_xyxy=(boxes + jitter * sizes * random.normal(size=boxes.shape)).astype(np.float32))


def _as_text(boxes_xyxy: Array) -> Array:
    """Boxes as they come back from MOTChallenge text: left, top, width and height with two decimals."""
    boxes = boxes_xyxy.astype(np.float64)
    boxes[:, 2:] -= boxes[:, :2]
    boxes = np.round(boxes, 2)
    boxes[:, 2:] += boxes[:, :2]
    return boxes


def _ious(truth: Array, tracked: Array) -> Array:
    """IoU of boxes xyxy, float64 `[T, N]`."""
    low = np.maximum(truth[:, None, :2], tracked[None, :, :2])
    size = np.maximum(np.minimum(truth[:, None, 2:], tracked[None, :, 2:]) - low, 0.0)
    common = size[..., 0] * size[..., 1]
    areas = [(b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1]) for b in (truth, tracked)]
    union = areas[0][:, None] + areas[1][None] - common
    return np.asarray(np.divide(common, union, out=np.zeros_like(common), where=union > _EPS))


def _clear(alike: Array, people: Array, track: Array, last: Array) -> Array:
    """One frame of CLEAR: pairs, truth boxes, false ones, switches.

    `last` are everybody's tracks, the last ever and that of the frame before, -1 for none; both are brought on.
    """
    pairs = switches = 0
    if alike.size:
        score = _STAY * (last[1, people][:, None] == track[None]) + alike
        score[alike < 0.5 - _EPS] = 0.0
        row, column = linear_sum_assignment(-score)
        real = score[row, column] > _EPS
        who, now = people[row[real]], track[column[real]]
        pairs, switches = len(who), int(((last[0, who] >= 0) & (last[0, who] != now)).sum())
        last[1] = -1
        last[:, who] = now
    return np.array([pairs, len(people), len(track) - pairs, switches])


def _associate(frames: list[tuple[Array, Array, Array]], aligned: Array, *counts: Array) -> tuple[Array, Array]:
    """HOTA's pairs at each threshold, and the sum of their AssA."""
    found = []
    for alike, people, track in frames:
        row, column = linear_sum_assignment(-aligned[people[:, None], track[None]] * alike)
        found.append((people[row], track[column], alike[row, column]))
    if not found:
        return np.zeros(len(_ALPHAS)), np.zeros(len(_ALPHAS))
    who, which, close = (np.concatenate(parts) for parts in zip(*found, strict=True))
    tp, ass = [], []
    for alpha in _ALPHAS:
        real = close >= alpha - _EPS
        pair, times = np.unique(who[real] * len(counts[1]) + which[real], return_counts=True)
        one, other = np.divmod(pair, len(counts[1]))
        tp.append(real.sum())
        ass.append((times * times / np.maximum(1, counts[0][one] + counts[1][other] - times)).sum())
    return np.array(tp, float), np.array(ass)
