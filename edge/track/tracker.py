"""`Tracker`: the public face of the association core."""

import contextlib
import dataclasses
import math
import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NoReturn

import numpy as np
import numpy.typing as npt
from numba.core.errors import NumbaError

from edge.errors import InputError, UsageError
from edge.track import arrays, groups, registry
from edge.track.appearance.memory import Memories, Rule, rule_of
from edge.track.appearance.reentry import Reentry
from edge.track.matching.boxes import MOST_PAIRS
from edge.track.method import Method
from edge.track.sightings import Sightings, sightings
from edge.track.state import LOST, REMOVED, State
from edge.types import Detections, Float32s, Tracks

_BUFFER_RATE = 30.0  # frames a second in which the published `track_buffer` is counted
# Steps this close to a whole number of frames count as exactly that many, whatever the rounding of the clock.
_WHOLE = 1e-3


class Tracker:
    """Follows objects from frame to frame by their detections alone.

    `method` is the name of a built-in one ("nanotrack", "bytetrack", "sparsetrack", "ocsort", "botsort", "qdtrack",
    "jointtrack"), "module:NAME" for one of your own, or a `Method`; `parameters` are the fields of its parameters.
    `frame_rate` is the stream's, in frames a second: it turns the lost buffer into seconds and is the pace of calls
    without a time. `preset` "default" is the method with its defects repaired, "reference" and most others of the
    method's presets reproduce the published code exactly and count calls instead of time. "nanotrack" goes further
    in "default"; its "published" is the published method with its defects repaired. `appearance` is how the embeddings
    of tracks are remembered, for detections with embeddings: "none", "ema", "sasm", or a rule of
    `edge.track.appearance.rules`; without it as the method does. With `class_groups`, lists of class numbers, only
    tracks and detections of one group are matched, or of one class where it is in no group; without it classes are not
    compared.

    Examples:
        >>> tracker = Tracker("bytetrack", track_thresh=0.5)
        >>> box, score = np.array([[10, 20, 50, 120]], np.float32), np.array([0.9], np.float32)
        >>> tracker.update(Detections(box, score)).ids
        array([1])

    Raises UsageError for an unknown method, preset or parameter and for a value out of range. One tracker serves one
    stream and one thread at a time; trackers share nothing.
    """

    def __init__(
        self,
        method: str | Method = "nanotrack",
        frame_rate: float = 30.0,
        preset: str = "default",
        *,
        appearance: str | Rule | None = None,
        class_groups: Iterable[Sequence[int]] | None = None,
        **parameters: float,
    ) -> None:
        if not (isinstance(frame_rate, (int, float, np.number)) and 0 < frame_rate < math.inf):
            raise UsageError(f"frame_rate = {frame_rate!r}: expected a number of frames a second above 0")
        self._choice = choice = (method if isinstance(method, Method) else registry.find(method)).choose(preset)
        self._method = choice.method
        self.method, self.preset, self.frame_rate = choice.name, preset, float(frame_rate)
        self.parameters = choice.build_parameters(parameters)
        self._given = frozenset(parameters)
        self.appearance = rule_of(appearance, self._method.rule)
        if self.appearance is not None and not choice.takes_appearance:
            raise UsageError(
                f"{self.method}, preset {preset}: follows no appearance; leave it out, or use preset default"
            )
        self._groups = None if class_groups is None else groups.group_table(class_groups)
        if self._groups is not None and not choice.keeps_groups_apart:
            able = [name for name in registry.BUILT_IN if registry.choose(name).keeps_groups_apart]
            raise UsageError(
                f"{self.method}, preset {preset}: keeps no groups of classes apart; leave class_groups out, or use one "
                f"of {', '.join(able)} with preset default"
            )
        self._free = threading.Lock()  # held while a thread is in here: compiled code would crash with two
        self._frame = self._method.frame
        self._run: npt.NDArray[np.void] = np.zeros(1, self._method.run_dtype)
        self.reset()

    def __repr__(self) -> str:
        appearance = f", appearance={self.appearance!r}" if self.appearance else ""
        return f"Tracker({self.method!r}, frame_rate={self.frame_rate:g}, preset={self.preset!r}{appearance})"

    def __getstate__(self) -> NoReturn:
        """Raise TypeError: what compiled code and a lock hold has no copy."""
        raise TypeError(
            f"{self!r}: serves one stream and is neither copied nor pickled; make another one with the same arguments,"
            " in the process that needs it"
        )

    def reset(self) -> None:
        """Forget all tracks, memories, ids and the time, as if no frame had been seen."""
        with self._alone():
            self._reset()

    def _reset(self) -> None:
        run, method = self._run, self._method
        run[:] = 0
        values = dataclasses.asdict(self.parameters)
        for name, value in values.items():
            run[name] = value
        reference, kept = not self._choice.follows_time, self.parameters.track_buffer
        run["reference"] = reference
        run["frame_rate"] = self.frame_rate
        run["margin"] = 1.0 if reference else 0.0
        run["high"] = -1.0 if method.high is None else values[method.high]
        run["low"] = -1.0 if method.low is None else values[method.low]
        run["lost_frames"] = int(kept) if reference else kept / _BUFFER_RATE * self.frame_rate + 0.5
        run["next_id"] = 1
        run["voting"] = self._choice.keeps_groups_apart
        run["apart"] = self._groups is not None
        if self._groups is not None:
            run["groups"] = self._groups
        self._time_s: float | None = None
        self._alive = 0
        self.crowded = 0
        self._shown = np.zeros(0, np.int64)
        self._state = State(run, method.track_dtype)
        self._memories: Memories | None = method.memories and method.memories(self.appearance, self.parameters)
        self._reentry: Reentry | None = None
        if self._memories is not None and self._memories.in_use and method.reenters:
            frames = values["reentry_s"] * self.frame_rate
            self._reentry = Reentry(values["reentry_cosine"], frames, self.frame_rate)
        self._no_classes = np.zeros(64, np.int32)

    def restart(self, frame_rate: float | None = None) -> None:
        """Forget all tracks and the time, but never use an id again: the pictures are others from now on.

        `frame_rate` replaces that of the stream.
        """
        counter = self._method.id_counter
        used = self._run[counter].copy()
        self.frame_rate = frame_rate or self.frame_rate
        self.reset()
        self._run[counter] = used

    @property
    def ignored(self) -> int:
        """How many boxes without area have been left out since the start or the last `reset`."""
        return int(self._run["ignored"][0])

    crowded: int
    """In how many frames since then so many boxes overlapped that some pairs were left out (`boxes.MOST_PAIRS`)."""

    @property
    def lost_s(self) -> float:
        """How long a track that is not seen is kept, in seconds."""
        return float(self._run["lost_frames"][0]) / self.frame_rate

    def retained(self, ids: Collection[int], time_s: float) -> set[int]:
        """Those of `ids` that an `update` at `time_s` or later may show: hidden ones, lost ones, and those that are
        gone and may come back by appearance."""
        with self._alone():
            run, lost_frames = self._run[0], math.inf
            now = float(run["now"])
            if self.follows_time and self._time_s is not None:
                now += max(0.0, time_s - self._time_s) * self.frame_rate
                lost_frames = float(run["lost_frames"])
            if self._reentry is not None:
                return self._reentry.retained(now, lost_frames).intersection(ids)
            table = self._state.table[: self._alive]
            able = (table["status"] != REMOVED) & (now - table["last"] <= lost_frames)
            return set(table[self._method.shown_id][able].tolist()).intersection(ids)

    def update(self, detections: Detections, time_s: float | None = None) -> Tracks:
        """Advance all tracks to `time_s`, match the detections and return the tracks to show. Arrays are fresh.

        `time_s` is the frame's capture time in seconds; without it the frame comes 1/frame_rate after the last one.
        Call it for frames without detections too (`Detections.empty()`): that is how tracks age. Lists and other
        numeric dtypes are converted. Raises InputError, and changes nothing, if an argument has the wrong shape or
        values, there are more than 10 000 detections, or the time goes backwards; UsageError while another thread is in
        this tracker.
        """
        if not isinstance(detections, Detections):
            raise arrays.no_detections(detections)
        if not self._free.acquire(False):
            raise self._busy()
        try:
            boxes, scores, classes = detections.boxes_xyxy, detections.scores, detections.classes
            n = len(scores)
            if n > arrays.MOST_DETECTIONS:
                raise arrays.too_many(n)
            if classes is None:
                classes = self._zeros(n)
            frames, now_s = self._elapsed(time_s)
            state, memories = self._state, self._memories
            similarity, inputs = (None, None) if memories is None else memories.compare(detections)
            if self._alive + n >= state.capacity:
                state.reserve(self._alive + n + 1)
            room = n + self._alive if self._method.coasts else n
            ids = np.empty(room, np.int64)
            out_boxes = np.empty((room, 4), np.float32)
            out_scores = np.empty(room, np.float32)
            out_classes = np.empty(room, np.int32)
            rows = np.empty(room, np.int32)
            shown, alive, pairs = self._frame(
                *state.arrays,
                boxes,
                scores,
                classes,
                similarity,
                inputs,
                ids,
                out_boxes,
                out_scores,
                out_classes,
                rows,
                frames,
            )
            if shown < 0:
                arrays.converted(detections)  # says so if a shape is wrong
                raise arrays.wrong_values(boxes, scores)
            self._time_s, self._alive = now_s, alive
            if memories is not None and memories.in_use:
                memories.remember(state.table[:alive], state.detections, float(self._run["now"][0]))
            if pairs > state.room_for_pairs:
                state.reserve_pairs(pairs)
            if pairs == MOST_PAIRS:
                self.crowded += 1
            self._shown = ids[:shown].copy()
            if self._reentry is not None and memories is not None:
                table, now = state.table[:alive], float(self._run["now"][0])
                numbers = table[self._method.shown_id]
                ids = self._reentry.identify(table, numbers, memories.queries(), self._shown, now)
            elif shown == room:
                return Tracks(ids, out_boxes, out_scores, out_classes, rows)
            return Tracks(ids[:shown], out_boxes[:shown], out_scores[:shown], out_classes[:shown], rows[:shown])
        except InputError:
            raise
        except (TypeError, ValueError, NumbaError):  # the compiled signature is the check of types
            converted = arrays.converted(detections)
            if converted is detections:
                raise
        finally:
            self._free.release()
        return self.update(converted, time_s)

    def sightings(self) -> Sightings:
        """All tracks that the last `update` gave a detection, those not shown yet included."""
        return sightings(self._state.table[: self._alive], self._shown)

    def predict(self, time_s: float) -> Tracks:
        """The tracks of the last `update` with their boxes estimated at `time_s`; changes nothing. Arrays are fresh.

        For frames on which the detector is skipped. (`update` with no detections means that all tracks are missed.)
        Raises InputError if the time goes backwards, UsageError for presets that count calls, since they know no time.
        """
        self.check_follows_time()
        with self._alone():
            return self._predict(time_s)

    def _predict(self, time_s: float) -> Tracks:
        frames, _ = self._elapsed(time_s)
        table = self._state.table[: self._alive]
        numbers = table[self._method.shown_id]
        shown = np.isin(numbers, self._shown)
        rows = table[shown]
        boxes = self._method.predicted_boxes(self._run, rows, frames)
        proper = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])  # one that shrinks may invert
        boxes[~proper] = rows["box"][~proper]
        ids = numbers[shown] if self._reentry is None else self._reentry.identities(numbers[shown])
        return Tracks(
            ids,
            boxes.astype(np.float32),
            rows["score"].astype(np.float32),
            rows["class"].copy(),
            np.full(len(rows), -1, np.int32),
        )

    @property
    def follows_time(self) -> bool:
        """Whether it goes by the time between frames, and not by their number."""
        return self._choice.follows_time

    @property
    def needs_embeddings(self) -> bool:
        """Whether every detection must have an embedding, because the method goes by appearance and not motion."""
        return self._choice.needs_embeddings and self.appearance is not None

    def use_logit_scale(self, logit_scale: float) -> None:
        """Take the scale that embeddings were trained with as the parameter `logit_scale`, before the first frame.

        Nothing changes where the method has no such parameter, where one was given, or with published settings.
        """
        if self._choice.wants_logit_scale and "logit_scale" not in self._given:
            values = dataclasses.asdict(self.parameters) | {"logit_scale": logit_scale}
            self.parameters = self._choice.build_parameters(values)
            self.reset()

    def check_follows_time(self) -> None:
        """Raise UsageError for presets that count frames: they must be given all of them."""
        if not self.follows_time:
            raise UsageError(
                f"{self.method}, preset {self.preset}: counts frames and must be given all of them; use preset default,"
                " or detect on every frame"
            )

    def comparable(self, detections: Detections) -> npt.NDArray[np.int64]:
        """Rows of the detections whose embeddings `update` would use, best scores first.

        Those hidden behind another one are left out, since their crops show that one, unless the method goes by
        appearance alone. Raises InputError for arrays of a wrong shape or type.
        """
        if self.appearance is None:
            return np.zeros(0, np.int64)
        found = arrays.converted(detections)
        return self._comparable(found.boxes_xyxy, found.scores)

    def _comparable(self, boxes: Float32s, scores: Float32s) -> npt.NDArray[np.int64]:
        order = np.argsort(-scores, kind="stable")
        rows = order[scores[order] >= np.float32(self._run["high"][0])]
        if self.needs_embeddings:
            return rows
        from edge.track.appearance import selection

        hidden = np.empty(len(rows), np.bool_)
        selection.find_hidden(boxes, rows, hidden)
        return rows[~hidden]

    def doubtful(self, detections: Detections, time_s: float | None = None) -> npt.NDArray[np.int64]:
        """Those of `comparable` whose embeddings might change what `update` will do at `time_s`, most urgent first.

        Nothing is changed: call it, get the embeddings, then call `update`. Raises as `update`.
        """
        if self.appearance is None or self.needs_embeddings:
            return self.comparable(detections)
        found = arrays.converted(detections)
        with self._alone():
            rows = self._comparable(found.boxes_xyxy, found.scores)
            return self._doubtful(found.boxes_xyxy, rows, time_s)

    def _doubtful(self, seen: Float32s, rows: npt.NDArray[np.int64], time_s: float | None) -> npt.NDArray[np.int64]:
        from edge.track.appearance import selection

        frames, _ = self._elapsed(time_s)
        now = float(self._run["now"][0]) + frames
        table = self._state.table[: self._alive]
        taken = self._memories.taken() if self._memories else np.zeros(0)
        if len(taken) != len(table):
            taken = np.full(len(table), -1.0)
        lost = table["status"] == LOST
        # Re-entry compares a new track once, when it is first shown: its memory should be good by then.
        stale = ~table["confirmed"] | (taken < 0) | (now - taken > selection.STALE_S * self.frame_rate)
        reasons = np.zeros(len(seen), np.int8)
        boxes = self._method.predicted_boxes(self._run, table, frames)
        name = self._method.appearance_iou
        least_iou = (selection.OVERLAP if name is None else float(self._run[name][0])) - selection.SLACK
        selection.find_reasons(boxes, lost, stale, seen, rows, least_iou, reasons)
        rows = rows[reasons[rows] > selection.CERTAIN]
        return rows[np.argsort(-reasons[rows], kind="stable")]

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        if not self._free.acquire(False):
            raise self._busy()
        try:
            yield
        finally:
            self._free.release()

    def _busy(self) -> UsageError:
        return UsageError(
            "this tracker is in use by another thread; a tracker serves one stream and one thread at a time: "
            "make one for each"
        )

    def _elapsed(self, time_s: float | None) -> tuple[float, float]:
        """Frames since the last call, and the time of this one."""
        before = self._time_s
        if time_s is not None and not isinstance(time_s, (int, float, np.number)):
            raise InputError(f"time_s = {time_s!r}: expected a time in seconds, or None")
        if before is None:
            before = (0.0 if time_s is None else time_s) - 1.0 / self.frame_rate
        if time_s is None:
            return 1.0, before + 1.0 / self.frame_rate
        if not before <= time_s < math.inf:
            raise InputError(
                f"time_s = {time_s!r}: expected a finite time not before the last one, {before!r}; "
                "call reset() to start another stream"
            )
        if not self._choice.follows_time or self._time_s is None:
            return 1.0, time_s
        frames = (time_s - before) * self.frame_rate
        whole = round(frames)
        return (float(whole) if abs(frames - whole) < _WHOLE else frames), time_s

    def _zeros(self, n: int) -> npt.NDArray[np.int32]:
        if n > len(self._no_classes):
            self._no_classes = np.zeros(2 * n, np.int32)
        return self._no_classes[:n]
