"""Trackers to time side by side, ours and those of other projects, each behind the same three functions.

Settings where a library has them: high threshold .5, low .1, birth .6, cost limit .8, lost buffer 30 frames; else its
own. Ours of NanoTrack are its own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge.types import Detections, Float32s, Int64s


@dataclass(frozen=True, slots=True)
class Peer:
    """One new tracker for a 1920x1080 scene at 30 frames a second.

    `prepare(boxes_xyxy, scores)` makes the library's own input and `extract` reads ids and boxes from its output;
    only `update` between them is timed.
    """

    update: Callable[[Any], Any]
    prepare: Callable[[Float32s, Float32s], Any]
    extract: Callable[[Any], tuple[Int64s, Float32s]]


def _ours(method: str, **parameters: Any) -> Callable[[], Peer]:
    def make() -> Peer:
        from edge.track.tracker import Tracker

        return Peer(
            Tracker(method, **parameters).update,
            lambda boxes, scores: Detections(boxes, scores, np.zeros(len(boxes), np.int32)),
            lambda tracks: (tracks.ids, tracks.boxes_xyxy),
        )

    return make


def _trackforge() -> Peer:
    import trackforge

    def prepare(boxes: Float32s, scores: Float32s) -> Any:
        ltwh = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], 1)
        return list(zip(ltwh.tolist(), scores.tolist(), [0] * len(scores), strict=True))

    def extract(tracks: Any) -> tuple[Int64s, Float32s]:
        boxes = np.array([track[1] for track in tracks], np.float32).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        return np.array([track[0] for track in tracks], np.int64), boxes

    tracker = trackforge.BYTETRACK(track_thresh=0.5, track_buffer=30, match_thresh=0.8, det_thresh=0.6)
    return Peer(tracker.update, prepare, extract)


def _visiontrack() -> Peer:
    import visiontrack_cpp

    tracker = visiontrack_cpp.ByteTracker(visiontrack_cpp.TrackerConfig())
    return Peer(
        lambda arrays: tracker.update(*arrays),
        lambda boxes, scores: (boxes.astype(np.float64), scores.astype(np.float64)),
        lambda out: (out[0], out[1].astype(np.float32)),
    )


def _ioutrack() -> Peer:
    import ioutrack

    tracker = ioutrack.ByteTrack(
        max_age=30,
        min_hits=2,
        iou_threshold=0.2,
        init_tracker_min_score=0.6,
        high_score_threshold=0.5,
        low_score_threshold=0.1,
    )
    return Peer(
        lambda rows: tracker.update(rows, return_all=False),
        lambda boxes, scores: np.concatenate([boxes, scores[:, None]], 1),
        lambda out: (out[:, 4].astype(np.int64), out[:, :4]),
    )


def _cjm() -> Peer:
    vars(np).setdefault("float", float)  # removed in NumPy 1.24, still used there
    from cjm_byte_track.core import BYTETracker

    tracker = BYTETracker(track_thresh=0.5, track_buffer=30, match_thresh=0.8, frame_rate=30)
    return Peer(
        lambda rows: tracker.update(rows, (1080, 1920), (1080, 1920)),
        lambda boxes, scores: np.concatenate([boxes, scores[:, None]], 1).astype(np.float64),
        lambda out: (
            np.array([track.track_id for track in out], np.int64),
            np.array([track.tlbr for track in out], np.float32).reshape(-1, 4),
        ),
    )


def _roboflow() -> Peer:
    import supervision
    import trackers

    tracker = trackers.ByteTrackTracker(
        lost_track_buffer=30, frame_rate=30.0, track_activation_threshold=0.6, high_conf_det_threshold=0.5
    )
    return Peer(
        tracker.update,
        lambda boxes, scores: supervision.Detections(xyxy=boxes, confidence=scores),
        lambda out: (out.tracker_id[out.tracker_id >= 0], out.xyxy[out.tracker_id >= 0]),
    )


# Name -> (distribution on the package index, language, how to make one).
PEERS: dict[str, tuple[str, str, Callable[[], Peer]]] = {
    "ours, ByteTrack": ("nanotrack-edge", "Numba", _ours("bytetrack", track_thresh=0.5, match_thresh=0.8)),
    "ours, SparseTrack": ("nanotrack-edge", "Numba", _ours("sparsetrack", track_thresh=0.5, match_thresh=0.8)),
    "ours, NanoTrack": ("nanotrack-edge", "Numba", _ours("nanotrack")),
    "trackforge ByteTrack": ("trackforge", "Rust", _trackforge),
    "visiontrack-cpp ByteTrack": ("visiontrack-cpp", "C++", _visiontrack),
    "ioutrack ByteTrack": ("ioutrack-rs", "Rust", _ioutrack),
    "trackers ByteTrack": ("trackers", "Python", _roboflow),
    "cjm-byte-track": ("cjm-byte-track", "Python", _cjm),
}
