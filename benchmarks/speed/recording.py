"""What `--save` takes in the thread that tracks, at 1920x1080 with 20 people, and what it takes in all.

    python -m benchmarks.speed.recording [--frames N] [--dry-run]

Pictures of the data folder's video are enlarged to 1920x1080; the boxes walk. Frames come at 25 a second, as a camera
sends them, and the encoder keeps up or not.
"""

import argparse
import contextlib
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from benchmarks.data import needed
from benchmarks.results import table, write_section
from edge.events import Event, Moment, Observed, Origin
from edge.sinks import encoder
from edge.sinks.aside import Aside
from edge.sinks.output import Output
from edge.sinks.video import AnnotatedVideo
from edge.spans import Span
from edge.types import Image, Tracks

SIZE, RATE, PEOPLE = (1920, 1080), 25.0, 20


def main() -> None:
    """Measure and write the section of the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=150)
    parser.add_argument("--dry-run", action="store_true", help="print only")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    pictures = _pictures(12)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, beside in (("MPEG-4", False), ("H.264", False), ("H.264", True)):
            if name == "H.264" and not encoder.has_h264():
                print("no ffmpeg with H.264 here: left out")
                continue
            suffix = ".avi" if name == "MPEG-4" else ".mp4"  # an .avi is always MPEG-4
            rows.append(_row(name, beside, Path(folder) / f"o{suffix}", pictures, args.frames))
    body = (
        f"{args.frames} frames of {SIZE[0]}x{SIZE[1]}, {PEOPLE} people, one every {1000 / RATE:g} ms; CPU time of the"
        " thread that tracks, and of all threads of the process together. ffmpeg is a process of its own.\n\n"
        + table(("encoder", "drawn and encoded in", "p50 ms, tracking thread", "p99 ms", "mean ms, process"), rows)
    )
    print(body)
    if not args.dry_run:
        write_section("recording", "Saving the annotated video", body, "python -m benchmarks.speed.recording",
                      ("numpy", "opencv-python-headless"))  # fmt: skip


def _row(name: str, beside: bool, path: Path, pictures: list[Image], frames: int) -> tuple[str, ...]:
    video = AnnotatedVideo(path, SIZE, RATE, ())
    output: Output = Aside(video, Span(), require_room=video.require_room) if beside else video
    times_ms = []
    before_s = time.process_time()
    with contextlib.closing(output):
        output.start()
        due_s = time.perf_counter()
        for number in range(frames):
            events = [_observed(number, pictures[number % len(pictures)])]
            time.sleep(max(0.0, due_s - time.perf_counter()))
            due_s += 1 / RATE
            start_s = time.thread_time()
            output.write(events)
            times_ms.append((time.thread_time() - start_s) * 1000)
    all_ms = (time.process_time() - before_s) * 1000 / frames
    p50_ms, p99_ms = np.percentile(times_ms, (50, 99))
    return (
        name,
        "a thread of its own" if beside else "the tracking thread",
        f"{p50_ms:.2f}",
        f"{p99_ms:.2f}",
        f"{all_ms:.1f}",
    )


def _pictures(count: int) -> list[Image]:
    capture = cv2.VideoCapture(str(needed("videos", "one-by-one-person-detection.mp4")))
    pictures = []
    for _ in range(count):
        read, picture = capture.read()
        if not read:
            break
        pictures.append(cv2.resize(picture, SIZE))
    return pictures


def _observed(number: int, picture: Image) -> Event:
    x = (np.arange(PEOPLE) * 90 + 3 * number) % 1800
    boxes = np.stack([x, np.full_like(x, 400), x + 80, np.full_like(x, 640)], 1).astype(np.float32)
    rows = np.arange(PEOPLE, dtype=np.int32)
    tracks = Tracks(rows.astype(np.int64) + 1, boxes, np.full(PEOPLE, 0.9, np.float32), np.zeros_like(rows), rows)
    return Observed(
        Origin("r", "c", ("person",)), Moment(number / RATE, None), number + 1, SIZE, tracks, [number] * PEOPLE, picture
    )


if __name__ == "__main__":
    main()
