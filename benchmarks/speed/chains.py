"""Whole trackers, picture file to text file: ours, and what one would put together from well-known parts.

Each is a generator that gives the number of boxes written for every frame. All run the same network on ONNX Runtime,
keep persons of score .1 and more, NMS at .6, and write MOTChallenge text.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.speed.peers import PEERS
from edge.infer.backend import VariantName
from edge.types import Float32s, Image

_SIZE, _STRIDES, _BINS, _CLASSES = 416, (8, 16, 32, 64), 8, 80
_MEAN, _STD = (np.array(values, np.float32) for values in ((103.53, 116.28, 123.675), (57.375, 57.12, 58.395)))
_FLOOR, _NMS_IOU = 0.1, 0.6


@dataclass(frozen=True, slots=True)
class Job:
    """What to do, and the cores for it."""

    video: Path
    model: Path
    variant: VariantName
    cores: int
    out: Path


def ours(job: Job) -> Iterator[int]:
    """The parts of `nanotrack track`."""
    from edge.chain.overlap import overlapped
    from edge.chain.pipeline import Pipeline
    from edge.events import Origin
    from edge.sinks.mot import MotText
    from edge.sinks.recording import RecordingOutputs
    from edge.spans import Spans
    from edge.video.ahead import Ahead
    from edge.video.open import open_source

    source, spans = open_source(str(job.video)), Spans()
    pipeline = Pipeline(
        job.model,
        frame_rate=source.frame_rate,
        variant=job.variant,
        backend="auto" if job.variant == "auto" else "onnxruntime",
        threads=job.cores,
        side_by_side=job.cores > 1,
        spans=spans,
    )
    ahead = Ahead(source, spans, pipeline.workers + 1)
    origin = Origin("speed", job.video.stem, pipeline.classes)
    outputs = RecordingOutputs({"mot": MotText(job.out)}, origin, pipeline.tracker, spans)
    with contextlib.closing(ahead), contextlib.closing(outputs):
        frames = iter(ahead)
        results = overlapped(pipeline, frames) if pipeline.workers else ((f, pipeline(f)) for f in frames)
        for frame, tracks in results:
            outputs.write(frame, tracks)
            yield len(tracks)


def assembled(tracker: str) -> Callable[[Job], Iterator[int]]:
    """OpenCV for pictures and NMS, NumPy between, and one of the trackers of `benchmarks.speed.peers`."""

    def run(job: Job) -> Iterator[int]:
        import cv2
        import onnxruntime

        peer = PEERS[tracker][2]()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = job.cores
        session = onnxruntime.InferenceSession(str(job.model), options, providers=["CPUExecutionProvider"])
        points = _points()
        capture = cv2.VideoCapture(str(job.video))
        with job.out.open("w", encoding="utf-8") as out:
            number = 0
            while True:
                more, image = capture.read()
                if not more:
                    break
                number += 1
                (raw,) = session.run(None, {"data": _tensor(image)})
                boxes, scores = _decoded(np.asarray(raw)[0], points)
                kept = cv2.dnn.NMSBoxes(_ltwh(boxes).tolist(), scores.tolist(), _FLOOR, _NMS_IOU)
                rows = np.asarray(kept, np.int64).reshape(-1)
                to_pixels = np.tile(np.array(image.shape[1::-1], np.float32) / _SIZE, 2)
                pixels = np.asarray(boxes[rows] * to_pixels, np.float32)
                ids, found = peer.extract(peer.update(peer.prepare(pixels, scores[rows])))
                for identity, (x, y, w, h) in zip(ids, _ltwh(found), strict=True):
                    out.write(f"{number},{identity},{x:.2f},{y:.2f},{w:.2f},{h:.2f},1,-1,-1,-1\n")
                yield len(ids)

    return run


def _tensor(image: Image) -> Float32s:
    import cv2

    small = cv2.resize(image, (_SIZE, _SIZE)).astype(np.float32)
    return np.ascontiguousarray(((small - _MEAN) / _STD).transpose(2, 0, 1)[None], np.float32)


def _points() -> Float32s:
    """x, y and stride of every cell."""
    rows = []
    for stride in _STRIDES:
        y, x = np.mgrid[: -(-_SIZE // stride), : -(-_SIZE // stride)] * stride
        rows.append(np.stack([x.ravel(), y.ravel(), np.full(x.size, stride)], 1))
    return np.concatenate(rows).astype(np.float32)


def _decoded(raw: Float32s, points: Float32s) -> tuple[Float32s, Float32s]:
    """Boxes in pixels of the network's input and scores of the cells above the floor."""
    rows = np.flatnonzero(raw[:, 0] >= _FLOOR)
    logits = raw[rows, _CLASSES:].reshape(-1, 4, _BINS)
    weights = np.exp(logits - logits.max(2, keepdims=True))
    distances = weights @ np.arange(_BINS, dtype=np.float32) / weights.sum(2) * points[rows, 2:]
    centres = points[rows, :2]
    boxes = np.concatenate([centres - distances[:, :2], centres + distances[:, 2:]], 1)
    return boxes.clip(0, _SIZE).astype(np.float32), raw[rows, 0]


def _ltwh(boxes: Float32s) -> Float32s:
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], 1)


# Name -> (what runs, the distributions that it needs, whether it can run a model pack).
CHAINS: dict[str, tuple[Callable[[Job], Iterator[Any]], tuple[str, ...], bool]] = {
    "nanotrack": (ours, ("nanotrack-edge",), True),
    "OpenCV + NumPy + trackers ByteTrack": (
        assembled("trackers ByteTrack"),
        ("onnxruntime", "trackers"),
        False,
    ),
    "OpenCV + NumPy + cjm-byte-track": (
        assembled("cjm-byte-track"),
        ("onnxruntime", "opencv-python", "cjm-byte-track"),
        False,
    ),
}
