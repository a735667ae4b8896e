"""Preset `reference` equals the published implementations, box by box, over whole real sequences."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edge import Detections, Tracker

Rows = npt.NDArray[np.float64]

# Tracker folder -> method, parameters, the score that all detections exceed, whether the output filter was on.
SETTINGS: dict[str, tuple[str, dict[str, Any], float, bool]] = {
    "bytetrack_0.6_0.9": ("bytetrack", {"track_thresh": 0.6, "match_thresh": 0.9}, 0.1, True),
    "bytetrack_0.6_0.8": ("bytetrack", {"track_thresh": 0.6, "match_thresh": 0.8}, 0.1, True),
    "bytetrack_0.45_0.8": ("bytetrack", {"track_thresh": 0.45, "match_thresh": 0.8}, 0.1, True),
    "bytetrack_0.45_0.8_birth0.45": (
        "bytetrack",
        {"track_thresh": 0.45, "match_thresh": 0.8, "birth_margin": 0.0},
        0.1,
        True,
    ),
    "sparsetrack_mot17ab": ("sparsetrack", {}, 0.1, True),
    "sparsetrack_dance": (
        "sparsetrack",
        {"track_thresh": 0.7, "depth_levels_low": 12, "track_buffer": 60, "birth_margin": 0.05},
        0.1,
        True,
    ),
    "sparsetrack_0.45_0.8": (
        "sparsetrack",
        {"track_thresh": 0.45, "match_thresh": 0.8, "depth_levels_low": 3, "birth_margin": 0.05},
        0.1,
        True,
    ),
    "ocsort_0.6": ("ocsort", {}, 0.1, False),
    "botsort_nocmc_noreid": ("botsort", {}, 0.1, False),
    "nanotrack_shipped": ("nanotrack", {}, 0.1, False),
    "nanotrack_gate0.3": ("nanotrack", {}, 0.3, False),
}
# Set -> where its detections lie, below the data or the reference folder.
DETECTIONS = {
    "mot17_half": "mot17/det_yolox_x_ablation/{}.txt",
    "mot17_frcnn": "mot17/det_frcnn_public/{}.txt",
    "dance_val": "dancetrack_val/det_yolox_x/{}.txt.gz",
    "light": "light/{}.txt.gz",
}
PUBLISHED = [
    ("dance_val", "bytetrack_0.6_0.8"),
    ("dance_val", "nanotrack_shipped"),
    ("dance_val", "sparsetrack_dance"),
    ("light", "bytetrack_0.45_0.8"),
    ("light", "bytetrack_0.45_0.8_birth0.45"),
    ("light", "nanotrack_shipped"),
    ("light", "sparsetrack_0.45_0.8"),
    ("mot17_frcnn", "bytetrack_0.6_0.9"),
    ("mot17_frcnn", "nanotrack_shipped"),
    ("mot17_frcnn", "sparsetrack_mot17ab"),
    ("mot17_half", "bytetrack_0.6_0.8"),
    ("mot17_half", "bytetrack_0.6_0.9"),
    ("mot17_half", "botsort_nocmc_noreid"),
    ("mot17_half", "nanotrack_gate0.3"),
    ("mot17_half", "nanotrack_shipped"),
    ("mot17_half", "ocsort_0.6"),
    ("mot17_half", "sparsetrack_mot17ab"),
]
QUICK = [
    ("mot17_half", "bytetrack_0.6_0.9", "MOT17-13"),
    ("mot17_half", "botsort_nocmc_noreid", "MOT17-13"),
    ("mot17_half", "ocsort_0.6", "MOT17-13"),
    ("mot17_half", "sparsetrack_mot17ab", "MOT17-02"),
    ("mot17_half", "nanotrack_gate0.3", "MOT17-05"),
    ("mot17_frcnn", "nanotrack_shipped", "MOT17-10"),
    ("light", "nanotrack_shipped", "MOT17-11"),
    ("dance_val", "sparsetrack_dance", "dancetrack0073"),
]
TOLERANCE_PX = 0.02  # the published files have two decimals


def _rows(path: Path) -> Rows:
    with gzip.open(path) if path.suffix == ".gz" else path.open() as lines:
        return np.loadtxt(lines, delimiter=",", ndmin=2)


def _track(data: Path, reference: Path, dataset: str, tracker: str, sequence: str) -> tuple[Rows, Rows]:
    """Our boxes and the published ones: rows of frame, id, left, top, width, height."""
    method, parameters, floor, filtered = SETTINGS[tracker]
    found = _rows((reference if dataset == "light" else data) / DETECTIONS[dataset].format(sequence))
    if dataset == "mot17_half":  # the second halves, renumbered from 1
        found[:, 0] -= json.loads((data / "mot17/val_half_offsets.json").read_text())[sequence][1]
        found = found[found[:, 0] > 0]
    found = found[found[:, 6] > floor]
    ours = []
    tracking = Tracker(method, preset="reference", **parameters)
    for frame in range(1, int(found[:, 0].max()) + 1):
        rows = found[found[:, 0] == frame]
        boxes = np.concatenate([rows[:, 2:4], rows[:, 2:4] + rows[:, 4:6]], 1).astype(np.float32)
        tracks = tracking.update(Detections(boxes, rows[:, 6].astype(np.float32)))
        corner, size = tracks.boxes_xyxy[:, :2], tracks.boxes_xyxy[:, 2:] - tracks.boxes_xyxy[:, :2]
        ours.append(np.column_stack([np.full(len(tracks), frame), tracks.ids, corner, size]))
    mine = np.concatenate(ours)
    if filtered:
        mine = mine[(mine[:, 4] * mine[:, 5] > 100) & (mine[:, 4] / mine[:, 5] <= 1.6)]
    return mine, _rows(reference / "tracks" / dataset / tracker / f"{sequence}.txt.gz")[:, :6]


def _disagreements(mine: Rows, theirs: Rows) -> list[str]:
    """What differs: numbers of boxes, boxes that are not there, identities that are not one renaming."""
    wrong = []
    renamed: dict[int, int] = {}  # their identity -> ours
    for frame in np.union1d(mine[:, 0], theirs[:, 0]):
        a, b = mine[mine[:, 0] == frame], theirs[theirs[:, 0] == frame]
        if len(a) != len(b):
            wrong.append(f"frame {frame:.0f}: {len(a)} boxes, {len(b)} published")
        for row in b:
            near = {int(box[1]) for box in a if np.abs(box[2:6] - row[2:6]).max() <= TOLERANCE_PX}
            identity = renamed.setdefault(int(row[1]), min(near - set(renamed.values()), default=-1))
            if identity not in near:
                wrong.append(f"frame {frame:.0f}: published {row[1]:.0f} is not our {identity}, there are {near}")
    return wrong


def _all_cases() -> list[tuple[str, str, str]]:
    sequences = {
        "dance_val": [f"dancetrack{n:04}" for n in (4, 7, 14, 19, 26, 34, 41, 47, 63, 73, 79, 90, 97)],
        **{
            name: [f"MOT17-{n:02}" for n in (2, 4, 5, 9, 10, 11, 13)] for name in ("mot17_half", "mot17_frcnn", "light")
        },
    }
    return [(name, tracker, sequence) for name, tracker in PUBLISHED for sequence in sequences[name]]


@pytest.mark.parametrize(("dataset", "tracker", "sequence"), QUICK)
def test_reference_preset_equals_published_tracks(
    data: Path, reference: Path, dataset: str, tracker: str, sequence: str
) -> None:
    assert _disagreements(*_track(data, reference, dataset, tracker, sequence)) == []


@pytest.mark.slow
@pytest.mark.parametrize(("dataset", "tracker", "sequence"), _all_cases())
def test_reference_preset_equals_published_tracks_everywhere(
    data: Path, reference: Path, dataset: str, tracker: str, sequence: str
) -> None:
    assert _disagreements(*_track(data, reference, dataset, tracker, sequence)) == []


def test_the_comparison_sees_a_single_swapped_identity_and_a_moved_box() -> None:
    theirs = np.array([[f, i, 100.0 * i, 50.0, 40.0, 90.0] for f in range(1, 5) for i in (1, 2)])
    assert _disagreements(theirs, theirs) == []
    swapped = theirs.copy()
    swapped[6:, 1] = [2, 1]
    assert len(_disagreements(swapped, theirs)) == 2
    moved = theirs.copy()
    moved[3, 2] += 0.03
    assert len(_disagreements(moved, theirs)) == 1
    assert len(_disagreements(theirs[:-1], theirs)) == 2  # one box less, and its identity is missing
