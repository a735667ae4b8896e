"""NanoTrack (VjiaLi/NanoTrack, 2024): SparseTrack's cascade with low-score detections put to more use.

On top of SparseTrack: a low detection where a high one was a frame ago is promoted (RHD, "refind high detections"); a
low one that stands still may start a track; depth bands are cut within every cluster of overlapping boxes; births
need no higher score but a place that no track covers (DTC, "duplicate track checking").
"""

from dataclasses import dataclass
from typing import Any

from edge.kernels.jit import kernel
from edge.track.lifecycle import begin_frame, birth, lose_unseen, predict_confirmed
from edge.track.matching.boxes import Records, overlapping, sort_spans, span
from edge.track.matching.depth import OUTSIDE
from edge.track.method import Method
from edge.track.motion.kalman import XYWH
from edge.track.motion.prediction import predicted_xywh
from edge.track.parameters import number
from edge.track.stages import (
    CONFIRMED,
    FOLLOWED,
    NEW,
    candidates,
    cluster_cascade,
    enrol_detections,
    enrol_tracks,
    match,
    span_tracks,
)
from edge.track.state import HIGH, LOW, Work


@dataclass(frozen=True)
class Parameters:
    """Defaults are those of the published configuration and, where it has no name for them, of constants in its code.

    `track_thresh`, `low_thresh` (constant): scores that bound the high and the low pool.
    `match_thresh`: limit of the first stage's cost, 1 - IoU * score.
    `match_thresh_low` (constant): limit of the second stage's cost, 1 - IoU.
    `confirm_thresh`: limit of the cost for tracks seen once, 1 - IoU * score.
    `rhd_iou` (constant): a low detection above this IoU with a high one of the frame before is promoted.
    `low_birth_iou` (constant): a low detection above this IoU with a low one of the frame before may start a track.
    `dtc_iou` (constant): a track starts only where no track has more than this IoU.
    `track_buffer`: how long a lost track is kept, in frames at 30 a second.
    `depth_levels`, `depth_levels_low`: depth bands of the first and of the second stage.
    """

    track_thresh: float = number(0.45, 0, 1)
    low_thresh: float = number(0.1, 0, 1)
    match_thresh: float = number(0.8, 0, 1)
    match_thresh_low: float = number(0.4, 0, 1)
    confirm_thresh: float = number(0.7, 0, 1)
    rhd_iou: float = number(0.8, 0, 1)
    low_birth_iou: float = number(0.99, 0, 1)
    dtc_iou: float = number(0.3, 0, 1)
    track_buffer: float = number(30, 0, 1e6)
    depth_levels: int = number(1, 1, 64)
    depth_levels_low: int = number(3, 1, 64)


@kernel
def _compare_with_previous(work: Work) -> None:
    """Promote low detections where a high one was (RHD); those where a low one stood still are `recycled`."""
    run, detections, previous, spans = work.run[0], work.detections, work.previous, work.spans[1]
    low = 0
    for j in range(work.n):
        if detections[j]["pool"] == LOW:
            span(spans[low], j, detections[j]["box"], run["margin"])
            low += 1
    high_before, before = run["high_before"], run["high_before"] + run["low_before"]
    if low == 0 or before == 0:
        return
    sort_spans(spans, low, work.spans[2], run["digits"])
    pairs, count = _overlaps_with(work, previous[:high_before], low, run["rhd_iou"])
    for p in range(count):
        detections[pairs[p]["column"]]["promoted"] = True
    pairs, count = _overlaps_with(work, previous[high_before:before], low, run["low_birth_iou"])
    for p in range(count):
        detections[pairs[p]["column"]]["recycled"] = True
    for j in range(work.n):
        detection = detections[j]
        if detection["promoted"]:
            detection["pool"] = HIGH
            detection["recycled"] = False


@kernel
def _overlaps_with(work: Work, previous: Records, low: int, floor: float) -> Any:
    """The pairs of remembered boxes and the `low` detections in the second row of spans with an IoU above `floor`."""
    run = work.run[0]
    sort_spans(previous, len(previous), work.spans[2], run["digits"])
    return overlapping(previous, len(previous), work.spans[1], low, run["margin"], floor, work.pairs[0])


@kernel
def _count_unconfirmed(run: Any, table: Records) -> int:
    count = 0
    for i in range(run["tracks"]):
        count += not table[i]["confirmed"]
    return count


@kernel
def _remember(work: Work, nothing_to_match: bool) -> None:
    """Keep this frame's boxes for the next one, the high ones in front.

    The published code, when it has no confirmed track, shares one list between memory and leftovers, and so remembers
    the recycled detections as high ones as well.
    """
    run, detections, previous, kept = work.run[0], work.detections, work.previous, 0
    shared = run["reference"] and nothing_to_match
    for j in range(work.n):
        detection = detections[j]
        if detection["pool"] == HIGH or (shared and detection["recycled"]):
            span(previous[kept], j, detection["box"], run["margin"])
            kept += 1
    run["high_before"] = kept
    for j in range(work.n):
        if detections[j]["pool"] == LOW:
            span(previous[kept], j, detections[j]["box"], run["margin"])
            kept += 1
    run["low_before"] = kept - run["high_before"]


@kernel
def _associate(work: Work) -> int:
    """The three stages; how many candidate pairs there were."""
    run, detections, columns = work.run[0], work.detections, work.nodes[1]
    limit = max(run["match_thresh"], run["match_thresh_low"], run["confirm_thresh"])
    pairs, count = candidates(work, 1.0 - limit)

    enrol_tracks(work, CONFIRMED)
    enrol_detections(work, HIGH)  # and promoted ones
    cluster_cascade(work, pairs, int(run["depth_levels"]), run["match_thresh"], True, XYWH)

    enrol_tracks(work, FOLLOWED)
    for j in range(work.n):  # low ones, and promoted ones left over
        again = detections[j]["promoted"] and detections[j]["track"] < 0 and not run["reference"]
        columns[j]["layer"] = 0 if detections[j]["pool"] == LOW or again else OUTSIDE
    cluster_cascade(work, pairs, int(run["depth_levels_low"]), run["match_thresh_low"], False, XYWH)

    enrol_tracks(work, NEW)
    for j in range(work.n):
        columns[j]["layer"] = 0 if _may_start(detections[j]) else OUTSIDE
    match(work, pairs, 0, run["confirm_thresh"], True, XYWH)
    return count


@kernel
def _may_start(detection: Any) -> bool:
    return detection["track"] < 0 and not detection["covered"] and (detection["pool"] == HIGH or detection["recycled"])


@kernel
def _start_tracks(work: Work) -> None:
    """Start tracks at leftover detections that no track of the frame's start covers, wherever it is now (DTC)."""
    run, table, detections, spans = work.run[0], work.table, work.detections, work.spans[1]
    wanted = 0
    for j in range(work.n):
        if _may_start(detections[j]):
            span(spans[wanted], j, detections[j]["box"], run["margin"])
            wanted += 1
    if wanted == 0:
        return
    sort_spans(spans, wanted, work.spans[2], run["digits"])
    tracks = span_tracks(work)
    pairs, count = overlapping(work.spans[0], tracks, spans, wanted, run["margin"], run["dtc_iou"], work.pairs[0])
    for p in range(count):
        detections[pairs[p]["column"]]["covered"] = True
    for recycled in (False, True):  # ids are given in this order
        for j in range(work.n):
            if detections[j]["recycled"] == recycled and _may_start(detections[j]):
                birth(run, table, detections[j], j, XYWH)


@kernel
def _step(work: Work, frames: float, similarity: None, inputs: None) -> int:
    run, table = work.run[0], work.table
    begin_frame(run, table, frames)
    if frames > run["lost_frames"]:
        run["high_before"] = run["low_before"] = 0  # what was there before such a gap says nothing
    _compare_with_previous(work)
    _remember(work, run["tracks"] == _count_unconfirmed(run, table))
    predict_confirmed(run, table, frames, XYWH)
    pairs = _associate(work)
    _start_tracks(work)
    lose_unseen(run, table)
    return pairs


METHOD = Method(
    name="nanotrack_published",
    parameters=Parameters,
    step=_step,
    high="track_thresh",
    low="low_thresh",
    run_fields=[("high_before", "i8"), ("low_before", "i8")],
    predicted_boxes=predicted_xywh,
)
