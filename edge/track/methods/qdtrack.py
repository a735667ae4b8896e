"""QDTrack (Pang et al., CVPR 2021): identity by appearance alone, a softmax over tracks and one over detections.

There is no motion and no assignment problem. Detections are served in the order of their scores; each takes the one
track it is most like, if both mean each other. Detections left over in the last frame, the backdrops, compete with the
tracks and so draw away what belongs to no track.

Memory is bounded: `capacity` tracks, of which the one unseen for longest (of several the oldest) makes room, and
`backdrops` detections, those of the highest scores. Where all tracks were seen in this very frame, no further one
starts.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.errors import InputError, UsageError
from edge.kernels.jit import given, kernel
from edge.track.appearance.memory import Memories, Rule
from edge.track.appearance.rules import Ema
from edge.track.lifecycle import by_score
from edge.track.matching.boxes import Records, iou
from edge.track.method import Method, Preset
from edge.track.motion.prediction import last_boxes
from edge.track.parameters import number
from edge.track.state import LOST, LOW, NOWHERE, REMOVED, TRACKED, Work, track_dtype
from edge.types import Detections, Float32s


@dataclass(frozen=True)
class Parameters:
    """Defaults are for the light detectors and ReID vectors of unit length; published settings are presets.

    `init_thresh`: a new track's score lies above it. `obj_thresh`: a score that a track's detection lies above.
    `match_thresh`: the least mutual score of a match.
    `low_match_thresh`: a low detection with a higher one belongs to a track and is no backdrop.
    `backdrop_iou`, `duplicate_iou`: overlap with a better detection that makes a low one, or any, a duplicate.
    `logit_scale`: what products are multiplied with before the softmax; 10 to 20 for vectors of unit length.
    `tao`: 1 for the mean of the mutual softmax within the class and the cosine, as for TAO; 0 for the softmax alone.
    `least_cosine`: what is less alike never matches, -1 for no such limit.
    `same_class`: 1, or 0 to match across classes.
    `track_buffer`: how long a track that is not seen is kept, in frames at 30 a second.
    `capacity`, `backdrops`: how many tracks, and detections of no track, are remembered.
    """

    init_thresh: float = number(0.5, 0, 1)
    obj_thresh: float = number(0.3, 0, 1)
    match_thresh: float = number(0.5, 0, 1)
    low_match_thresh: float = number(0.5, 0, 1)
    backdrop_iou: float = number(0.3, 0, 1)
    duplicate_iou: float = number(0.7, 0, 1)
    logit_scale: float = number(14.0, 0, 1e6)
    tao: int = number(1, 0, 1)
    least_cosine: float = number(0.7, -1, 1)
    same_class: int = number(1, 0, 1)
    track_buffer: float = number(60, 0, 1e6)
    capacity: int = number(256, 1, 1 << 20)
    backdrops: int = number(100, 0, 1 << 20)


_PUBLISHED = {"logit_scale": 1.0, "tao": 0, "least_cosine": -1.0, "obj_thresh": 0.5}

# A track: what was seen last, and when.
_TRACK_FIELDS = [
    ("id", "i8"),
    ("status", "i4"),
    ("class", "i4"),
    ("detection", "i4"),
    ("confirmed", "?"),
    ("score", "f8"),
    ("last", "f8"),
    ("box", "f8", (4,)),
]


@kernel
def _as_score(threshold: float) -> float:
    """Rounded like the scores: float32(.7) > .7 must not hold."""
    return np.float64(np.float32(threshold))


@kernel
def _drop_duplicates(run: Any, detections: Records, order: Any) -> None:
    """Take out what overlaps too much with a better detection, be that one taken out or not."""
    for k in range(1, len(order)):
        detection = detections[order[k]]
        low = detection["score"] < _as_score(run["obj_thresh"])
        limit = run["backdrop_iou"] if low else run["duplicate_iou"]
        for better in range(k):
            if iou(detection["box"], detections[order[better]]["box"], 0.0) > limit:
                detection["pool"] = NOWHERE
                break


@kernel
def _usable(detections: Records, order: Any) -> Any:
    """Those of `order` that belong to a pool."""
    kept = 0
    for k in range(len(order)):
        if detections[order[k]]["pool"] != NOWHERE:
            order[kept] = order[k]
            kept += 1
    return order[:kept]


@kernel
def _members(run: Any, table: Records, backdrop_classes: Any) -> Any:
    """The memories that take part, and their classes: rows of the similarity, tracks before backdrops."""
    tracks = run["tracks"]
    members = np.empty(tracks + len(backdrop_classes), np.int64)
    classes = np.empty(len(members), np.int64)
    count = 0
    for k in range(len(members)):
        if k >= tracks:
            classes[count] = backdrop_classes[k - tracks]
        elif table[k]["status"] != REMOVED:
            classes[count] = table[k]["class"]
        else:
            continue
        members[count] = k
        count += 1
    return members[:count], classes[:count]


@kernel
def _softmax(logits: Any, together: Any) -> Any:
    """Softmax of every row over the columns that are `together` with it, 0 elsewhere."""
    result = np.zeros(logits.shape)
    for i in range(logits.shape[0]):
        top, mass = -np.inf, 0.0
        for k in range(logits.shape[1]):
            if together[i, k]:
                top = max(top, logits[i, k])
        for k in range(logits.shape[1]):
            if together[i, k]:
                result[i, k] = np.exp(logits[i, k] - top)
                mass += result[i, k]
        for k in range(logits.shape[1]):
            if together[i, k]:
                result[i, k] /= mass
    return result


@kernel
def _mutual_scores(run: Any, products: Any, same: Any) -> Any:
    """How much each detection (row) and each memory (column) mean each other; `same` where the classes agree."""
    tao, across = run["tao"] != 0.0, run["same_class"] == 0.0
    together = same | (across or not tao)  # TAO's softmax looks at one class only
    logits = run["logit_scale"] * products
    scores = (_softmax(logits, together) + _softmax(logits.T, together.T).T) / 2.0
    for i in range(scores.shape[0]):
        for k in range(scores.shape[1]):
            if not (same[i, k] or across) or products[i, k] < run["least_cosine"]:
                scores[i, k] = 0.0
            elif tao:
                scores[i, k] = (scores[i, k] + products[i, k]) / 2.0
    return scores


@kernel
def _associate(work: Work, order: Any, similarity: Any, backdrop_classes: Any) -> None:
    """Each detection, best first, takes the memory it scores highest with, or none."""
    run, table, detections = work.run[0], work.table, work.detections
    members, classes = _members(run, table, backdrop_classes)
    if len(order) == 0 or len(members) == 0:
        return
    products = np.empty((len(order), len(members)))
    same = np.empty(products.shape, np.bool_)
    for i in range(len(order)):
        for k in range(len(members)):
            products[i, k] = similarity[members[k], order[i]]
            same[i, k] = classes[k] == detections[order[i]]["class"]
    scores = _mutual_scores(run, products, same)
    for i in range(len(order)):
        detection, best = detections[order[i]], np.argmax(scores[i])
        row, score = members[best], scores[i, best]
        if row >= run["tracks"] or score <= run["match_thresh"]:
            continue
        if detection["score"] > _as_score(run["obj_thresh"]):
            detection["track"] = row
            _update(table[row], detection, order[i], run["now"])
            scores[:, best] = 0.0
        elif score > run["low_match_thresh"]:
            detection["pool"] = NOWHERE  # the low twin of a track


@kernel
def _update(track: Any, detection: Any, j: int, now: float) -> None:
    track["status"] = TRACKED
    track["class"] = detection["class"]
    track["score"] = detection["score"]
    track["detection"] = j
    track["last"] = now
    track["box"] = detection["box"]


@kernel
def _start_tracks(work: Work, order: Any) -> None:
    """Start tracks at what is left, best first; the one unseen for longest makes room."""
    run, table, detections = work.run[0], work.table, work.detections
    lowest, alive = _as_score(run["init_thresh"]), 0
    for i in range(run["tracks"]):
        alive += table[i]["status"] != REMOVED
    for k in range(len(order)):
        detection = detections[order[k]]
        if detection["track"] >= 0 or detection["pool"] == NOWHERE or detection["score"] <= lowest:
            continue
        if alive >= run["capacity"]:
            oldest = _unseen_longest(table, run["tracks"])
            if oldest < 0:
                return
            table[oldest]["status"] = REMOVED
            alive -= 1
        track = table[run["tracks"]]
        track["id"] = run["next_id"]
        track["confirmed"] = True
        _update(track, detection, order[k], run["now"])
        detection["track"] = run["tracks"]
        run["next_id"] += 1
        run["tracks"] += 1
        alive += 1


@kernel
def _unseen_longest(table: Records, tracks: int) -> int:
    """The row of the track whose newest detection is the oldest, -1 where all were seen in this frame."""
    found = -1
    for i in range(tracks):
        track = table[i]
        if track["status"] == REMOVED or track["detection"] >= 0:
            continue
        if found < 0 or track["last"] < table[found]["last"]:
            found = i
    return found


@kernel
def _choose_backdrops(run: Any, detections: Records, order: Any) -> None:
    """Mark as LOW what belongs to no track and does not overlap much with a better detection."""
    room = run["backdrops"]
    for k in range(len(order)):
        detection = detections[order[k]]
        alone = detection["track"] < 0 and detection["pool"] != NOWHERE and room > 0
        for better in range(k):
            if not alone:
                break
            alone = iou(detection["box"], detections[order[better]]["box"], 0.0) <= run["backdrop_iou"]
        if alone:
            detection["pool"] = LOW
            room -= 1


@kernel
def _begin_frame(run: Any, table: Records, frames: float) -> None:
    """Move the clock on. Tracks unseen for too long take no part, but keep their rows: the similarity has them."""
    run["now"] += frames
    for i in range(run["tracks"]):
        table[i]["detection"] = -1
        if run["now"] - table[i]["last"] > run["lost_frames"]:
            table[i]["status"] = REMOVED


@kernel
def _lose_unseen(run: Any, table: Records) -> None:
    for i in range(run["tracks"]):
        if table[i]["status"] == TRACKED and table[i]["detection"] < 0:
            table[i]["status"] = LOST


@kernel
def _step(work: Work, frames: float, similarity: Any, backdrop_classes: Any) -> int:
    """`similarity` has a row for each track and then for each backdrop of the last frame.

    Afterwards the LOW pool holds this frame's backdrops.
    """
    run, table, detections = work.run[0], work.table, work.detections
    _begin_frame(run, table, frames)
    order = _usable(detections, by_score(work))
    _drop_duplicates(run, detections, order)
    order = _usable(detections, order)
    _associate(work, order, similarity, backdrop_classes)
    _start_tracks(work, order)
    _choose_backdrops(run, detections, order)
    _lose_unseen(run, table)
    return 0


class _WithBackdrops(Memories):
    """The memories of the tracks and, behind them, the backdrops of the last frame.

    Raises UsageError without a rule.
    """

    def __init__(self, rule: Rule | None, parameters: Parameters) -> None:
        if rule is None:
            raise UsageError("qdtrack goes by appearance alone: appearance = none is not possible; use ema or sasm")
        super().__init__(rule, unit=parameters.tao != 0)
        self._backdrops = np.zeros((0, 0), np.float32)
        self._classes = np.zeros(0, np.int32)

    def compare(self, detections: Detections) -> tuple[Float32s, npt.NDArray[np.int32]]:
        if detections.embeddings is None and len(detections):
            raise InputError(
                "detections.embeddings: expected float32 (N, E), found None; qdtrack goes by appearance alone"
            )
        tracks, _ = super().compare(detections)
        if not len(self._backdrops):
            return tracks, self._classes
        return np.concatenate([tracks, self._backdrops @ self.vectors.T]), self._classes

    def remember(self, table: Records, detections: Records, now: float) -> None:
        super().remember(table, detections, now)
        rows = np.flatnonzero(detections["pool"][: len(self.vectors)] == LOW)
        self._backdrops = self.vectors[rows]
        self._classes = detections["class"][rows]


METHOD = Method(
    name="qdtrack",
    parameters=Parameters,
    step=_step,
    # Published settings. All reproduce the published code: products as they are, frames counted.
    presets={
        "reference": Preset(_PUBLISHED | {"init_thresh": 0.8, "track_buffer": 10}),
        "bdd100k": Preset(_PUBLISHED | {"init_thresh": 0.7, "obj_thresh": 0.3, "track_buffer": 10}),
        "mot17": Preset(_PUBLISHED | {"init_thresh": 0.9, "track_buffer": 30}),
        "dancetrack": Preset(_PUBLISHED | {"init_thresh": 0.9, "track_buffer": 30}),
    },
    track_dtype=track_dtype("qdtrack", _TRACK_FIELDS),
    predicted_boxes=last_boxes,
    memories=_WithBackdrops,
    rule=Ema(momentum=0.2),  # the new vector weighs .8
    inputs=given("i4"),  # the classes of the backdrops
    wants_logit_scale=True,
)
