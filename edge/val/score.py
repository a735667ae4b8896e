"""Scores of one tracker output against the ground truth: TrackEval is the judge.

What passes between tracker and judge is MOTChallenge text. TrackEval's own preprocessing (distractors, boxes not to be
considered) and metrics do the scoring; only its slow reading of text is replaced by ours.
"""

import contextlib
import importlib.metadata
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.errors import DataError, UnavailableError
from edge.motchallenge import Boxes, read_ground_truth, read_tracks
from edge.types import Int64s
from edge.val.dataset import Sequence as Benchmarked

# Our name -> TrackEval's metric family and field. `METRICS` are those of every table; the others are for who asks.
ALL_METRICS = {
    "HOTA": ("HOTA", "HOTA"),
    "DetA": ("HOTA", "DetA"),
    "AssA": ("HOTA", "AssA"),
    "MOTA": ("CLEAR", "MOTA"),
    "IDF1": ("Identity", "IDF1"),
    "IDSW": ("CLEAR", "IDSW"),
    "FP": ("CLEAR", "CLR_FP"),
    "FN": ("CLEAR", "CLR_FN"),
    "Frag": ("CLEAR", "Frag"),
    "LocA": ("HOTA", "LocA"),
    "MOTP": ("CLEAR", "MOTP"),
    "MT": ("CLEAR", "MT"),
    "ML": ("CLEAR", "ML"),
}
METRICS = ("HOTA", "DetA", "AssA", "MOTA", "IDF1", "IDSW", "FP", "FN", "Frag")
COUNTS = ("IDSW", "FP", "FN", "Frag", "MT", "ML")  # all others are percentages
COMBINED = "COMBINED"  # the name under which the scores over all sequences stand
_INSTALL = "python -m pip install --no-deps trackeval==1.3.0 scipy"

Scores = dict[str, float]
Result = Mapping[str, Mapping[str, Any]]  # TrackEval's fields by metric family, additive over sequences


def judge(sequence: Benchmarked, benchmark: str, tracks: Path) -> Result:
    """TrackEval's result for the frames of `sequence`; `tracks` is MOTChallenge text with the sequence's frame numbers.

    `benchmark` decides which classes are distractors. Raises DataError, and UnavailableError without TrackEval.
    """
    trackeval = _trackeval()
    truth = _only(read_ground_truth(sequence.ground_truth), sequence.frames)
    output = _only(read_tracks(tracks, sequence.info.frame_count), sequence.frames)
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            dataset = trackeval.datasets.MotChallenge2DBox(
                {
                    "GT_FOLDER": str(sequence.ground_truth.parent),
                    "GT_LOC_FORMAT": "{gt_folder}/" + sequence.ground_truth.name,
                    "SEQ_INFO": {sequence.name: len(sequence.frames)},
                    "SKIP_SPLIT_FOL": True,
                    "TRACKERS_TO_EVAL": [],
                    "BENCHMARK": benchmark,
                }
            )
            data = dataset.get_preprocessed_seq_data(_raw(dataset, sequence, truth, output), "pedestrian")
            return {name: metric.eval_sequence(data) for name, metric in _metrics().items()}
        except trackeval.utils.TrackEvalException as error:
            raise DataError(f"{tracks} against {sequence.ground_truth}: {error}") from error


def combine(results: Mapping[str, Result]) -> Result:
    """The result over all sequences, as if they were one; their names mean nothing."""
    return {
        name: metric.combine_sequences({sequence: r[name] for sequence, r in results.items()})
        for name, metric in _metrics().items()
    }


def scores(result: Result, metrics: Sequence[str] = METRICS) -> Scores:
    """The numbers of `metrics`, names of `ALL_METRICS`: percentages 0..100 and counts."""
    return {name: _score(name, result) for name in metrics}


def _score(name: str, result: Result) -> float:
    family, key = ALL_METRICS[name]
    return int(result[family][key]) if name in COUNTS else 100 * float(np.mean(result[family][key]))


def judge_version() -> str:
    """TrackEval's version. Raises UnavailableError without TrackEval."""
    _trackeval()
    return importlib.metadata.version("trackeval")


def _only(boxes: Boxes, frames: Int64s) -> Boxes:
    """The boxes of `frames`, renumbered 1, 2, … in the order of `frames`."""
    place = np.searchsorted(frames, boxes.frames)
    keep = (place < len(frames)) & (frames[np.minimum(place, len(frames) - 1)] == boxes.frames)
    return Boxes(place[keep] + 1, *(getattr(boxes, name)[keep] for name in ("ids", "boxes_ltwh", "scores", "classes")))


def _raw(dataset: Any, sequence: Benchmarked, truth: Boxes, tracks: Boxes) -> dict[str, Any]:
    """What TrackEval's reader would return: lists by frame."""
    count = len(sequence.frames)

    def by_frame(boxes: Boxes, values: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
        return np.split(values, np.searchsorted(boxes.frames, np.arange(2, count + 1)))

    truth_boxes, track_boxes = by_frame(truth, truth.boxes_ltwh), by_frame(tracks, tracks.boxes_ltwh)
    return {
        "seq": sequence.name,
        "num_timesteps": count,
        "gt_ids": by_frame(truth, truth.ids),
        "gt_dets": truth_boxes,
        "gt_classes": by_frame(truth, truth.classes),
        "gt_extras": [{"zero_marked": scores} for scores in by_frame(truth, truth.scores.astype(np.int64))],
        "tracker_ids": by_frame(tracks, tracks.ids),
        "tracker_dets": track_boxes,
        "tracker_classes": by_frame(tracks, tracks.classes),
        "tracker_confidences": by_frame(tracks, tracks.scores),
        "similarity_scores": [
            dataset._calculate_similarities(t, o) for t, o in zip(truth_boxes, track_boxes, strict=True)
        ],
    }


def _metrics() -> dict[str, Any]:
    metrics = _trackeval().metrics
    quiet = {"PRINT_CONFIG": False}
    return {"HOTA": metrics.HOTA(), "CLEAR": metrics.CLEAR(quiet), "Identity": metrics.Identity(quiet)}


def _trackeval() -> Any:
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # it prints about optional datasets that we do not use
            import trackeval
    except ImportError as error:
        raise UnavailableError(f"scoring needs TrackEval, which is not installed: run `{_INSTALL}`") from error
    return trackeval
