"""Dense crowds: NanoTrack's default beside the other methods where boxes hide each other.

    python -m benchmarks.crowds [--pack out/demo/builtin.pack]

Two sequences of MOT17's half-validation laid on top of each other, detections and truth, and, with a pack for it, the
built-in scene with 20 and with 150 people. Needs what benchmarks/accuracy.py needs.
"""

import argparse
import os
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.accuracy import SETS
from benchmarks.results import table, write_section
from edge.benchmark import Sequence
from edge.demo.scene import Scene
from edge.detect.detector import Detector
from edge.evaluate import Job, Setting, evaluate
from edge.judge import COMBINED, COUNTS, Scores
from edge.motchallenge import SequenceInfo, format_detections
from edge.pipeline import open_detector

OVERLAID = (("MOT17-04", "MOT17-02"), ("MOT17-04", "MOT17-09"))
SCENES = ((20, 300, (3, 4, 5)), (150, 150, (6,)))  # people, frames, seeds, none of them seen in tuning
METHODS = (
    ("NanoTrack", Setting("nanotrack")),
    ("NanoTrack as published, .45", Setting("nanotrack", "published")),
    ("ByteTrack .6", Setting("bytetrack")),
    ("ByteTrack .3", Setting("bytetrack", "default", {"track_thresh": 0.3, "birth_margin": 0.1})),
    ("SparseTrack .6", Setting("sparsetrack")),
    ("SparseTrack .3", Setting("sparsetrack", "default", {"track_thresh": 0.3, "birth_margin": 0.1})),
)
SHOWN = ("HOTA", "DetA", "AssA", "MOTA", "IDF1", "IDSW", "FP", "FN")


def main() -> None:
    """Overlay, shoot, track, score, print and write the section of RESULTS.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pack", type=Path, help="detector for the built-in scene; make demo makes one")
    pack = parser.parse_args().pack
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        crowds = dict(_overlaid(folder))
        if pack:
            for people, frames, seeds in SCENES:
                crowds[f"built-in scene, {people} people"] = [_shot(pack, people, frames, s, folder) for s in seeds]
        jobs = [
            Job(f"{crowd}/{name}", sequence, "MOT17", folder / f"tracks/{number}_{name}_{sequence.name}.txt", setting)
            for number, (crowd, sequences) in enumerate(crowds.items())
            for name, setting in METHODS
            for sequence in sequences
        ]
        scores = evaluate(jobs, len(os.sched_getaffinity(0)))
    body = _text(crowds, scores)
    print(body)
    write_section(
        "crowds",
        "Crowds",
        body,
        f"python -m benchmarks.crowds{' --pack out/demo/builtin.pack' if pack else ''}",
        ("nanotrack-edge", "numba", "trackeval"),
    )


def _overlaid(folder: Path) -> list[tuple[str, list[Sequence]]]:
    half = {s.name: s for s in next(s for s in SETS if s.key == "mot17_half").sequences()}
    pairs = [(half[one], half[other]) for one, other in OVERLAID]
    return [(f"{one.name} and {other.name[-2:]}, half-val", [overlay(one, other, folder)]) for one, other in pairs]


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


def _shot(pack: Path, people: int, frames: int, seed: int, folder: Path) -> Sequence:
    """A scene's truth and what the pack's detector sees in it."""
    detector, scene = open_detector(pack), Scene.from_url(f"demo://?people={people}&seed={seed}&frames={frames}")
    if not isinstance(detector, Detector):
        raise ValueError(f"{pack}: expected a detector that sees one frame at a time")
    truth, seen = [], []
    for frame, real in scene:
        truth.append(real.rows(frame.number, frame.image.shape[0]))
        seen.append(format_detections(frame.number, detector(frame.image)))
    name = f"scene{people}-{seed}"
    paths = folder / f"{name}.gt.txt", folder / f"{name}.det.txt"
    for path, lines in zip(paths, (truth, seen), strict=True):
        path.write_text("".join(lines), "utf-8")
    info = SequenceInfo(name, scene.frame_rate, frames, *scene.size, "img1", ".jpg")
    return Sequence(name, info, np.arange(1, frames + 1), *paths, None)


def _text(crowds: Mapping[str, list[Sequence]], scores: Mapping[str, Mapping[str, Scores]]) -> str:
    rows = []
    for crowd in crowds:
        for name, _ in METHODS:
            values = scores[f"{crowd}/{name}"][COMBINED]
            cells = [f"{values[m]:.0f}" if m in COUNTS else f"{values[m]:.1f}" for m in SHOWN]
            rows.append((crowd if name == METHODS[0][0] else "", name, *cells))
    return f"""Each method with its defects repaired, on the same detections; .3 are the thresholds for light detectors.

{table(("crowd", "tracker", *SHOWN), rows)}"""


if __name__ == "__main__":
    main()
