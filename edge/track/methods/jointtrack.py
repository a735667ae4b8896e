"""JointTrackNet's association: the network's offset says where a body was, its embedding who it is.

A detection may belong to a track if its centre, moved back by the offset, lies within the size of both boxes; among
those, cosine costs decide. There is no filter: a box stays where it was seen last. A track is shown from its second
sighting on. Without embeddings the offset alone decides, as in CenterTrack: better scores choose first, the nearest.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.errors import InputError
from edge.kernels.jit import entry, given, kernel
from edge.track.appearance.memory import Looks, Rule
from edge.track.appearance.rules import Mean
from edge.track.lifecycle import compact, read, show
from edge.track.matching.assignment import arrange, solve
from edge.track.matching.boxes import PAIR, Records
from edge.track.parameters import number
from edge.track.state import HIGH, LOST, REMOVED, TRACKED, Work, run_dtype, step_arguments
from edge.types import Detections, Float32s

MEMORY = Mean()


@dataclass(frozen=True)
class Parameters:
    """Defaults are the authors' test script for MOT17 and DanceTrack.

    `track_thresh`: a detection's score lies above it (published; `default`: or at it), to be matched or to start a
    track.
    `match_thresh`: limit of the cost, 1 - cosine.
    `track_buffer`: how long a track that is not seen is kept, in frames at 30 a second.
    """

    # In this order RUN is not the beginning of ByteTrack's, which Numba would take it for, with a warning.
    match_thresh: float = number(0.65, 0, 2)
    track_thresh: float = number(0.4, 0, 1)
    track_buffer: float = number(150, 0, 1e6)


# Published settings by name: of the video script, and of the README's demo, where a track dies at its first miss.
PRESETS: dict[str, dict[str, float]] = {
    "video": {"track_buffer": 50},
    "readme": {"track_thresh": 0.3, "track_buffer": 0},
}

RUN = run_dtype(Parameters)

# A track: what was seen last, and when. `centre` is the point that offsets lead to.
TRACK = np.dtype(
    [
        ("id", "i8"),
        ("status", "i4"),
        ("class", "i4"),
        ("detection", "i4"),
        ("confirmed", "?"),
        ("score", "f8"),
        ("last", "f8"),
        ("box", "f8", (4,)),
        ("centre", "f8", (2,)),
    ],
    align=True,
)


@kernel
def _gap(track: Any, detection: Any, origin: Any) -> float:
    """Squared distance of the track's centre from `origin`, where the detection says it was; -1 where too far."""
    dx, dy = origin[0] - track["centre"][0], origin[1] - track["centre"][1]
    gap = dx * dx + dy * dy
    too_far = gap > _area(track["box"]) or gap > _area(detection["box"])
    return -1.0 if too_far or track["class"] != detection["class"] else gap


@kernel
def _area(box: Any) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


@kernel
def _by_looks(work: Work, origins: Any, similarity: Any) -> int:
    """The assignment of least total cosine cost among those that are near enough; how many pairs that were."""
    run, table, detections, pairs, count = work.run[0], work.table, work.detections, work.pairs[0], 0
    for i in range(run["tracks"]):
        for j in range(work.n):
            if table[i]["status"] == REMOVED or detections[j]["pool"] != HIGH:
                continue
            gain = run["match_thresh"] - max(0.0, 1.0 - similarity[i, j])
            if gain > 0.0 and _gap(table[i], detections[j], origins[j]) >= 0.0:
                if count == len(pairs):
                    longer = np.empty(2 * count, PAIR)
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
def _by_offsets(work: Work, order: Any, origins: Any) -> None:
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
            gap = _gap(table[i], detections[j], origins[j])
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
def _update_tracks(work: Work, centres: Any) -> None:
    """Matched detections update their tracks, the others start some; what was not seen is not shown."""
    run, table, detections = work.run[0], work.table, work.detections
    for j in range(work.n):
        i = detections[j]["track"]
        if i >= 0:
            table[i]["confirmed"] = True
            _see(table[i], detections[j], j, centres[j], run["now"])
    for j in range(work.n):
        if detections[j]["pool"] == HIGH and detections[j]["track"] < 0:
            track = table[run["tracks"]]
            track["id"] = run["next_id"]
            track["class"] = detections[j]["class"]
            track["confirmed"] = False
            _see(track, detections[j], j, centres[j], run["now"])
            run["next_id"] += 1
            run["tracks"] += 1
    for i in range(run["tracks"]):
        if table[i]["status"] == TRACKED and table[i]["detection"] < 0:
            table[i]["status"] = LOST


@kernel
def _see(track: Any, detection: Any, j: int, centre: Any, now: float) -> None:
    track["status"] = TRACKED
    track["score"] = detection["score"]
    track["detection"] = j
    track["last"] = now
    track["box"] = detection["box"]
    track["centre"][0] = centre[0]
    track["centre"][1] = centre[1]


@entry(*step_arguments(RUN, TRACK, (given("f4", 2), given("f4", 2), given("f4", 2))))
def step(
    run_record: Records,
    table: Records,
    previous: Records,
    detections: Records,
    spans: Records,
    pairs: Records,
    nodes: Records,
    clusters: Records,
    boxes: Any,
    scores: Any,
    classes: Any,
    similarity: Any,
    centres: Any,
    origins: Any,
    out_ids: Any,
    out_boxes: Any,
    out_scores: Any,
    out_classes: Any,
    out_rows: Any,
    frames: float,
) -> tuple[int, int, int]:
    """One frame: (tracks shown or a negative error of `read`, tracks alive, candidate pairs met).

    `similarity` has a row a track and a column a detection, or no columns: then offsets decide. `origins` are the
    centres of the detections where they were a frame ago.
    """
    work = Work(run_record, table, previous, detections, spans, pairs, nodes, clusters, len(scores))
    run, met = run_record[0], 0
    high = run["track_thresh"]
    error = read(run, detections, boxes, scores, classes, high, high)
    if error < 0:
        return error, 0, 0
    _begin_frame(run, table, frames)
    if similarity.shape[1]:
        met = _by_looks(work, origins, similarity)
    else:
        _by_offsets(work, np.argsort(-scores, kind="mergesort"), origins)
    _update_tracks(work, centres)
    compact(run, table)
    return show(run, table, out_ids, out_boxes, out_scores, out_classes, out_rows), run["tracks"], met


class _WithOffsets(Looks):
    """The memories of the tracks, and where detections are and were."""

    def arguments(self, detections: Detections) -> tuple[npt.NDArray[Any], ...]:
        n = len(detections)
        if self.in_use and detections.embeddings is None and n:
            raise InputError(
                "detections.embeddings: expected float32 (N, E), found None; "
                "appearance = none lets jointtrack go by offsets alone"
            )
        (similarity,) = super().arguments(detections)
        centres = _points(detections, "centres", n)
        if centres is None:
            centres = _centres(detections)
        offsets = _points(detections, "offsets", n)
        return similarity, centres, centres if offsets is None else centres + offsets


def _points(detections: Detections, name: str, n: int) -> Float32s | None:
    points: Float32s | None = getattr(detections, name)
    if points is None:
        return None
    if not isinstance(points, np.ndarray) or points.dtype != np.float32 or points.shape != (n, 2):
        found = f"{points.dtype} {points.shape}" if isinstance(points, np.ndarray) else type(points).__name__
        raise InputError(f"detections.{name}: expected float32 ({n}, 2), found {found}")
    if not np.isfinite(points).all():
        raise InputError(f"detections.{name}: expected finite numbers: drop such detections")
    return points


def _centres(detections: Detections) -> Float32s:
    """The middles of the boxes; of boxes of a wrong shape, which the step refuses, anything."""
    boxes = detections.boxes_xyxy
    if not isinstance(boxes, np.ndarray) or boxes.ndim != 2 or boxes.shape[1] != 4:
        return np.zeros((0, 2), np.float32)
    return ((boxes[:, :2] + boxes[:, 2:]) / 2).astype(np.float32)


def looks(rule: Rule | None, parameters: Parameters) -> Looks:
    """The memories of a new tracker; without a rule offsets decide."""
    return _WithOffsets(rule)
