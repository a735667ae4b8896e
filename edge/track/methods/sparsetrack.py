"""SparseTrack (Liu et al., arXiv 2306.05238): ByteTrack's two stages, each from near to far in bands of pseudo-depth.

The published camera motion compensation reads the image and is left out.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from edge.kernels.jit import entry, given, kernel
from edge.track.appearance.memory import Looks, Rule
from edge.track.lifecycle import begin_frame, birth, compact, lose_unseen, predict_confirmed, read, show
from edge.track.matching.boxes import Records
from edge.track.matching.depth import OUTSIDE
from edge.track.matching.stages import candidates, cascade, compare_looks, forget_looks, is_followed, match
from edge.track.motion.kalman import XYWH
from edge.track.parameters import number
from edge.track.state import HIGH, LOW, Work, run_dtype, step_arguments


@dataclass(frozen=True)
class Parameters:
    """Defaults are the authors' for MOT17 half-validation.

    `track_thresh`, `low_thresh`: scores that bound the high and the low pool.
    `match_thresh`: limit of the first stage's cost, 1 - IoU * score.
    `match_thresh_low`: limit of the second stage's cost, 1 - IoU (a constant in their code, .35 for DanceTrack).
    `confirm_thresh`: limit of the cost for tracks seen once, 1 - IoU * score.
    `birth_margin`: how far above `track_thresh` a new track's score must lie (.05 elsewhere than half-validation).
    `depth_levels`, `depth_levels_low`: depth bands of the first and of the second stage.
    `track_buffer`: how long a lost track is kept, in frames at 30 a second.
    `fuse_score`: 1, or 0 to leave the score out of all costs (their MOT20 setting).
    `looks_limit`, `looks_iou`: with appearance, half of 1 - cosine up to this is the first stage's cost if it is
    smaller and the IoU is no less: BoT-SORT's rule. Its limit is .25, which half of all pairs of people pass on
    OSNet; 1 in 100 pass ours (docs/results).
    `reentry_cosine`, `reentry_s`: with appearance, how alike a new track and one unseen for up to this long must be to
    be one (on OSNet 1 in 100 pairs of people are more alike, and 97 of 100 pairs of pictures of one person).
    """

    track_thresh: float = number(0.6, 0, 1)
    match_thresh: float = number(0.85, 0, 1)
    confirm_thresh: float = number(0.7, 0, 1)
    depth_levels: int = number(1, 1, 64)
    depth_levels_low: int = number(8, 1, 64)
    track_buffer: float = number(30, 0, 1e6)
    low_thresh: float = number(0.1, 0, 1)
    match_thresh_low: float = number(0.3, 0, 1)
    birth_margin: float = number(0.1, 0, 1)
    fuse_score: int = number(1, 0, 1)
    looks_limit: float = number(0.12, 0, 0.49)
    looks_iou: float = number(0.5, 0, 1)
    reentry_cosine: float = number(0.75, -1, 1)
    reentry_s: float = number(30, 0, 1e6)


RUN = run_dtype(Parameters)


def looks(rule: Rule | None, parameters: Parameters) -> Looks:
    """The memories of a new tracker."""
    return Looks(rule)


@kernel
def _associate(work: Work, similarity: Any) -> int:
    """The three stages; how many candidate pairs there were."""
    run, table, detections, rows, columns = work.run[0], work.table, work.detections, work.nodes[0], work.nodes[1]
    fused = run["fuse_score"] != 0.0
    limit = max(run["match_thresh"], run["match_thresh_low"], run["confirm_thresh"])
    pairs, count = candidates(work, 1.0 - limit)
    compare_looks(work, pairs, count, similarity)

    for i in range(run["tracks"]):  # confirmed tracks, lost ones too, with high detections
        rows[i]["layer"] = 0 if table[i]["confirmed"] else OUTSIDE
    for j in range(work.n):
        columns[j]["layer"] = 0 if detections[j]["pool"] == HIGH else OUTSIDE
    cascade(work, pairs, int(run["depth_levels"]), run["match_thresh"], fused, XYWH)
    forget_looks(pairs, count)

    for i in range(run["tracks"]):  # those followed so far with low detections
        rows[i]["layer"] = 0 if is_followed(table[i]) else OUTSIDE
    for j in range(work.n):
        columns[j]["layer"] = 0 if detections[j]["pool"] == LOW else OUTSIDE
    cascade(work, pairs, int(run["depth_levels_low"]), run["match_thresh_low"], False, XYWH)

    for i in range(run["tracks"]):  # tracks seen once with the high detections left over
        rows[i]["layer"] = OUTSIDE if table[i]["confirmed"] else 0
    for j in range(work.n):
        columns[j]["layer"] = 0 if detections[j]["pool"] == HIGH else OUTSIDE
    match(work, pairs, 0, run["confirm_thresh"], fused, XYWH)
    return count


@kernel
def _start_tracks(work: Work) -> None:
    run, table, detections = work.run[0], work.table, work.detections
    lowest = np.float64(np.float32(run["track_thresh"] + run["birth_margin"]))
    for j in range(work.n):
        detection = detections[j]
        if detection["pool"] == HIGH and detection["track"] < 0 and detection["score"] >= lowest:
            birth(run, table, detection, j, XYWH)


@entry(*step_arguments(RUN, looks=(given("f4", 2),)))
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
    out_ids: Any,
    out_boxes: Any,
    out_scores: Any,
    out_classes: Any,
    out_rows: Any,
    frames: float,
) -> tuple[int, int, int]:
    """One frame: (tracks shown or a negative error of `read`, tracks alive, candidate pairs met).

    `similarity` has a row a track and a column a detection, no rows where nobody's looks are known.
    """
    work = Work(run_record, table, previous, detections, spans, pairs, nodes, clusters, len(scores))
    run = run_record[0]
    error = read(run, detections, boxes, scores, classes, run["track_thresh"], run["low_thresh"])
    if error < 0:
        return error, 0, 0
    begin_frame(run, table, frames)
    predict_confirmed(run, table, frames, XYWH)
    met = _associate(work, similarity)
    _start_tracks(work)
    lose_unseen(run, table)
    compact(run, table)
    return show(run, table, out_ids, out_boxes, out_scores, out_classes, out_rows), run["tracks"], met
