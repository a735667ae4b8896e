"""BoT-SORT (Aharon et al., arXiv 2206.14651): ByteTrack's stages with a Kalman filter of width and height.

Its camera motion compensation reads the image and is left out; its appearance rule is `--appearance ema`. Unlike
ByteTrack it shows new tracks in the frame in which they begin.
"""

from dataclasses import dataclass
from typing import Any

from edge.kernels.jit import kernel
from edge.track.appearance.memory import cosine_memories
from edge.track.lifecycle import begin_frame, lose_unseen, predict_confirmed, start_tracks, write_shown
from edge.track.method import Method, Preset
from edge.track.methods import bytetrack
from edge.track.methods.bytetrack import associate, drop_duplicates
from edge.track.motion.kalman import XYWH
from edge.track.motion.prediction import predicted_xywh
from edge.track.parameters import number
from edge.track.state import TRACKED, Work


@dataclass(frozen=True)
class Parameters(bytetrack.Parameters):
    """As ByteTrack's; `match_thresh` is the authors' for MOT17."""

    match_thresh: float = number(0.8, 0, 1)


@kernel
def _step(work: Work, frames: float, similarity: Any, inputs: None) -> int:
    run, table = work.run[0], work.table
    begin_frame(run, table, frames)
    predict_confirmed(run, table, frames, XYWH)
    pairs = associate(work, similarity, XYWH)
    start_tracks(work, XYWH)
    lose_unseen(run, table)
    drop_duplicates(work)
    return pairs


@kernel
def _show(work: Work, ids: Any, boxes: Any, scores: Any, classes: Any, rows: Any) -> int:
    """Write the tracks seen in this frame, new ones too, to the output arrays; how many there are."""
    shown = 0
    for i in range(work.run[0]["tracks"]):
        if work.table[i]["status"] == TRACKED:
            write_shown(work.table[i], shown, ids, boxes, scores, classes, rows)
            shown += 1
    return shown


METHOD = Method(
    name="botsort",
    parameters=Parameters,
    step=_step,
    show=_show,
    high="track_thresh",
    low="low_thresh",
    presets={"reference": Preset()},
    predicted_boxes=predicted_xywh,
    memories=cosine_memories,
    appearance_iou="appearance_iou",
    keeps_groups_apart=True,
)
