"""What it costs and saves to detect in every k-th frame only, and to predict in the others.

    python -m benchmarks.accuracy.bridging [--video FILE] [--model PACK|FILE.onnx] [--frames N]

Needs the data folder (`../shared/data` or NANOTRACK_DATA), and TrackEval.
"""

import argparse
import itertools
import os
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from benchmarks.accuracy.published import SETS
from benchmarks.data import DATA
from benchmarks.results import table, write_section
from benchmarks.speed.stages import exported, looped
from edge.chain.interval import DetectInterval
from edge.chain.pipeline import Pipeline
from edge.motchallenge import format_rows, read_detections
from edge.spans import Spans
from edge.track.tracker import Tracker
from edge.val.dataset import Sequence
from edge.val.run import Job, evaluate
from edge.val.score import COMBINED, COUNTS, Scores

SHOWN = ("HOTA", "DetA", "AssA", "MOTA", "IDF1", "IDSW")
EVERY = (1, 2, 3, 4)
METHODS = {"NanoTrack": "nanotrack", "ByteTrack": "bytetrack"}
VIDEO = DATA / "videos" / "one-by-one-person-detection.mp4"
ROUNDS = 5


def main() -> None:
    """Measure and write the section of the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--video", type=Path, default=VIDEO, help="for the times")
    parser.add_argument("--model", type=Path, help="for the times; default: the data folder's")
    parser.add_argument("--frames", type=int, default=120, help="of the video in each of five rounds")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scores = _scores(Path(folder))
        times_ms = _times_ms(args.video, args.model or exported(Path(folder)), args.frames)
    body = _text(scores, times_ms, args.video.name)
    print(body)
    packages = ("nanotrack-edge", "numpy", "numba", "onnxruntime", "trackeval")
    write_section("bridging", "Detecting in every k-th frame", body, "python -m benchmarks.accuracy.bridging", packages)


def _scores(folder: Path) -> dict[str, Scores]:
    """Scores over all sequences by "METHOD/k/predicted" and "METHOD/k/held"."""
    half = SETS[0]
    jobs = []
    for method, every, way in itertools.product(METHODS.values(), EVERY, ("predicted", "held")):
        label = f"{method}/{every}/{way}"
        for sequence in half.sequences():
            out = folder / label / f"{sequence.name}.txt"
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_text(_tracked(sequence, method, every, held=way == "held"), "utf-8")
            jobs.append(Job(label, sequence, half.benchmark, out))
    return {label: found[COMBINED] for label, found in evaluate(jobs, len(os.sched_getaffinity(0))).items()}


def _tracked(sequence: Sequence, method: str, every: int, *, held: bool) -> str:
    """Tracks as MOTChallenge text: between detections predicted, or where they were `held` by the last one."""
    if sequence.detections is None:
        raise SystemExit(f"{sequence.name}: expected detections in the data folder")
    detections = read_detections(sequence.detections, sequence.info.frame_count)
    tracker = Tracker(method, sequence.info.frame_rate)
    interval, rows = DetectInterval(every), []
    for number in sequence.frames.tolist():
        time_s = (number - 1) / sequence.info.frame_rate
        if interval.is_due(time_s):
            tracks = tracker.update(detections[number - 1], time_s)
        elif not held:
            tracks = tracker.predict(time_s)
        rows.append(format_rows(number, tracks))
    return "".join(rows)


def _times_ms(video: Path, model: Path, frames: int) -> dict[int, float]:
    """Processor time of detecting and tracking one frame on one thread by k: the median of rounds in turns."""
    found: dict[int, list[float]] = {every: [] for every in EVERY}
    pipelines = {every: Pipeline(model, detect_every=every) for every in EVERY}
    for _ in range(ROUNDS):
        for every, pipeline in pipelines.items():
            pipeline.tracker.reset()
            busy_s = 0.0
            for frame in looped(video, Spans(), frames):
                began_s = time.process_time()
                pipeline(frame)
                busy_s += time.process_time() - began_s
            found[every].append(1e3 * busy_s / frames)
    return {every: float(np.median(values)) for every, values in found.items()}


def _text(scores: Mapping[str, Scores], times_ms: Mapping[int, float], video: str) -> str:
    rows = []
    for name, method in METHODS.items():
        for every in EVERY:
            for way in ("predicted", "held") if every > 1 else ("predicted",):
                cells = _cells(scores[f"{method}/{every}/{way}"])
                shown = f"1 of {every}, boxes {way} between" if every > 1 else "every frame"
                rows.append((name if every == 1 else "", shown, *cells))
    times = [(f"1 of {k}" if k > 1 else "every frame", video, f"{ms:.1f}") for k, ms in times_ms.items()]
    return f"""MOT17 half-val, YOLOX-X detections, default presets, scored on every frame. *Predicted* is
`Tracker.predict`, *held* repeats the boxes of the last detection.

{table(("method", "detected in", *SHOWN), rows)}
Processor time of detecting and tracking a frame of a real video, NanoDet-Plus-m 416 in fp32 on one thread unless
--model says otherwise, median of {ROUNDS} rounds in turns:

{table(("detected in", "video", "ms a frame"), times)}"""


def _cells(scores: Scores) -> list[str]:
    return [f"{scores[name]:.0f}" if name in COUNTS else f"{scores[name]:.1f}" for name in SHOWN]


if __name__ == "__main__":
    main()
