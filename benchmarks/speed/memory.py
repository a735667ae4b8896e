"""What the memory and the start of one camera are made of, step by step, and how long the first result takes.

    python -m benchmarks.speed.memory PACK [--video FILE]

Each rung in a process of its own. Resident memory as Linux counts it: pages of libraries and files, which processes
share and the system may drop, and the process's own. The first result is timed from the start of the process, with
nothing compiled for this board yet and with all of it kept from before.
"""

import argparse
import contextlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmarks.data import DATA
from benchmarks.results import table, write_section

RUNGS = ("onnxruntime-int8", "openvino-bf16")
FRAMES = 100
STARTS = 2
_MIB = 1024  # kB


def main() -> None:
    """Measure and write the section of the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pack", type=Path)
    parser.add_argument("--video", type=Path, default=DATA / "videos" / "one-by-one-person-detection.mp4")
    parser.add_argument("--dry-run", action="store_true", help="print only")
    parser.add_argument("--steps-of", metavar="RUNG", help=argparse.SUPPRESS)  # the child's side
    args = parser.parse_args()
    if args.steps_of:
        for step in steps(args.pack, args.video, args.steps_of):
            print(json.dumps(step), flush=True)
        return
    body = "\n".join([memory(args.pack, args.video), starts(args.pack, args.video)])
    print(body)
    if not args.dry_run:
        write_section(
            "memory",
            "Memory and start of one camera",
            body,
            "python -m benchmarks.speed.memory PACK",
            ("numpy", "numba", "opencv-python-headless", "onnxruntime", "openvino"),
        )


def steps(pack: Path, video: Path, rung: str) -> Iterator[tuple[str, int, int, int]]:
    """Name of what was done last, and after it resident kB, all and those that are no pages of files, and CPU ms."""
    yield "Python", *used()
    import numpy as np

    yield "NumPy", *used()
    import cv2

    cv2.setNumThreads(1)
    yield "OpenCV", *used()
    import numba  # noqa: F401

    yield "Numba with LLVM", *used()
    if rung.startswith("onnxruntime"):
        import onnxruntime  # noqa: F401
    else:
        import openvino  # noqa: F401
    yield rung.partition("-")[0], *used()
    with contextlib.suppress(ImportError):
        import scipy.linalg.cython_blas  # noqa: F401

        yield "SciPy, which Numba loads where it is installed", *used()
    import edge.track.tracker  # noqa: F401

    yield "the compiled kernels of the tracker", *used()
    from edge.chain.pipeline import Pipeline
    from edge.video.open import open_source

    yield "the rest of this package", *used()
    source = open_source(str(video))
    buffer = np.empty((source.size[1], source.size[0], 3), np.uint8)
    frame = source.read(buffer)
    yield "the video opened, one frame", *used()
    pipeline = Pipeline(pack, require=rung, frame_rate=source.frame_rate)
    yield "the network opened", *used()
    assert frame is not None
    pipeline(frame)
    yield "one frame tracked", *used()
    for _ in range(FRAMES):
        frame = source.read(buffer)
        if frame is not None:
            pipeline(frame)
    yield f"{FRAMES} frames more", *used()


def resident_kb() -> tuple[int, int]:
    """Resident memory of this process, and the part that is no pages of files."""
    fields = {}
    for line in Path("/proc/self/smaps_rollup").read_text("ascii").splitlines()[1:]:
        name, _, value = line.partition(":")
        fields[name] = int(value.split()[0])
    return fields["Rss"], fields["Anonymous"]


def used() -> tuple[int, int, int]:
    """Resident kB of this process as `resident_kb`, and the milliseconds of CPU time that it took."""
    return *resident_kb(), round(1000 * time.process_time())


def memory(pack: Path, video: Path) -> str:
    """The steps of each rung that runs here."""
    rows = []
    for rung in RUNGS:
        command = [
            sys.executable,
            "-m",
            "benchmarks.speed.memory",
            str(pack),
            "--video",
            str(video),
            "--steps-of",
            rung,
        ]
        for _ in range(2):  # the second one finds everything compiled
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"{rung}: {done.stderr.strip().splitlines()[-1:]}")
            continue
        before = (0, 0, 0)
        for name, *after in map(json.loads, done.stdout.splitlines()):
            resident, own, cpu_ms = (b - a for a, b in zip(before, after, strict=True))
            figures = resident / _MIB, own / _MIB, after[0] / _MIB, cpu_ms
            rows.append((rung, name, *(f"{figure:.0f}" for figure in figures)))
            before = (after[0], after[1], after[2])
    return table(("rung", "step", "MiB more", "of it its own", "MiB resident", "CPU ms"), rows)


def starts(pack: Path, video: Path) -> str:
    """How long each rung takes from the start of `nanotrack track` to its first line, cold and warm."""
    rows = []
    for rung in RUNGS:
        with tempfile.TemporaryDirectory() as folder:
            kept = {"NUMBA_CACHE_DIR": f"{folder}/numba", "NANOTRACK_CACHE_DIR": f"{folder}/boards"}
            cold = first_line_s(pack, video, rung, kept)
            if cold is None:
                continue
            warm = min((first_line_s(pack, video, rung, kept) or cold for _ in range(STARTS)), key=lambda took: took[0])
        for what, took in (("nothing kept", cold), (f"all kept, best of {STARTS}", warm)):
            rows.append((rung, what, *(f"{seconds:.2f}" for seconds in took)))
    columns = ("first result on", "compiled before", "wall clock, s", "CPU time, s")
    return f"From the start of the process to the first line of results:\n\n{table(columns, rows)}"


def first_line_s(pack: Path, video: Path, rung: str, kept: Mapping[str, str]) -> tuple[float, float] | None:
    """Seconds until `nanotrack track` writes its first line, by the clock and of CPU time with all that it started;
    None where the rung does not run here."""
    command = [sys.executable, "-m", "edge.cli", "track", "--path", str(video), "--model", str(pack)]
    command += ["--require", rung, "--jsonl", "-"]
    start_s, cpu_s = time.perf_counter(), _cpu_of_children_s()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={**os.environ, **kept}
    ) as child:
        assert child.stdout is not None
        line = child.stdout.readline()
        took_s = time.perf_counter() - start_s
        child.kill()
    return (took_s, _cpu_of_children_s() - cpu_s) if line else None


def _cpu_of_children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
