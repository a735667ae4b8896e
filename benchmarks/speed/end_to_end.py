"""Whole trackers side by side: rate, latency, memory, start and size, each run in a process of its own, in turns.

    python -m benchmarks.speed.end_to_end [--pack PACK] [--frames N]

All run the same published ONNX file on ONNX Runtime; with --pack ours also runs that pack's variants there, and on
whatever is fastest here (`auto`; nanotrack-export pack --calibrate makes one). The other projects' packages want the
environment of `benchmarks.speed.association`; what is not installed is left out.
"""

import argparse
import importlib.metadata
import importlib.util
import itertools
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import get_args

import numpy as np
from packaging.requirements import Requirement

from benchmarks.data import DATA
from benchmarks.results import table, write_section
from benchmarks.speed.chains import CHAINS, Job
from edge.infer.backend import VariantName

_VIDEO = DATA / "videos" / "one-by-one-person-detection.mp4"
_MODEL = DATA / "models" / "nanodet-plus-m_416.onnx"
_WARM_UP = 20
ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Run:
    """One process: seconds to the first result, milliseconds from result to result, most memory, boxes a frame."""

    start_s: float
    fps: float
    p50_ms: float
    p99_ms: float
    memory_mib: float
    people: float


def main() -> None:
    """Run everything in turns, print the table, write the section of the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--video", type=Path, default=_VIDEO)
    parser.add_argument("--model", type=Path, default=_MODEL, help="NanoDet-Plus-m 416 as published")
    parser.add_argument("--pack", type=Path, help="the same network as a model pack, with int8")
    parser.add_argument("--frames", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--dry-run", action="store_true", help="print only")
    parser.add_argument("--child", nargs=4, metavar=("CHAIN", "MODEL", "VARIANT", "CORES"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        chain, model, variant, cores = args.child
        _child(chain, Job(args.video, Path(model), variant, int(cores), Path(os.devnull)), args.frames)
        return
    body = _measured(args)
    print(body)
    if not args.dry_run:
        packages = ("nanotrack-edge", "numpy", "onnxruntime")
        write_section("end_to_end", "End to end beside others", body, "python -m benchmarks.speed.end_to_end", packages)


def _measured(args: argparse.Namespace) -> str:
    ways: list[tuple[str, Path, VariantName]] = [(name, args.model, "fp32") for name in CHAINS if _is_installed(name)]
    if args.pack:
        ways[1:1] = [("nanotrack", args.pack, variant) for variant in get_args(VariantName)]
    available = len(os.sched_getaffinity(0))
    keys = [(*way, cores) for cores in sorted({1, available}) for way in ways]
    runs: dict[tuple[str, Path, VariantName, int], list[Run]] = {key: [] for key in keys}
    for _, key in itertools.product(range(args.rounds), keys):
        runs[key].append(_in_a_process(args, *key))
    rows = []
    for (name, model, variant, cores), found in runs.items():
        best = max(found, key=lambda run: run.fps)  # what disturbs a shared machine only ever takes
        rows.append(
            (
                name,
                f"{'published ONNX' if model == args.model else 'pack'}, {variant}",
                str(cores),
                f"{best.fps:.1f}",
                f"{best.p50_ms:.1f}",
                f"{best.p99_ms:.1f}",
                f"{median(run.memory_mib for run in found):.0f}",
                f"{min(run.start_s for run in found):.2f}",
                f"{_installed_mib(name):.0f}",
                f"{best.people:.2f}",
            )
        )
    columns = ("chain", "network", "cores", "FPS", "p50 ms", "p99 ms", "MiB", "start s", "installed MiB", "people")
    return f"""{args.video.name}, {args.frames} frames, decoding to text file. Times from result to result; of
{args.rounds} rounds in turns the one with the highest rate. *MiB*: most resident memory. *Start*: process start to
first result, best of the rounds. *Installed*: the packages and all they need, without Python. *People*: boxes written
a frame; the trackers differ in what they show.

{table(columns, rows)}"""


def _in_a_process(args: argparse.Namespace, name: str, model: Path, variant: str, cores: int) -> Run:
    command = [
        sys.executable,
        "-m",
        "benchmarks.speed.end_to_end",
        "--video",
        str(args.video),
        "--frames",
        str(args.frames),
    ]
    environment = os.environ | {"STARTED_S": repr(time.time())}
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        environment[variable] = str(cores)
    done = subprocess.run(
        [*command, "--child", name, str(model), variant, str(cores)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    run = Run(**json.loads(done.stdout.splitlines()[-1]))
    print(f"{name}, {variant}, {cores} cores: {run.fps:.1f} FPS", file=sys.stderr)
    return run


def _child(name: str, job: Job, most: int) -> None:
    """Run one chain on so many cores and print what it took."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: job.cores])
    ends_s, boxes = [], 0
    with tempfile.TemporaryDirectory() as folder:
        job = Job(job.video, job.model, job.variant, job.cores, Path(folder) / "tracks.txt")
        for count in itertools.islice(CHAINS[name][0](job), most):
            ends_s.append(time.perf_counter())
            boxes += count
            if len(ends_s) == 1:
                start_s = time.time() - float(os.environ["STARTED_S"])
    steps_ms = 1000 * np.diff(ends_s[_WARM_UP:])
    p50_ms, p99_ms = np.percentile(steps_ms, (50, 99))
    run = Run(
        start_s=start_s,
        fps=float(1000 / steps_ms.mean()),
        p50_ms=float(p50_ms),
        p99_ms=float(p99_ms),
        memory_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        people=boxes / len(ends_s),
    )
    print(json.dumps(asdict(run)))


def _is_installed(name: str) -> bool:
    for distribution in CHAINS[name][1]:
        try:
            importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            print(f"{name}: left out, {distribution} is not installed", file=sys.stderr)
            return False
    return True


def _installed_mib(name: str) -> float:
    """The files of the distributions that a chain needs, and of all that these need."""
    waiting, seen = list(CHAINS[name][1]), dict[str, float]()
    while waiting:
        distribution = waiting.pop().lower()
        if distribution in seen:
            continue
        try:
            found = importlib.metadata.distribution(distribution)
        except importlib.metadata.PackageNotFoundError:  # another platform's, or replaced by a twin of the same module
            seen[distribution] = 0
            continue
        sizes = [path.stat().st_size for file in found.files or () if (path := Path(str(file.locate()))).is_file()]
        seen[distribution] = sum(sizes) / 2**20
        needs = [Requirement(text) for text in found.requires or ()]
        waiting += [need.name for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})]
    return sum(seen.values())


if __name__ == "__main__":
    main()
