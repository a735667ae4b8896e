"""Crowds made of MOT17's half-validation: one sequence laid over another or over its own mirror image, detections and
truth. No people laid on top hide those below from the detector.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.data import DATA
from edge.val.dataset import Sequence, find_sequences

OVERLAID = (("MOT17-04", "MOT17-02"), ("MOT17-04", "MOT17-09"), ("MOT17-04", "mirrored"))


def overlaid(folder: Path) -> list[Sequence]:
    """The crowds; `folder` takes their files."""
    found = find_sequences(DATA / "mot17/gt", "MOT17", "val-half", DATA / "mot17/det_yolox_x_ablation")
    half = {s.name: s for s in found}
    return [
        overlay(half[one], half[other] if other in half else mirrored(half[one], folder), folder)
        for one, other in OVERLAID
    ]


def mirrored(sequence: Sequence, folder: Path) -> Sequence:
    """The sequence seen in a mirror: left is right."""
    if sequence.detections is None:
        raise ValueError("detections: expected some, found none")
    paths = []
    for kind, file in (("gt", sequence.ground_truth), ("det", sequence.detections)):
        rows = np.loadtxt(file, delimiter=",", ndmin=2)
        rows[:, 2] = sequence.info.width - rows[:, 2] - rows[:, 4]
        paths.append(folder / f"{sequence.name}.mirrored.{kind}.txt")
        np.savetxt(paths[-1], rows, fmt="%.6g", delimiter=",")
    return replace(sequence, name=f"{sequence.name}-mirrored", ground_truth=paths[0], detections=paths[1])


def overlay(one: Sequence, other: Sequence, folder: Path) -> Sequence:
    """One sequence that has the detections and the people of two, from their first frames as long as both go on."""
    if one.detections is None or other.detections is None:
        raise ValueError("detections: expected some for both sequences, found none")
    count = min(len(one.frames), len(other.frames))
    name = f"{one.name}+{other.name}"
    paths = {}
    for kind, files in (
        ("gt", (one.ground_truth, other.ground_truth)),
        ("det", (one.detections, other.detections)),
    ):
        rows = [np.loadtxt(file, delimiter=",", ndmin=2) for file in files]
        for values, sequence in zip(rows, (one, other), strict=True):
            values[:, 0] -= sequence.frames[0] - 1
        if kind == "gt":
            rows[1][:, 1] += rows[0][:, 1].max()
        both = np.concatenate([values[:, : min(r.shape[1] for r in rows)] for values in rows])
        both = both[(both[:, 0] >= 1) & (both[:, 0] <= count)]
        paths[kind] = folder / f"{name}.{kind}.txt"
        np.savetxt(paths[kind], both[np.argsort(both[:, 0], kind="stable")], fmt="%.6g", delimiter=",")
    info = replace(one.info, name=name, frame_count=count)
    return Sequence(name, info, np.arange(1, count + 1), paths["gt"], paths["det"], None)
