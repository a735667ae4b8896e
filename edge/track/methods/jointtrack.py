"""JointTrackNet's association: the network's offset tells where an object was, its embedding which one it is.

A detection may belong to a track if its centre, moved back by the offset, lies within the size of both boxes; among
those, cosine costs decide. There is no filter: a box stays where it was seen last. A track is shown from its second
sighting on. Without embeddings the offset alone decides, as in CenterTrack: better scores choose first, the nearest.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from edge.errors import InputError
from edge.kernels.jit import given, kernel
from edge.track.appearance.memory import Memories, Rule
from edge.track.appearance.rules import Mean
from edge.track.lifecycle import by_score
from edge.track.matching.assignment import arrange, solve
from edge.track.matching.boxes import MOST_PAIRS, PAIR, Records
from edge.track.method import Method, Preset
from edge.track.motion.prediction import last_boxes
from edge.track.parameters import number
from edge.track.state import HIGH, LOST, REMOVED, TRACKED, Work, track_dtype
from edge.types import Detections, Float32s, as_array


@dataclass(frozen=True)
class Parameters:
    """Defaults are the authors' test script for MOT17 and DanceTrack.

    `track_thresh`: a detection's score lies above it (published; `default`: or at it), to be matched or to start a
    track.
    `match_thresh`: limit of the cost, 1 - cosine.
    `track_buffer`: how long a track that is not seen is kept, in frames at 30 a second.
    """

    track_thresh: float = number(0.4, 0, 1)
    match_thresh: float = number(0.65, 0, 2)
    track_buffer: float = number(150, 0, 1e6)


# A track: what was seen last, and when. `centre` is the point that offsets lead to.
_TRACK_FIELDS = [
    ("id", "i8"),
    ("status", "i4"),
    ("class", "i4"),
    ("detection", "i4"),
    ("confirmed", "?"),
    ("score", "f8"),
    ("last", "f8"),
    ("box", "f8", (4,)),
    ("centre", "f8", (2,)),
]


@kernel
def _gap(track: Any, detection: Any, point: Any) -> float:
    """Squared distance of the track's centre from where the detection says it was; -1 where too far."""
    dx, dy = point[2] - track["centre"][0], point[3] - track["centre"][1]
    gap = dx * dx + dy * dy
    too_far = gap > _area(track["box"]) or gap > _area(detection["box"])
    return -1.0 if too_far or track["class"] != detection["class"] else gap


@kernel
def _area(box: Any) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


@kernel
def _by_appearance(work: Work, points: Any, similarity: Any) -> int:
    """The assignment of least total cosine cost among those that are near enough; how many pairs that were."""
    run, table, detections, pairs, count = work.run[0], work.table, work.detections, work.pairs[0], 0
    for i in range(run["tracks"]):
        for j in range(work.n):
            if table[i]["status"] == REMOVED or detections[j]["pool"] != HIGH:
                continue
            gain = run["match_thresh"] - max(0.0, 1.0 - similarity[i, j])
            if gain > 0.0 and _gap(table[i], detections[j], points[j]) >= 0.0:
                if count == MOST_PAIRS:
                    break
                if count == len(pairs):
                    longer = np.empty(min(2 * count, MOST_PAIRS), PAIR)
                    longer[:count] = pairs
                    pairs = longer
                pairs[count]["row"] = i
                pairs[count]["column"] = j
                pairs[count]["gain"] = gain
                count += 1
    rows, columns = work.nodes[0], work.nodes[1]
    arrange(pairs, count, work.pairs[1], rows, run["tracks"], columns, work.n)
    solve(pairs, rows, run["tracks"], columns, work.n)
    for i in range(run["tracks"]):
        if rows[i]["match"] >= 0:
            detections[rows[i]["match"]]["track"] = i
    return count


@kernel
def _by_offsets(work: Work, order: Any, points: Any) -> None:
    """Each detection, best first, takes the nearest track that is still free and near enough."""
    run, table, detections, rows = work.run[0], work.table, work.detections, work.nodes[0]
    for i in range(run["tracks"]):
        rows[i]["match"] = -1
    for j in order:
        if detections[j]["pool"] != HIGH:
            continue
        nearest, least = -1, np.inf
        for i in range(run["tracks"]):
            if table[i]["status"] == REMOVED or rows[i]["match"] >= 0:
                continue
            gap = _gap(table[i], detections[j], points[j])
            if 0.0 <= gap < least:
                nearest, least = i, gap
        if nearest >= 0:
            rows[nearest]["match"] = j
            detections[j]["track"] = nearest


@kernel
def _begin_frame(run: Any, table: Records, frames: float) -> None:
    """Move the clock on. Tracks unseen for too long take no part, but keep their rows: the similarity has them.

    A published track dies at its miss number `track_buffer` + 1 and can still be matched in that frame.
    """
    run["now"] += frames
    kept = run["lost_frames"] + (1.0 if run["reference"] else 0.0)
    for i in range(run["tracks"]):
        table[i]["detection"] = -1
        if run["now"] - table[i]["last"] > kept:
            table[i]["status"] = REMOVED


@kernel
def _update_tracks(work: Work, points: Any) -> None:
    """Matched detections update their tracks, the others start some; what was not seen is not shown."""
    run, table, detections = work.run[0], work.table, work.detections
    for j in range(work.n):
        i = detections[j]["track"]
        if i >= 0:
            table[i]["confirmed"] = True
            _update(table[i], detections[j], j, points[j], run["now"])
    for j in range(work.n):
        if detections[j]["pool"] == HIGH and detections[j]["track"] < 0:
            track = table[run["tracks"]]
            track["id"] = run["next_id"]
            track["class"] = detections[j]["class"]
            track["confirmed"] = False
            _update(track, detections[j], j, points[j], run["now"])
            run["next_id"] += 1
            run["tracks"] += 1
    for i in range(run["tracks"]):
        if table[i]["status"] == TRACKED and table[i]["detection"] < 0:
            table[i]["status"] = LOST


@kernel
def _update(track: Any, detection: Any, j: int, point: Any, now: float) -> None:
    track["status"] = TRACKED
    track["score"] = detection["score"]
    track["detection"] = j
    track["last"] = now
    track["box"] = detection["box"]
    track["centre"][0] = point[0]
    track["centre"][1] = point[1]


@kernel
def _step(work: Work, frames: float, similarity: Any, points: Any) -> int:
    """`similarity` without columns lets offsets decide.

    `points` has a row a detection: its centre, and its centre in the frame before.
    """
    pairs = 0
    _begin_frame(work.run[0], work.table, frames)
    if similarity.shape[1]:
        pairs = _by_appearance(work, points, similarity)
    else:
        _by_offsets(work, by_score(work), points)
    _update_tracks(work, points)
    return pairs


class _WithOffsets(Memories):
    """The memories of the tracks, and where detections are and were. Without a rule offsets decide."""

    def __init__(self, rule: Rule | None, parameters: Parameters) -> None:
        super().__init__(rule)

    def compare(self, detections: Detections) -> tuple[Float32s, Float32s]:
        n = len(detections)
        if self.in_use and detections.embeddings is None and n:
            raise InputError(
                "detections.embeddings: expected float32 (N, E), found None; "
                "appearance = none lets jointtrack go by offsets alone"
            )
        similarity, _ = super().compare(detections)
        centres, offsets = _given(detections, "centres", n), _given(detections, "offsets", n)
        points = np.empty((n, 4), np.float32)
        points[:, :2] = _middles(detections, n) if centres is None else centres
        points[:, 2:] = points[:, :2]
        if offsets is not None:
            points[:, 2:] += offsets
        return similarity, points


def _given(detections: Detections, name: Literal["centres", "offsets"], n: int) -> Float32s | None:
    points = detections.centres if name == "centres" else detections.offsets
    if points is None:
        return None
    points = as_array(f"detections.{name}", points, np.float32)
    if points.shape != (n, 2):
        raise InputError(f"detections.{name}: expected shape ({n}, 2), found {points.shape}")
    if not np.isfinite(points).all():
        raise InputError(f"detections.{name}: expected finite numbers: drop such detections")
    return points


def _middles(detections: Detections, n: int) -> Float32s:
    """The middles of the boxes; of boxes of a wrong shape, which the step refuses, anything."""
    boxes = detections.boxes_xyxy
    if not isinstance(boxes, np.ndarray) or boxes.shape != (n, 4):
        return np.zeros((n, 2), np.float32)
    return ((boxes[:, :2] + boxes[:, 2:]) / 2).astype(np.float32)


METHOD = Method(
    name="jointtrack",
    parameters=Parameters,
    step=_step,
    high="track_thresh",
    low="track_thresh",
    # Published settings: of the test script, of the video script, and of the README's demo, where a track dies at its
    # first miss.
    presets={
        "reference": Preset(),
        "video": Preset({"track_buffer": 50}),
        "readme": Preset({"track_thresh": 0.3, "track_buffer": 0}),
    },
    track_dtype=track_dtype("jointtrack", _TRACK_FIELDS),
    predicted_boxes=last_boxes,
    memories=_WithOffsets,
    rule=Mean(),
    inputs=given("f4", 2),  # the points of `_step`
    is_joint=True,
)
