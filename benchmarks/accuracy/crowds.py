"""Dense crowds: NanoTrack's default beside the other methods where boxes hide each other.

    python -m benchmarks.accuracy.crowds [--pack builtin.pack]

Sequences of MOT17's half-validation laid on top of each other or of their own mirror image, detections and truth, and,
with a pack for it, the built-in scene with 20 and with 150 people. Needs the data folder.
The pack is that of the built-in detector at its own size, not the one of `make demo`:

    nanotrack-export pack --detector edge/demo/weights/detector.pth -o builtin.pack
"""

import argparse
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.accuracy.trials import JITTER, METRICS, Run, measure, workers
from benchmarks.data import DATA
from benchmarks.results import table, write_section
from edge.demo.scene import Scene
from edge.detect.detector import Detector
from edge.detect.open import open_detector
from edge.motchallenge import SequenceInfo, format_detections
from edge.val.dataset import Sequence, find_sequences
from edge.val.run import Setting
from edge.val.score import COUNTS, Scores

OVERLAID = (("MOT17-04", "MOT17-02"), ("MOT17-04", "MOT17-09"), ("MOT17-04", "mirrored"))
SCENES = ((20, 300, (33, 34, 35)), (150, 150, (36,)))  # people, frames, seeds, none of them seen in tuning
DRAWS = 4  # of jitter
METHODS = {
    "NanoTrack": Setting("nanotrack"),
    "NanoTrack as published, .45": Setting("nanotrack", "published"),
    "ByteTrack .6": Setting("bytetrack"),
    "ByteTrack .3": Setting("bytetrack", "default", {"track_thresh": 0.3, "birth_margin": 0.1}),
    "SparseTrack .6": Setting("sparsetrack"),
    "SparseTrack .3": Setting("sparsetrack", "default", {"track_thresh": 0.3, "birth_margin": 0.1}),
}


def main() -> None:
    """Overlay, shoot, track, score, print and write the section of the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pack", type=Path, help="detector for the built-in scene")
    pack, begun = parser.parse_args().pack, time.monotonic()
    with tempfile.TemporaryDirectory() as temporary, workers() as pool:
        crowds = overlaid(Path(temporary)) | (shot(pack, Path(temporary)) if pack else {})
        runs = [Run(setting, JITTER, seed) for setting in METHODS.values() for seed in range(DRAWS)]
        scores = measure(pool, crowds, runs)
    body = _text({name: scores[k * DRAWS : (k + 1) * DRAWS] for k, name in enumerate(METHODS)})
    print(body)
    command = f"python -m benchmarks.accuracy.crowds{' --pack builtin.pack' if pack else ''}"
    write_section("crowds", "Crowds", body, command, ("nanotrack-edge", "numba", "scipy"))
    print(f"{time.monotonic() - begun:.0f} s")


def overlaid(folder: Path) -> dict[str, list[Sequence]]:
    """The crowds made of half-validation, by name."""
    found = find_sequences(DATA / "mot17/gt", "MOT17", "val-half", DATA / "mot17/det_yolox_x_ablation")
    half = {s.name: s for s in found}
    crowds = {}
    for one, other in OVERLAID:
        with_ = half[other] if other in half else mirrored(half[one], folder)
        crowds[f"{one} and {other.removeprefix('MOT17-')}, half-val"] = [overlay(half[one], with_, folder)]
    return crowds


def shot(pack: Path, folder: Path) -> dict[str, list[Sequence]]:
    """The built-in scene as the pack's detector sees it, by name."""
    return {
        f"built-in scene, {people} people": [_shot(pack, people, frames, seed, folder) for seed in seeds]
        for people, frames, seeds in SCENES
    }


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


def _text(scores: Mapping[str, list[dict[str, Scores]]]) -> str:
    """`scores`: of every draw by crowd, by method."""
    rows = []
    for crowd in scores[next(iter(METHODS))][0]:
        for place, (name, draws) in enumerate(scores.items()):
            means = {m: float(np.mean([draw[crowd][m] for draw in draws])) for m in METRICS}
            spread = float(np.std([draw[crowd]["HOTA"] for draw in draws], ddof=1))
            cells = [f"{means[m]:.0f}" if m in COUNTS else f"{means[m]:.1f}" for m in METRICS]
            cells[0] += f" ± {spread:.1f}"
            rows.append((crowd if place == 0 else "", name, *cells))
    return f"""Each method with its defects repaired, on the same detections; .3 are the thresholds for light detectors.
Mean of {DRAWS} draws of {100 * JITTER:g} % jitter of the boxes, and the standard deviation of a draw. No people laid on
top hide those below from the detector.

{table(("crowd", "tracker", *METRICS), rows)}"""


if __name__ == "__main__":
    main()
