"""NanoTrack (VjiaLi/NanoTrack, 2024): SparseTrack's cascade with low-score detections put to more use.

On top of SparseTrack: a low detection where a high one was a frame ago is promoted (RHD, "refind high detections"); a
low one that stands still may start a track; depth bands are cut within every cluster of overlapping boxes; births
need no higher score but a place that no track covers (DTC, "duplicate track checking").
"""

from dataclasses import dataclass
from typing import Any

from edge.kernels.jit import entry, kernel
from edge.track.lifecycle import begin_frame, birth, compact, lose_unseen, predict_confirmed, read, show
from edge.track.matching.boxes import Records, overlapping, sort_spans, span
from edge.track.matching.depth import OUTSIDE
from edge.track.matching.stages import candidates, cluster_cascade, is_followed, match, span_tracks
from edge.track.motion.kalman import XYWH
from edge.track.parameters import number
from edge.track.state import HIGH, LOW, Work, run_dtype, step_arguments


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


RUN = run_dtype(Parameters)


@kernel
def _compare_with_previous(work: Work) -> None:
    """Promote low detections where a high one was (RHD); those where a low one stood still are `recycled`."""
    run, detections, previous, spans = work.run[0], work.detections, work.previous, work.spans[1]
    low = 0
    for j in range(work.n):
        if detections[j]["pool"] == LOW:
            span(spans[low], j, detections[j]["box"], run["margin"])
            low += 1
    if low == 0 or run["previous"] == 0:
        return
    sort_spans(spans, low, work.spans[2], run["digits"])
    sort_spans(previous, run["previous"], work.spans[2], run["digits"])
    floor = min(run["rhd_iou"], run["low_birth_iou"])
    pairs, count = overlapping(previous, run["previous"], spans, low, run["margin"], floor, work.pairs[0])
    for p in range(count):
        detection = detections[pairs[p]["column"]]
        if pairs[p]["row"] == HIGH:
            detection["promoted"] |= pairs[p]["iou"] > run["rhd_iou"]
        else:
            detection["recycled"] |= pairs[p]["iou"] > run["low_birth_iou"]
    for j in range(work.n):
        detection = detections[j]
        if detection["promoted"]:
            detection["pool"] = HIGH
            detection["recycled"] = False


@kernel
def _count_unconfirmed(run: Any, table: Records) -> int:
    count = 0
    for i in range(run["tracks"]):
        count += not table[i]["confirmed"]
    return count


@kernel
def _remember(work: Work, nothing_to_match: bool) -> None:
    """Keep this frame's boxes, with their pool as `row`, for the next one.

    The published code, when it has no confirmed track, shares one list between memory and leftovers, and so remembers
    the recycled detections as high ones as well.
    """
    run, detections, previous, kept = work.run[0], work.detections, work.previous, 0
    for j in range(work.n):
        detection = detections[j]
        if detection["pool"] == HIGH or detection["pool"] == LOW:
            span(previous[kept], detection["pool"], detection["box"], run["margin"])
            kept += 1
    if run["reference"] and nothing_to_match:
        for j in range(work.n):
            if detections[j]["recycled"]:
                span(previous[kept], HIGH, detections[j]["box"], run["margin"])
                kept += 1
    run["previous"] = kept


@kernel
def _associate(work: Work) -> int:
    """The three stages; how many candidate pairs there were."""
    run, table, detections, rows, columns = work.run[0], work.table, work.detections, work.nodes[0], work.nodes[1]
    limit = max(run["match_thresh"], run["match_thresh_low"], run["confirm_thresh"])
    pairs, count = candidates(work, 1.0 - limit)

    for i in range(run["tracks"]):  # confirmed tracks, lost ones too, with high and promoted detections
        rows[i]["layer"] = 0 if table[i]["confirmed"] else OUTSIDE
    for j in range(work.n):
        columns[j]["layer"] = 0 if detections[j]["pool"] == HIGH else OUTSIDE
    cluster_cascade(work, pairs, int(run["depth_levels"]), run["match_thresh"], True, XYWH)

    for i in range(run["tracks"]):  # those followed so far with low detections, and promoted ones left over
        rows[i]["layer"] = 0 if is_followed(table[i]) else OUTSIDE
    for j in range(work.n):
        again = detections[j]["promoted"] and detections[j]["track"] < 0 and not run["reference"]
        columns[j]["layer"] = 0 if detections[j]["pool"] == LOW or again else OUTSIDE
    cluster_cascade(work, pairs, int(run["depth_levels_low"]), run["match_thresh_low"], False, XYWH)

    for i in range(run["tracks"]):  # tracks seen once with what may start a track
        rows[i]["layer"] = OUTSIDE if table[i]["confirmed"] else 0
    for j in range(work.n):
        columns[j]["layer"] = 0 if _may_start(detections[j]) else OUTSIDE
    match(work, pairs, 0, run["confirm_thresh"], True, XYWH)
    return count


@kernel
def _may_start(detection: Any) -> bool:
    return detection["track"] < 0 and (detection["pool"] == HIGH or detection["recycled"])


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
        detections[pairs[p]["column"]]["track"] = pairs[p]["row"]
    for recycled in (False, True):  # ids are given in this order
        for j in range(work.n):
            if detections[j]["recycled"] == recycled and _may_start(detections[j]):
                birth(run, table, detections[j], j, XYWH)


@entry(*step_arguments(RUN))
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
    out_ids: Any,
    out_boxes: Any,
    out_scores: Any,
    out_classes: Any,
    out_rows: Any,
    frames: float,
) -> tuple[int, int, int]:
    """One frame: (tracks shown or a negative error of `read`, tracks alive, candidate pairs met)."""
    work = Work(run_record, table, previous, detections, spans, pairs, nodes, clusters, len(scores))
    run = run_record[0]
    error = read(run, detections, boxes, scores, classes, run["track_thresh"], run["low_thresh"])
    if error < 0:
        return error, 0, 0
    begin_frame(run, table, frames)
    if frames > run["lost_frames"]:
        run["previous"] = 0  # what was there before such a gap says nothing
    _compare_with_previous(work)
    _remember(work, run["tracks"] == _count_unconfirmed(run, table))
    predict_confirmed(run, table, frames, XYWH)
    met = _associate(work)
    _start_tracks(work)
    lose_unseen(run, table)
    compact(run, table)
    return show(run, table, out_ids, out_boxes, out_scores, out_classes, out_rows), run["tracks"], met
