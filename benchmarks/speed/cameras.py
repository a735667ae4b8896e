"""Saturated cameras on all cores: one network for all of them beside one for each core.

    python -m benchmarks.speed.cameras PACK [--video FILE]

Every camera always has its next picture ready, decoded before. Each way runs in turns; threads are of one process, as
in the daemon. Rates mean something on an idle machine only; frames a second of CPU time do on a busy one, too.
"""

import argparse
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from benchmarks.data import DATA
from benchmarks.results import table, write_section
from edge.chain.chain import Chain
from edge.chain.detections import Detecting
from edge.detect.open import open_detector
from edge.track.tracker import Tracker
from edge.types import Frame, Image
from edge.video.open import open_source

CAMERAS = 4
PICTURES = 100
TURNS, TURN_S = 4, 4.0
_FRAME_RATE = 30.0


@dataclass(frozen=True)
class Rate:
    """Of one turn: frames a second, frames a second of CPU time, and cores in use."""

    per_s: float
    per_cpu_s: float
    cores: float


def main() -> None:
    """Measure and write the section of the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pack", type=Path)
    parser.add_argument("--video", type=Path, default=DATA / "videos" / "one-by-one-person-detection.mp4")
    parser.add_argument("--rung", default="onnxruntime-int8")
    parser.add_argument("--dry-run", action="store_true", help="print only")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    body = measured(args.pack, args.rung, pictures(args.video))
    print(body)
    if not args.dry_run:
        command = "python -m benchmarks.speed.cameras PACK"
        write_section("cameras", "Several saturated cameras", body, command, ("numpy", "numba", "onnxruntime"))


def pictures(video: Path) -> list[Image]:
    """The first pictures of a video."""
    source, found = open_source(str(video)), []
    for _ in range(PICTURES):
        frame = source.read(np.empty((source.size[1], source.size[0], 3), np.uint8))
        if frame is None:
            break
        found.append(frame.image)
    source.close()
    return found


def measured(pack: Path, rung: str, shown: list[Image]) -> str:
    """The table, a row for each way."""
    cores = len(os.sched_getaffinity(0))
    ways = {
        "one network, one thread": [_worker(pack, rung, 1, CAMERAS, shown)],
        f"one network, {cores} threads": [_worker(pack, rung, cores, CAMERAS, shown)],
        f"{cores} networks, a thread and {CAMERAS // cores} cameras each": [
            _worker(pack, rung, 1, CAMERAS // cores, shown) for _ in range(cores)
        ],
    }
    rates: dict[str, list[Rate]] = {name: [] for name in ways}
    for _ in range(TURNS):
        for name, workers in ways.items():
            rates[name].append(rate(workers))
    rows = []
    for name, found in rates.items():
        best = max(found, key=lambda turn: turn.per_s)
        efficiency = float(np.median([turn.per_cpu_s for turn in found]))
        rows.append((name, "", f"{best.per_s:.1f}", f"{best.cores:.2f}", f"{efficiency:.1f}"))
    height, width = shown[0].shape[:2]
    load = os.getloadavg()[1]
    return (
        f"{CAMERAS} cameras of {width}x{height}, {rung}, {cores} cores, decoding left out; best of {TURNS} turns of"
        f" {TURN_S:g} s, frames a second of CPU time: median. Load of the machine meanwhile {load:.0f}.\n\n"
        + table(("way", "", "frames a second", "cores in use", "frames a second of CPU time"), rows)
    )


def rate(workers: list[Callable[[float], int]]) -> Rate:
    """One turn of all workers side by side."""
    counts = [0] * len(workers)
    start_s, cpu_s = time.perf_counter(), time.process_time()

    def work(place: int) -> None:
        counts[place] = workers[place](start_s + TURN_S)

    threads = [threading.Thread(target=work, args=(place,)) for place in range(len(workers))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took_s, used_s = time.perf_counter() - start_s, time.process_time() - cpu_s
    return Rate(sum(counts) / took_s, sum(counts) / used_s, used_s / took_s)


def _worker(pack: Path, rung: str, threads: int, cameras: int, shown: list[Image]) -> Callable[[float], int]:
    """A network with its cameras: tracks their pictures in turn until a time, returns how many."""
    detector = open_detector(pack, require=rung, threads=threads)
    chains = [Chain(Detecting(detector), Tracker("nanotrack", _FRAME_RATE)) for _ in range(cameras)]
    numbers = [0] * cameras

    def work(end_s: float) -> int:
        count = 0
        while time.perf_counter() < end_s:
            for place, chain in enumerate(chains):
                numbers[place] += 1
                number = numbers[place]
                chain(Frame(shown[number % len(shown)], number, number / _FRAME_RATE))
                count += 1
        return count

    for place, chain in enumerate(chains):
        numbers[place] += 1
        chain(Frame(shown[0], numbers[place], numbers[place] / _FRAME_RATE))
    return work


if __name__ == "__main__":
    main()
