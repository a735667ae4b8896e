"""ByteTrack (Zhang et al., ECCV 2022): match every detection box, those of low score in a second stage."""

from dataclasses import dataclass
from typing import Any

from edge.kernels.jit import kernel
from edge.track.appearance.memory import cosine_memories
from edge.track.lifecycle import are_apart, begin_frame, lose_unseen, predict_confirmed, start_tracks
from edge.track.matching.boxes import overlapping, sort_spans, span
from edge.track.method import Method, Preset
from edge.track.motion.kalman import XYAH
from edge.track.motion.prediction import predicted_xyah
from edge.track.parameters import AppearanceParameters, number
from edge.track.stages import (
    CONFIRMED,
    FOLLOWED,
    NEW,
    candidates,
    compare_appearance,
    enrol_detections,
    enrol_tracks,
    forget_appearance,
    match,
)
from edge.track.state import HIGH, LOST, LOW, REMOVED, TRACKED, Work


@dataclass(frozen=True)
class Parameters(AppearanceParameters):
    """Defaults are the authors' for MOT17 (their command line and constants in their code).

    `track_thresh`, `low_thresh`: scores that bound the high and the low pool.
    `match_thresh`: limit of the first stage's cost, 1 - IoU * score.
    `track_buffer`: how long a lost track is kept, in frames at 30 a second.
    `match_thresh_low`: limit of the second stage's cost, 1 - IoU.
    `confirm_thresh`: limit of the cost for tracks seen once, 1 - IoU * score.
    `birth_margin`: how far above `track_thresh` a new track's score must lie.
    `duplicate_iou`: a tracked and a lost track above it are one.
    `fuse_score`: 1, or 0 to leave the score out of all costs (their MOT20 setting).
    """

    track_thresh: float = number(0.6, 0, 1)
    match_thresh: float = number(0.9, 0, 1)
    track_buffer: float = number(30, 0, 1e6)
    low_thresh: float = number(0.1, 0, 1)
    match_thresh_low: float = number(0.5, 0, 1)
    confirm_thresh: float = number(0.7, 0, 1)
    birth_margin: float = number(0.1, 0, 1)
    duplicate_iou: float = number(0.85, 0, 1)
    fuse_score: int = number(1, 0, 1)


@kernel
def associate(work: Work, similarity: Any, model: int) -> int:
    """The three stages, for a Kalman filter of `model`; how many candidate pairs there were."""
    run = work.run[0]
    fused = run["fuse_score"] != 0.0
    limit = max(run["match_thresh"], run["match_thresh_low"], run["confirm_thresh"])
    pairs, count = candidates(work, 1.0 - limit)
    compare_appearance(work, pairs, count, similarity)
    enrol_tracks(work, CONFIRMED)
    enrol_detections(work, HIGH)
    match(work, pairs, 0, run["match_thresh"], fused, model)
    forget_appearance(pairs, count)
    enrol_tracks(work, FOLLOWED)
    enrol_detections(work, LOW)
    match(work, pairs, 0, run["match_thresh_low"], False, model)
    enrol_tracks(work, NEW)
    enrol_detections(work, HIGH)
    match(work, pairs, 0, run["confirm_thresh"], fused, model)
    return count


@kernel
def drop_duplicates(work: Work) -> None:
    """Of a tracked and a lost track in the same place only the one with the longer life stays."""
    run, table, one, other, scratch = work.run[0], work.table, work.spans[0], work.spans[1], work.spans[2]
    tracked = lost = 0
    for i in range(run["tracks"]):
        if table[i]["status"] == TRACKED:
            span(one[tracked], i, table[i]["box"], run["margin"])
            tracked += 1
        elif table[i]["status"] == LOST:
            span(other[lost], i, table[i]["box"], run["margin"])
            lost += 1
    if lost == 0:
        return
    sort_spans(one, tracked, scratch, run["digits"])
    sort_spans(other, lost, scratch, run["digits"])
    floor = run["duplicate_iou"]
    pairs, count = overlapping(one, tracked, other, lost, run["margin"], floor, work.pairs[0])
    for p in range(count):
        a, b = table[pairs[p]["row"]], table[pairs[p]["column"]]
        if are_apart(run, a, b):
            continue
        if a["last"] - a["start"] > b["last"] - b["start"]:
            b["status"] = REMOVED
        else:
            a["status"] = REMOVED


@kernel
def _step(work: Work, frames: float, similarity: Any, inputs: None) -> int:
    run, table = work.run[0], work.table
    begin_frame(run, table, frames)
    predict_confirmed(run, table, frames, XYAH)
    pairs = associate(work, similarity, XYAH)
    start_tracks(work, XYAH)
    lose_unseen(run, table)
    drop_duplicates(work)
    return pairs


METHOD = Method(
    name="bytetrack",
    parameters=Parameters,
    step=_step,
    high="track_thresh",
    low="low_thresh",
    presets={"reference": Preset()},
    predicted_boxes=predicted_xyah,
    memories=cosine_memories,
    appearance_iou="appearance_iou",
    keeps_groups_apart=True,
)
