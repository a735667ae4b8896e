"""What the memory of one camera is made of, step by step, and how long the first result takes.

    python -m benchmarks.speed.memory PACK [--video FILE]

Each rung in a process of its own. Resident memory as Linux counts it: pages of libraries and files, which processes
share and the system may drop, and the process's own. The first result is timed from the start of the process, with
nothing compiled for this board yet and with all of it kept from before.
"""

import argparse
import json
import os
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
        for name, resident, own in steps(args.pack, args.video, args.steps_of):
            print(json.dumps([name, resident, own]), flush=True)
        return
    body = "\n\n".join([*memory(args.pack, args.video), starts(args.pack, args.video)])
    print(body)
    if not args.dry_run:
        write_section(
            "memory",
            "Memory and start of one camera",
            body,
            "python -m benchmarks.speed.memory PACK",
            ("numpy", "numba", "opencv-python-headless", "onnxruntime", "openvino"),
        )


def steps(pack: Path, video: Path, rung: str) -> Iterator[tuple[str, int, int]]:
    """Name of what was done last, and resident kB after it: all, and those that are no pages of files."""
    yield "Python", *resident_kb()
    import numpy as np

    yield "NumPy", *resident_kb()
    import cv2

    cv2.setNumThreads(1)
    yield "OpenCV", *resident_kb()
    import numba  # noqa: F401

    yield "Numba with LLVM", *resident_kb()
    if rung.startswith("onnxruntime"):
        import onnxruntime  # noqa: F401
    else:
        import openvino  # noqa: F401
    yield rung.partition("-")[0], *resident_kb()
    import edge.track.tracker  # noqa: F401

    yield "the compiled kernels of the tracker", *resident_kb()
    from edge.chain.pipeline import Pipeline
    from edge.video.open import open_source

    yield "the rest of this package", *resident_kb()
    source = open_source(str(video))
    buffer = np.empty((source.size[1], source.size[0], 3), np.uint8)
    frame = source.read(buffer)
    yield "the video opened, one frame", *resident_kb()
    pipeline = Pipeline(pack, require=rung, frame_rate=source.frame_rate)
    yield "the network opened", *resident_kb()
    assert frame is not None
    pipeline(frame)
    yield "one frame tracked", *resident_kb()
    for _ in range(FRAMES):
        frame = source.read(buffer)
        if frame is not None:
            pipeline(frame)
    yield f"{FRAMES} frames more", *resident_kb()


def resident_kb() -> tuple[int, int]:
    """Resident memory of this process, and the part that is no pages of files."""
    fields = {}
    for line in Path("/proc/self/smaps_rollup").read_text("ascii").splitlines()[1:]:
        name, _, value = line.partition(":")
        fields[name] = int(value.split()[0])
    return fields["Rss"], fields["Anonymous"]


def memory(pack: Path, video: Path) -> Iterator[str]:
    """A table for each rung that runs here."""
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
        found = [json.loads(line) for line in done.stdout.splitlines()]
        rows, before = [], (0, 0)
        for name, *after in found:
            added = [(b - a) / _MIB for a, b in zip(before, after, strict=True)]
            rows.append((name, "", f"{added[0]:.0f}", f"{added[1]:.0f}", f"{after[0] / _MIB:.0f}"))
            before = (after[0], after[1])
        columns = ("step", "", "MiB more", "of it its own", "MiB resident")
        yield f"**{rung}**\n\n{table(columns, rows)}"


def starts(pack: Path, video: Path) -> str:
    """Seconds from the start of `nanotrack track` to its first line, for each rung, cold and warm."""
    rows = []
    for rung in RUNGS:
        with tempfile.TemporaryDirectory() as folder:
            kept = {"NUMBA_CACHE_DIR": f"{folder}/numba", "NANOTRACK_CACHE_DIR": f"{folder}/boards"}
            cold_s = first_line_s(pack, video, rung, kept)
            if cold_s is None:
                continue
            warm_s = min(first_line_s(pack, video, rung, kept) or cold_s for _ in range(STARTS))
        rows.append((rung, "", f"{cold_s:.1f}", f"{warm_s:.2f}"))
    columns = ("first result on", "", "nothing compiled, s", f"all kept, best of {STARTS}, s")
    return f"From the start of the process to the first line of results:\n\n{table(columns, rows)}"


def first_line_s(pack: Path, video: Path, rung: str, kept: Mapping[str, str]) -> float | None:
    """Seconds until `nanotrack track` writes its first line; None where the rung does not run here."""
    command = [sys.executable, "-m", "edge.cli", "track", "--path", str(video), "--model", str(pack)]
    command += ["--require", rung, "--jsonl", "-"]
    start_s = time.perf_counter()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={**os.environ, **kept}
    ) as child:
        assert child.stdout is not None
        line = child.stdout.readline()
        took_s = time.perf_counter() - start_s
        child.kill()
    return took_s if line else None


if __name__ == "__main__":
    main()
