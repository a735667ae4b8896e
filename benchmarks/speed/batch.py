"""`nanotrack batch` beside `nanotrack track`: rate, cost of a task, memory over many recordings.

    python -m benchmarks.speed.batch [--frames N] [--recordings N]

Two workers track two long recordings, in turns with two independent `nanotrack track` processes of one thread each.
Then many short ones, every 25th of them damaged, while the memory of all processes is watched.
"""

import argparse
import os
import re
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.data import needed
from benchmarks.results import table, write_section

_SHORT_FRAMES = 5
_PROGRAM = [sys.executable, "-m", "edge.cli"]
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds by the clock, and of all cores together."""

    wall_s: float
    cpu_s: float


def main() -> None:
    """Measure, print, and write the section of the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=2400, help="of each of the two long recordings")
    parser.add_argument("--recordings", type=int, default=500, help="short ones")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--dry-run", action="store_true", help="print only")
    args = parser.parse_args()
    video = needed("videos", "one-by-one-person-detection.mp4")
    model = needed("models", "nanodet-plus-m_416.onnx")
    with tempfile.TemporaryDirectory() as folder:
        body = _measured(Path(folder), video, model, args)
    print(body)
    if not args.dry_run:
        packages = ("nanotrack-edge", "numpy", "onnxruntime")
        write_section("batch", "Many recordings", body, "python -m benchmarks.speed.batch", packages)


def _measured(folder: Path, video: Path, model: Path, args: argparse.Namespace) -> str:
    long = [_cut(video, folder / f"long{i}.avi", args.frames) for i in (1, 2)]
    alone: list[Took] = []
    together: list[Took] = []
    for number in range(args.rounds):
        alone.append(_took([_track(path, model, folder / f"{path.stem}.txt") for path in long], 2))
        together.append(_took([_batch(long, model, folder / f"together{number}", 2)], 2))
        print(alone[-1], together[-1], file=sys.stderr)
    rows = [
        (name, f"{2 * args.frames / median(t.wall_s for t in took):.1f}", f"{median(t.cpu_s for t in took):.1f}")
        for name, took in (("two `nanotrack track`", alone), ("`nanotrack batch --workers 2`", together))
    ]
    wall = median(a.wall_s / t.wall_s for a, t in zip(alone, together, strict=True))
    cpu = median(a.cpu_s / t.cpu_s for a, t in zip(alone, together, strict=True))

    short = folder / "short"
    short.mkdir()
    content = _cut(video, short / "0000.avi", _SHORT_FRAMES).read_bytes()
    for i in range(1, args.recordings):
        (short / f"{i:04d}.avi").write_bytes(b"nothing" if i % 25 == 0 else content)
    damaged = (args.recordings - 1) // 25
    whole = _cut(video, folder / "whole.avi", _SHORT_FRAMES * (args.recordings - damaged))
    memory: list[int] = []
    many = _took([_batch([short], model, folder / "many", 1)], 1, memory)
    one = _took([_batch([whole], model, folder / "one", 1)], 1)
    tasks = args.recordings - 1
    each_ms = 1000 * (many.wall_s - one.wall_s) / tasks
    each_cpu_ms = 1000 * (many.cpu_s - one.cpu_s) / tasks
    tenth = len(memory) // 10
    early, late = (max(part) / 2**20 for part in (memory[2 * tenth : 4 * tenth], memory[8 * tenth :]))
    return f"""{video.name}, repeated; the published NanoDet-Plus-m 416 on ONNX Runtime; a core for each process.

{table(("two recordings at once", "", "frames a second", "CPU seconds"), [(name, "", *rest) for name, *rest in rows])}
Median of {args.rounds} rounds in turns, starts included: batch has {100 * wall:.1f} % of the rate of two independent
processes, and does with one CPU second {100 * cpu:.1f} % of what they do.

{args.recordings} recordings of {_SHORT_FRAMES} frames, {damaged} of them damaged and tried twice, one worker, against
one recording of as many frames: a task costs {each_ms:.0f} ms, {each_cpu_ms:.0f} ms of them CPU. Resident memory of all
processes together: at most {early:.0f} MiB in the third and fourth tenth of the run, {late:.0f} MiB in the last two."""


def _cut(video: Path, path: Path, frames: int) -> Path:
    """The first frames of `video`, from the start again where it is too short, as a video of its own."""
    import cv2

    writer, capture = None, cv2.VideoCapture(str(video))
    for _ in range(frames):
        read, image = capture.read()
        if not read:
            capture = cv2.VideoCapture(str(video))
            read, image = capture.read()
        if writer is None:
            height, width = image.shape[:2]
            writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, (width, height))
        writer.write(image)
    if writer is not None:
        writer.release()
    return path


def _track(path: Path, model: Path, out: Path) -> list[str]:
    return [*_PROGRAM, "track", "--path", str(path), "--model", str(model), "--threads", "1", "--mot", str(out)]


def _batch(inputs: Sequence[Path], model: Path, out: Path, workers: int) -> list[str]:
    flags = ["--model", str(model), "--out", str(out), "--workers", str(workers)]
    return [*_PROGRAM, "batch", *map(str, inputs), *flags]


def _took(commands: Sequence[list[str]], cores: int, memory: list[int] | None = None) -> Took:
    """What the commands take, all at once, on so many cores; `memory` gets their resident bytes every half second."""
    allowed = sorted(os.sched_getaffinity(0))[:cores]
    before, start_s = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    running = [
        subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            preexec_fn=lambda: os.sched_setaffinity(0, allowed),
        )
        for command in commands
    ]
    ended = threading.Event()
    if memory is not None:
        watcher = threading.Thread(target=_watch, args=(running[0].pid, memory, ended))
        watcher.start()
    for process in running:
        process.wait()
    wall_s = time.perf_counter() - start_s
    ended.set()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Took(wall_s, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def _watch(root: int, memory: list[int], ended: threading.Event) -> None:
    while not ended.wait(0.5):
        pids = [root, *map(int, re.findall(r"\d+", _text(f"/proc/{root}/task/{root}/children")))]
        memory.append(sum(int((_text(f"/proc/{pid}/statm") or "0 0").split()[1]) * _PAGE_BYTES for pid in pids))


def _text(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


if __name__ == "__main__":
    main()
