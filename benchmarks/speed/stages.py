"""What each stage of `nanotrack track` takes on real videos, one after another on one core, as a table.

    python -m benchmarks.speed.stages [--video FILE ...] [--model PACK|FILE.onnx] [--frames N]

Stages run in one thread here, so that none hides behind another; `nanotrack track` decodes in a thread of its own.
"""

import argparse
import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

import export.cli
from benchmarks.data import DATA
from benchmarks.results import table, write_section
from edge.chain.pipeline import Pipeline
from edge.events import Origin
from edge.sinks.jsonl import JsonLines
from edge.sinks.mot import MotText
from edge.sinks.output import Output
from edge.sinks.recording import RecordingOutputs
from edge.sinks.video import AnnotatedVideo
from edge.spans import Spans
from edge.types import Frame
from edge.video.open import open_source

_VIDEOS = ("one-by-one-person-detection.mp4", "mmtracking_demo.mp4")
_WORK = {
    "decode": "FFmpeg to BGR pixels",
    "preprocess": "resize into the input tensor",
    "infer": "NanoDet-Plus-m 416, fp32 unless --model says otherwise",
    "decode+nms": "floor .1",
    "track": "nanotrack, default preset",
    "mot": "MOTChallenge text, written through",
    "jsonl": "JSON lines, written through",
    "video": "drawing and encoding",
}
_AROUND = ("preprocess", "decode+nms", "track", "mot", "jsonl")


def main() -> None:
    """Measure and write the section of the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--video", type=Path, nargs="+", default=[DATA / "videos" / name for name in _VIDEOS])
    parser.add_argument("--model", type=Path, help="default: a pack made of the data folder's checkpoint")
    parser.add_argument("--frames", type=int, default=300, help="of each video, which starts again where it is shorter")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        model = args.model or exported(Path(folder))
        parts = [_part(video, model, args.frames, Path(folder)) for video in args.video]
    body = "\n".join(parts)
    print(body)
    write_section(
        "stages",
        "Stages of the pipeline",
        body,
        "python -m benchmarks.speed.stages",
        ("numpy", "numba", "opencv-python-headless", "onnxruntime"),
    )


def exported(folder: Path) -> Path:
    """A pack in `folder`, made of the data folder's detector."""
    pack = folder / "person.pack"
    checkpoint = DATA / "models" / "nanodet-plus-m_416.pth"
    if export.cli.main(["pack", "--detector", str(checkpoint), "-o", str(pack)]):
        raise SystemExit(f"{checkpoint}: cannot be exported; give --model")
    return pack


def _part(video: Path, model: Path, frames: int, folder: Path) -> str:
    """The table of one video and what stands around inference."""
    spans = Spans()
    people = 0
    with contextlib.ExitStack() as stack:
        source = open_source(str(video))
        pipeline = Pipeline(model, frame_rate=source.frame_rate, spans=spans)
        files: dict[str, Output] = {
            "mot": MotText(folder / "o.txt"),
            "jsonl": JsonLines(folder / "o.jsonl"),
            "video": AnnotatedVideo(folder / "o.mp4", source.size, source.frame_rate, ()),
        }
        outputs = RecordingOutputs(files, Origin("r", "c", pipeline.classes), pipeline.tracker, spans)
        stack.callback(outputs.close)
        width, height = source.size
        source.close()
        for frame in looped(video, spans, frames):
            tracks = pipeline(frame)
            people += len(tracks)
            outputs.write(frame, tracks)
    medians = {name: float(np.median(span.recent_ms())) for name, span in spans}
    rows = []
    for name, span in spans:
        p99 = np.percentile(span.recent_ms(), 99)
        rows.append(
            (name, _WORK[name], f"{medians[name]:.3f}", f"{p99:.3f}", f"{100 * medians[name] / medians['infer']:.1f} %")
        )
    around = sum(medians[name] for name in _AROUND)
    return (
        f"{video.name}, {width}x{height}, {frames} frames, {people / frames:.1f} people a frame:\n\n"
        + table(("stage", "work", "p50 ms", "p99 ms", "of inference"), rows)
        + f"\n{' + '.join(_AROUND)}: {around:.3f} ms, {100 * around / medians['infer']:.1f} % of inference;"
        f" with decoding {100 * (around + medians['decode']) / medians['infer']:.1f} %.\n"
    )


def looped(video: Path, spans: Spans, count: int) -> Iterator[Frame]:
    """`count` frames of the video, started again where it ends, numbers and times going on."""
    number, start_s, time_s = 0, 0.0, 0.0
    while number < count:
        source = open_source(str(video))
        buffer = np.empty((source.size[1], source.size[0], 3), np.uint8)
        while number < count:
            with spans["decode"]:
                frame = source.read(buffer)
            if frame is None:
                break
            number, time_s = number + 1, start_s + frame.time_s
            yield Frame(frame.image, number, time_s)
        start_s = time_s + 1 / source.frame_rate
        source.close()


if __name__ == "__main__":
    main()
