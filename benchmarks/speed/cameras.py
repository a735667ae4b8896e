"""Saturated cameras in one daemon: one detector for all of them beside detectors side by side, in turns.

    python -m benchmarks.speed.cameras PACK [--video FILE]

The daemon itself, from the looped video to its events, in this process. Rates mean something on an idle machine only;
frames a second of CPU time do on a busy one, too.
"""

import argparse
import os
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from benchmarks.data import DATA
from benchmarks.results import table, write_section
from benchmarks.speed.memory import resident_kb
from edge.service.build import Networks, open_networks
from edge.service.daemon import Daemon
from edge.settings.config import CameraConfig, Config, Model

CAMERAS = 4
FRAME_RATE = 50.0  # of each: together more than two cores can take
TURNS, WARM_UP_S, TURN_S = 4, 1.0, 5.0


@dataclass(frozen=True)
class Rate:
    """Of one turn: frames a second, frames a second of CPU time, cores in use, and how old tracks were, in ms."""

    per_s: float
    per_cpu_s: float
    cores: float
    age_p50_ms: float
    age_p99_ms: float


@dataclass(frozen=True)
class Way:
    """A configuration with its networks, open, and the MiB that opening them took."""

    name: str
    config: Config
    networks: Networks
    mib: float


def main() -> None:
    """Measure and write the section of the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pack", type=Path)
    parser.add_argument("--video", type=Path, default=DATA / "videos" / "one-by-one-person-detection.mp4")
    parser.add_argument("--rung", default="onnxruntime-int8")
    parser.add_argument("--dry-run", action="store_true", help="print only")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    body = measured(args.pack, args.rung, args.video)
    print(body)
    if not args.dry_run:
        command = "python -m benchmarks.speed.cameras PACK"
        write_section("cameras", "Several saturated cameras", body, command, ("numpy", "numba", "onnxruntime"))


def measured(pack: Path, rung: str, video: Path) -> str:
    """The table, a row for each way."""
    cores = len(os.sched_getaffinity(0))
    before = opened("before", pack, rung, video, 1)  # what a process has once, whatever comes then
    ways = [opened("one detector, a thread", pack, rung, video, 1)]
    ways.append(opened(f"{cores} detectors, a thread each", pack, rung, video, None))
    del before
    rates: dict[str, list[Rate]] = {way.name: [] for way in ways}
    for _ in range(TURNS):
        for way in ways:
            rates[way.name].append(rate(way))
    rows = []
    for way in ways:
        found = rates[way.name]
        best = max(found, key=lambda turn: turn.per_s)
        efficiency = float(np.median([turn.per_cpu_s for turn in found]))
        ages = f"{best.age_p50_ms:.0f}", f"{best.age_p99_ms:.0f}"
        rows.append((way.name, f"{best.per_s:.1f}", f"{best.cores:.2f}", f"{efficiency:.1f}", *ages, f"{way.mib:.0f}"))
    return (
        f"{CAMERAS} cameras of {video.name}, {FRAME_RATE:g} frames a second each, in one daemon on {cores} cores,"
        f" {rung}. Best of {TURNS} turns of {TURN_S:g} s, frames a second of CPU time: median. Load of the machine"
        f" meanwhile {os.getloadavg()[1]:.0f}.\n\n"
        + table(
            (
                "way",
                "frames a second",
                "cores in use",
                "frames a second of CPU time",
                "age of tracks, p50 ms",
                "p99",
                "MiB of the network",
            ),
            rows,
        )
    )


def opened(name: str, pack: Path, rung: str, video: Path, threads: int | None) -> Way:
    """The daemon's configuration and networks for so many threads, None: as it chooses by itself."""
    cameras = tuple(
        CameraConfig(f"c{number}", str(video), loop=True, frame_rate=FRAME_RATE) for number in range(CAMERAS)
    )
    config = Config(model=Model(str(pack), require=rung, threads=threads), camera=cameras)
    before_kb, _ = resident_kb()
    networks = open_networks(config)
    return Way(name, config, networks, (resident_kb()[0] - before_kb) / 1024)


def rate(way: Way) -> Rate:
    """One turn of the daemon."""
    daemon = Daemon(way.config, networks=way.networks)
    _run(daemon, WARM_UP_S)
    before = _tracked(daemon)
    start_s, cpu_s = time.perf_counter(), time.process_time()
    _run(daemon, TURN_S)
    took_s, used_s = time.perf_counter() - start_s, time.process_time() - cpu_s
    count = _tracked(daemon) - before
    ages_ms = [ages for stream in daemon.streams if (ages := stream.throughput.ages_ms(50, 99)) is not None]
    daemon.close()
    p50_ms, p99_ms = np.mean(ages_ms, 0) if ages_ms else (float("nan"), float("nan"))
    return Rate(count / took_s, count / used_s, used_s / took_s, float(p50_ms), float(p99_ms))


def _run(daemon: Daemon, duration_s: float) -> None:
    end_s = time.perf_counter() + duration_s
    while time.perf_counter() < end_s:
        daemon.cycle()


def _tracked(daemon: Daemon) -> int:
    return sum(stream.tracked for stream in daemon.streams)


if __name__ == "__main__":
    main()
