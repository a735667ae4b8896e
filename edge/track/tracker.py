"""`Tracker`: the public face of the association core."""

import dataclasses
import importlib
import math
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from edge.errors import InputError, UsageError
from edge.track import groups, parameters
from edge.track.appearance.memory import Looks, Rule, rule_of
from edge.track.appearance.reentry import Reentry
from edge.track.lifecycle import BAD_SHAPE
from edge.track.motion.kalman import XYWH
from edge.track.motion.prediction import predicted, predicted_boxes
from edge.track.state import LOST, TRACK, State
from edge.types import Detections, Tracks

# A method is a module with a dataclass `Parameters`, the dtype `RUN` of its settings and counters, a compiled `step`
# and, where its tracks are not state.TRACK, a dtype `TRACK` of its own. One that can use appearance has a function
# `looks` that makes the memories; one that follows nothing else has its rule for them, `MEMORY`. `MODEL` is the model
# of its Kalman filter where that is not XYWH. `PRESETS` are published settings by name; `ELSEWHERE` are those that are
# another algorithm, with its module.
METHODS = {
    "bytetrack": "edge.track.methods.bytetrack",
    "jointtrack": "edge.track.methods.jointtrack",
    "nanotrack": "edge.track.methods.nanotrack",
    "qdtrack": "edge.track.methods.qdtrack",
    "sparsetrack": "edge.track.methods.sparsetrack",
}

_REPAIRED = ("default", "published")  # presets that follow time and have no defects to reproduce
_BUFFER_RATE = 30.0  # frames a second in which the published `track_buffer` is counted
# Steps this close to a whole number of frames count as exactly that many, whatever the rounding of the clock.
_WHOLE = 1e-3


class Tracker:
    """Follows objects from frame to frame by their detections alone.

    `method` is one of `METHODS`; `parameters` are the fields of that method's `Parameters`.
    `frame_rate` is the stream's, in frames a second: it turns the lost buffer into seconds and is the pace of calls
    without a time. `preset` "default" is the method with its defects repaired, "reference" and all others of the
    method's `PRESETS` reproduce the published code exactly and count calls instead of time. "nanotrack" goes further
    in "default"; its "published" is the published method with its defects repaired. `appearance` is how the
    looks of tracks are remembered, for detections with embeddings: "none", "ema", "sasm", or a rule of
    `edge.track.appearance.rules`; without it as the method does. With `class_groups`, lists of class numbers, only
    tracks and detections of one group are matched, or of one class where it is in no group; without it classes are not
    looked at.

    >>> tracker = Tracker("bytetrack", track_thresh=0.5)
    >>> box, score = np.array([[10, 20, 50, 120]], np.float32), np.array([0.9], np.float32)
    >>> tracker.update(Detections(box, score)).ids
    array([1])

    Raises UsageError for an unknown method, preset or parameter and for a value out of range. One tracker serves one
    stream and one thread at a time; trackers share nothing.
    """

    def __init__(
        self,
        method: str = "nanotrack",
        frame_rate: float = 30.0,
        preset: str = "default",
        *,
        appearance: str | Rule | None = None,
        class_groups: Iterable[Sequence[int]] | None = None,
        **parameters_: float,
    ) -> None:
        if method not in METHODS:
            raise UsageError(f"tracking method {method!r} is unknown; {parameters.nearest(method, METHODS)}")
        if not 0 < frame_rate < math.inf:
            raise UsageError(f"frame_rate = {frame_rate!r}: expected a number of frames a second above 0")
        module = importlib.import_module(METHODS[method])
        presets: dict[str, dict[str, float]] = {"default": {}, "reference": {}} | getattr(module, "PRESETS", {})
        elsewhere: dict[str, str] = getattr(module, "ELSEWHERE", {})
        presets |= {name: {} for name in elsewhere}
        if preset not in presets:
            raise UsageError(f"preset {preset!r} is unknown; {parameters.nearest(preset, presets)}")
        if preset in elsewhere:
            module = importlib.import_module(elsewhere[preset])
        self.method, self.preset, self.frame_rate = method, preset, float(frame_rate)
        self.parameters = parameters.build(module.Parameters, method, presets[preset] | parameters_)
        self._given = frozenset(parameters_)
        self._own = own = getattr(module, "MEMORY", None)
        self._model = getattr(module, "MODEL", XYWH)
        self.appearance = rule_of(appearance, own)
        self._make_looks = getattr(module, "looks", None)
        if self.appearance is not None and (self._make_looks is None or (own is None and preset != "default")):
            raise UsageError(f"{method}: the published method knows no appearance; leave it out, or use preset default")
        self._groups = None if class_groups is None else groups.group_table(class_groups)
        if self._groups is not None and not groups.keeps_apart(method, preset):
            raise UsageError(
                f"{method}, preset {preset}: keeps no groups of classes apart; leave class_groups out, or use one of "
                f"{', '.join(groups.METHODS)} with preset default"
            )
        self._counts_calls = preset not in _REPAIRED
        self._coasts = hasattr(self.parameters, "coast_s")
        self._step = module.step
        self._run: npt.NDArray[np.void] = np.zeros(1, module.RUN)
        self._track: np.dtype[np.void] = getattr(module, "TRACK", TRACK)
        self.reset()

    def reset(self) -> None:
        """Forget all tracks, memories, ids and the time, as if no frame had been seen."""
        run = self._run
        run[:] = 0
        for name, value in dataclasses.asdict(self.parameters).items():
            run[name] = value
        reference, kept = self._counts_calls, self.parameters.track_buffer
        run["reference"] = reference
        run["frame_rate"] = self.frame_rate
        run["margin"] = 1.0 if reference else 0.0
        run["lost_frames"] = int(kept) if reference else kept / _BUFFER_RATE * self.frame_rate + 0.5
        run["next_id"] = 1
        run["voting"] = groups.keeps_apart(self.method, self.preset)
        run["apart"] = self._groups is not None
        if self._groups is not None:
            run["groups"] = self._groups
        self._time_s: float | None = None
        self._alive = 0
        self._shown = np.zeros(0, np.int64)
        self._state = State(run, self._track)
        self._looks: Looks | None = self._make_looks and self._make_looks(self.appearance, self.parameters)
        self._reentry: Reentry | None = None
        if self._looks is not None and self._looks.in_use and hasattr(self.parameters, "reentry_cosine"):
            frames = self.parameters.reentry_s * self.frame_rate
            self._reentry = Reentry(self.parameters.reentry_cosine, frames, self.frame_rate)
        self._no_classes = np.zeros(64, np.int32)

    @property
    def ignored(self) -> int:
        """How many boxes without area have been left out since the start or the last `reset`."""
        return int(self._run["ignored"][0])

    @property
    def lost_s(self) -> float:
        """How long a track that is not seen is kept, in seconds."""
        return float(self._run["lost_frames"][0]) / self.frame_rate

    def update(self, detections: Detections, time_s: float | None = None) -> Tracks:
        """Advance all tracks to `time_s`, match the detections and return the tracks to show. Arrays are fresh.

        `time_s` is the frame's capture time in seconds; without it the frame comes 1/frame_rate after the last one.
        Call it for frames without detections too: that is how tracks age. Raises InputError, and changes nothing, if
        an argument has the wrong shape, dtype or values, or the time goes backwards.
        """
        boxes, scores, classes = detections.boxes_xyxy, detections.scores, detections.classes
        try:
            n = len(scores)
        except TypeError:
            raise _wrong_arrays(detections) from None
        if classes is None:
            classes = self._zeros(n)
        frames, time_s = self._elapsed(time_s)
        state, looks = self._state, self._looks
        seen = () if looks is None else looks.arguments(detections)
        if self._alive + n >= state.capacity:
            state.reserve(self._alive + n + 1)
        room = n + self._alive if self._coasts else n
        ids = np.empty(room, np.int64)
        out_boxes = np.empty((room, 4), np.float32)
        out_scores = np.empty(room, np.float32)
        out_classes = np.empty(room, np.int32)
        rows = np.empty(room, np.int32)
        try:
            shown, alive, pairs = self._step(
                *state.arrays, boxes, scores, classes, *seen, ids, out_boxes, out_scores, out_classes, rows, frames
            )
        except TypeError:  # the compiled signature is the check of dtypes and dimensions
            raise _wrong_arrays(detections) from None
        if shown < 0:
            raise _wrong_arrays(detections) if shown == BAD_SHAPE else _wrong_values(detections)
        self._time_s, self._alive = time_s, alive
        if looks is not None and looks.in_use:
            looks.remember(state.table[:alive], state.detections, float(self._run["now"][0]))
        if pairs > state.room_for_pairs:
            state.reserve_pairs(pairs)
        self._shown = ids[:shown].copy()
        if self._reentry is not None and looks is not None:
            table = state.table[:alive]
            ids = self._reentry.follow(table, looks.queries(), self._shown, float(self._run["now"][0]))
        elif shown == room:
            return Tracks(ids, out_boxes, out_scores, out_classes, rows)
        return Tracks(ids[:shown], out_boxes[:shown], out_scores[:shown], out_classes[:shown], rows[:shown])

    def predict(self, time_s: float) -> Tracks:
        """The tracks of the last `update`, where they are expected at `time_s`; changes nothing. Arrays are fresh.

        For frames on which the detector did not run. (`update` with no detections says that nobody was there.) Raises
        InputError if the time goes backwards, UsageError for presets that count calls, since they know no time.
        """
        self.check_follows_time()
        frames, _ = self._elapsed(time_s)
        tracks = predicted(self._run, self._state.table[: self._alive], self._shown, frames, self._model)
        if self._reentry is not None:
            tracks.ids = self._reentry.identities(tracks.ids)
        return tracks

    @property
    def follows_time(self) -> bool:
        """Whether it goes by the time between frames, and not by their number."""
        return not self._counts_calls

    @property
    def needs_embeddings(self) -> bool:
        """Whether every detection must have an embedding, because the method follows looks and not motion."""
        return self._own is not None and self.appearance is not None

    def use_logit_scale(self, logit_scale: float) -> None:
        """Take the scale that embeddings were trained with as the parameter `logit_scale`, before the first frame.

        Nothing changes where the method has no such parameter, where one was given, or with published settings.
        """
        if self.preset == "default" and "logit_scale" not in self._given and hasattr(self.parameters, "logit_scale"):
            values = dataclasses.asdict(self.parameters) | {"logit_scale": logit_scale}
            self.parameters = parameters.build(type(self.parameters), self.method, values)
            self.reset()

    def check_follows_time(self) -> None:
        """Raise UsageError for presets that count frames: they must be given all of them."""
        if not self.follows_time:
            raise UsageError(
                f"{self.method}, preset {self.preset}: counts frames and must be given all of them; use preset default,"
                " or detect on every frame"
            )

    def comparable(self, detections: Detections) -> npt.NDArray[np.int64]:
        """Rows of the detections whose embeddings `update` would use and that show whom they should, best scores first.

        Those hidden by somebody in front do not, but methods that know tracks by looks alone want them too. Raises
        InputError for boxes of a wrong shape or dtype.
        """
        if self.appearance is None:
            return np.zeros(0, np.int64)
        scores = detections.scores
        order = np.argsort(-scores, kind="stable")
        rows = order[scores[order] >= np.float32(_least_score(self.parameters))]
        if self.needs_embeddings:
            return rows
        from edge.track.appearance import selection

        hidden = np.empty(len(rows), np.bool_)
        try:
            selection.find_hidden(detections.boxes_xyxy, rows, hidden)
        except TypeError:
            raise _wrong_arrays(detections) from None
        return rows[~hidden]

    def doubtful(self, detections: Detections, time_s: float | None = None) -> npt.NDArray[np.int64]:
        """Those of `comparable` whose embeddings might change what `update` will do at `time_s`, most urgent first.

        Nothing is changed: call it, get the embeddings, then call `update`. Raises as `update`.
        """
        rows = self.comparable(detections)
        if self.appearance is None or self.needs_embeddings:
            return rows
        from edge.track.appearance import selection

        frames, _ = self._elapsed(time_s)
        now = float(self._run["now"][0]) + frames
        table = self._state.table[: self._alive]
        taken = self._looks.taken() if self._looks else np.zeros(0)
        if len(taken) != len(table):
            taken = np.full(len(table), -1.0)
        lost = table["status"] == LOST
        # The looks of the new are asked once, when they are first shown, and should be known well by then.
        stale = ~table["confirmed"] | (taken < 0) | (now - taken > selection.STALE_S * self.frame_rate)
        doubts = np.zeros(len(detections), np.int8)
        boxes = predicted_boxes(self._run, table, frames, self._model)
        reach = getattr(self.parameters, "looks_iou", selection.OVERLAP) - selection.SLACK
        try:
            selection.find_doubts(boxes, lost, stale, detections.boxes_xyxy, rows, reach, doubts)
        except TypeError:
            raise _wrong_arrays(detections) from None
        rows = rows[doubts[rows] > selection.CERTAIN]
        return rows[np.argsort(-doubts[rows], kind="stable")]

    def _elapsed(self, time_s: float | None) -> tuple[float, float]:
        """Frames since the last call, and the time of this one."""
        before = self._time_s
        if before is None:
            before = (0.0 if time_s is None else time_s) - 1.0 / self.frame_rate
        if time_s is None:
            return 1.0, before + 1.0 / self.frame_rate
        if not before <= time_s < math.inf:
            raise InputError(
                f"time_s = {time_s!r}: expected a finite time not before the last one, {before!r}; "
                "call reset() to start another stream"
            )
        if self._counts_calls or self._time_s is None:
            return 1.0, time_s
        frames = (time_s - before) * self.frame_rate
        whole = round(frames)
        return (float(whole) if abs(frames - whole) < _WHOLE else frames), time_s

    def _zeros(self, n: int) -> npt.NDArray[np.int32]:
        if n > len(self._no_classes):
            self._no_classes = np.zeros(2 * n, np.int32)
        return self._no_classes[:n]


def _least_score(settings: object) -> float:
    """From which score on the looks of detections are compared: all of them without a pool of high scores."""
    return float(getattr(settings, "high_score", getattr(settings, "track_thresh", 0.0)))


def _wrong_arrays(detections: Detections) -> InputError:
    """The first argument that is not the array it should be. N is the number of scores."""
    n = np.shape(detections.scores)[:1]
    wanted = [("scores", np.float32, n), ("boxes_xyxy", np.float32, (*n, 4)), ("classes", np.int32, n)]
    for name, dtype, shape in wanted:
        value = getattr(detections, name)
        if value is None and name == "classes":
            continue
        if not isinstance(value, np.ndarray) or value.dtype != dtype or value.shape != shape or value.ndim == 0:
            found = f"{value.dtype} of shape {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__
            size = f"shape {shape}" if n else "one dimension"
            return InputError(f"detections.{name}: expected {np.dtype(dtype)} of {size}, found {found}")
    return InputError("detections: expected NumPy arrays in native byte order")


def _wrong_values(detections: Detections) -> InputError:
    for row, box in enumerate(detections.boxes_xyxy):
        if not np.isfinite(box).all():
            return InputError(
                f"detections.boxes_xyxy: row {row} is {box.tolist()}; expected finite numbers: drop such boxes"
            )
        if not 0.0 <= detections.scores[row] <= 1.0:
            return InputError(
                f"detections.scores: row {row} is {detections.scores[row]}; expected a score from 0 to 1: rescale it"
            )
    return InputError("detections: changed while they were read")
