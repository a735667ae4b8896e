"""SparseTrack (Liu et al., arXiv 2306.05238): ByteTrack's two stages, each from near to far in bands of pseudo-depth.

The published camera motion compensation reads the image and is left out.
"""

from dataclasses import dataclass
from typing import Any

from edge.kernels.jit import kernel
from edge.track.appearance.memory import cosine_memories
from edge.track.lifecycle import begin_frame, lose_unseen, predict_confirmed, start_tracks
from edge.track.method import Method, Preset
from edge.track.motion.kalman import XYWH
from edge.track.motion.prediction import predicted_xywh
from edge.track.parameters import AppearanceParameters, number
from edge.track.stages import (
    CONFIRMED,
    FOLLOWED,
    NEW,
    candidates,
    cascade,
    compare_appearance,
    enrol_detections,
    enrol_tracks,
    forget_appearance,
    match,
)
from edge.track.state import HIGH, LOW, Work


@dataclass(frozen=True)
class Parameters(AppearanceParameters):
    """Defaults are the authors' for MOT17 half-validation.

    `track_thresh`, `low_thresh`: scores that bound the high and the low pool.
    `match_thresh`: limit of the first stage's cost, 1 - IoU * score.
    `match_thresh_low`: limit of the second stage's cost, 1 - IoU (a constant in their code, .35 for DanceTrack).
    `confirm_thresh`: limit of the cost for tracks seen once, 1 - IoU * score.
    `birth_margin`: how far above `track_thresh` a new track's score must lie (.05 elsewhere than half-validation).
    `depth_levels`, `depth_levels_low`: depth bands of the first and of the second stage.
    `track_buffer`: how long a lost track is kept, in frames at 30 a second.
    `fuse_score`: 1, or 0 to leave the score out of all costs (their MOT20 setting).
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


@kernel
def _associate(work: Work, similarity: Any) -> int:
    """The three stages; how many candidate pairs there were."""
    run = work.run[0]
    fused = run["fuse_score"] != 0.0
    limit = max(run["match_thresh"], run["match_thresh_low"], run["confirm_thresh"])
    pairs, count = candidates(work, 1.0 - limit)
    compare_appearance(work, pairs, count, similarity)
    enrol_tracks(work, CONFIRMED)
    enrol_detections(work, HIGH)
    cascade(work, pairs, int(run["depth_levels"]), run["match_thresh"], fused, XYWH)
    forget_appearance(pairs, count)
    enrol_tracks(work, FOLLOWED)
    enrol_detections(work, LOW)
    cascade(work, pairs, int(run["depth_levels_low"]), run["match_thresh_low"], False, XYWH)
    enrol_tracks(work, NEW)
    enrol_detections(work, HIGH)
    match(work, pairs, 0, run["confirm_thresh"], fused, XYWH)
    return count


@kernel
def _step(work: Work, frames: float, similarity: Any, inputs: None) -> int:
    run, table = work.run[0], work.table
    begin_frame(run, table, frames)
    predict_confirmed(run, table, frames, XYWH)
    pairs = _associate(work, similarity)
    start_tracks(work, XYWH)
    lose_unseen(run, table)
    return pairs


METHOD = Method(
    name="sparsetrack",
    parameters=Parameters,
    step=_step,
    high="track_thresh",
    low="low_thresh",
    presets={"reference": Preset()},
    predicted_boxes=predicted_xywh,
    memories=cosine_memories,
    appearance_iou="appearance_iou",
    keeps_groups_apart=True,
)
