"""What decoding and NMS take for each layout of outputs, and what preparing a picture takes, on one core.

    python -m benchmarks.speed.decoders [--calls N] [--objects N]

Scores are random: 8400 cells (a picture of 640x640) and 80 classes far below the floor of .1, and around each of 40
objects 8 cells that see it; all 80 classes are wanted. A list has 300 rows. The picture is 1920x1080. Times are those
of the thread on its core.
"""

import argparse
from collections.abc import Callable
from time import thread_time_ns

import cv2
import numpy as np

from benchmarks.results import table, write_section
from edge.detect.cells import cell_counts, centres
from edge.detect.decode.nms import survivors
from edge.detect.families import registry
from edge.detect.preprocess import Preprocess
from edge.modelpack import Detector, Head, ImageInput, Source

SIDE, CLASSES, FLOOR = 640, 80, 0.1
STRIDES = (8, 16, 32)
CELLS = sum(cell_counts(SIDE, SIDE, STRIDES))
NAMES = tuple(f"class_{i}" for i in range(CLASSES))
AROUND = 8


def main() -> None:
    """Measure and write the section of the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--objects", type=int, default=40)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    scores, boxes = scene(args.objects)
    rows = [_decoding(name, *case, args.calls) for name, case in cases(scores, boxes).items()]
    rows += [_preparing(*case, args.calls) for case in pictures()]
    body = table(["what", "p50 us", "p99 us", "candidates", "boxes left"], rows)
    print(body)
    command = "python -m benchmarks.speed.decoders"
    write_section("decoders", "Decoding and preparing, by family", body, command, ("numba", "opencv-python-headless"))


def scene(objects: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Scores `[N, C]` and boxes cxcywh `[N, 4]` in pixels of all cells."""
    random = np.random.default_rng(seed)
    points, strides = centres(SIDE, SIDE, STRIDES)
    scores = random.random((CELLS, CLASSES), np.float32) ** 4 * 0.08
    boxes = np.hstack([points, 4 * strides * random.uniform(0.5, 1.5, (CELLS, 2))]).astype(np.float32)
    for _ in range(objects):
        place, class_ = random.uniform(0, SIDE, 2), random.integers(CLASSES)
        nearest = np.argsort(np.abs(points - place).max(1))[:AROUND]
        scores[nearest, class_] = random.uniform(0.15, 0.95, AROUND)
        boxes[nearest, :2] = place + random.normal(0, 3, (AROUND, 2))
        boxes[nearest, 2:] = random.uniform(30, 120) + random.normal(0, 4, (AROUND, 2))
    return scores, boxes


def cases(scores: np.ndarray, boxes: np.ndarray) -> dict[str, tuple[Detector, dict[str, np.ndarray]]]:
    """A description and outputs for each layout, all of the same scene."""
    points, strides = centres(SIDE, SIDE, STRIDES)
    grid = np.hstack([boxes[:, :2] / strides - points / strides + 0.5, np.log(boxes[:, 2:] / strides)])
    objectness = scores.max(1, keepdims=True)
    best = np.argsort(-scores.max(1))[:300]
    corners = np.hstack([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2])
    distances = np.hstack([points - corners[:, :2], corners[:, 2:] - points]) / strides
    sides = -2 * (np.arange(8) - distances[:, :, None]).reshape(CELLS, 32) ** 2  # logits with their mean near each
    listed = np.hstack([corners, scores.max(1, keepdims=True), scores.argmax(1)[:, None]])[best]
    logits = np.log(scores[best] / (1 - scores[best]))

    def case(head: Head, nms_iou: float, **outputs: np.ndarray) -> tuple[Detector, dict[str, np.ndarray]]:
        image = ImageInput("x", SIDE, SIDE, "nchw-float32", "bgr", (0.0,) * 3, (1.0,) * 3)
        tensors = {name: np.ascontiguousarray(array[None], np.float32) for name, array in outputs.items()}
        return Detector(Source("a", "0", "a"), image, head, NAMES, {}, nms_iou=nms_iou), tensors

    upright = Head("yolov8", ("o",), boxes="cxcywh", upright=True)
    queries = Head("rfdetr", ("dets", "labels"), scores="logits", boxes="cxcywh-share")
    return {
        "NanoDet, 3 levels": case(Head("nanodet", ("o",), STRIDES, 7, 0.5), 0.6, o=np.hstack([scores, sides])),
        "YOLOX, grid": case(
            Head("yolox", ("o",), STRIDES, boxes="grid"), 0.65, o=np.hstack([grid, objectness, scores / objectness])
        ),
        "YOLOv5 layout": case(
            Head("yolov5", ("o",), boxes="cxcywh"), 0.45, o=np.hstack([boxes, objectness, scores / objectness])
        ),
        "YOLOv8 to 12": case(upright, 0.7, o=np.hstack([boxes, scores]).T),
        "end-to-end, 300 rows": case(Head("yolo-end2end", ("o",), boxes="xyxy"), 1.0, o=listed),
        "RF-DETR, 300 queries": case(queries, 1.0, dets=boxes[best] / SIDE, labels=logits),
    }


def _decoding(name: str, detector: Detector, outputs: dict[str, np.ndarray], calls: int) -> list[str]:
    decode = registry.decoder(detector, outputs, range(CLASSES), FLOOR)

    def run() -> tuple[int, int]:
        count = decode()
        found = survivors(*decode.candidates, count, detector.nms_iou, 1.0, 1.0, 0.0, 0.0)
        return count, len(found[1])

    candidates, left = run()
    return [f"decode and NMS: {name}", *_percentiles(run, calls), str(candidates), str(left)]


def pictures() -> list[tuple[str, ImageInput]]:
    """The ways to prepare a picture for 416x416."""
    plain = (0.0, 0.0, 0.0), (255.0, 255.0, 255.0)
    return [
        (f"{resize}, {layout}", ImageInput("x", 416, 416, layout, "rgb", *plain, resize, 114))
        for resize in ("squash", "letterbox", "letterbox-centre")
        for layout in ("nchw-float32", "nchw-float16", "nhwc-uint8")
    ]


def _preparing(name: str, image: ImageInput, calls: int) -> list[str]:
    dtype = image.layout.partition("-")[2]
    tensor = np.zeros((1, 416, 416, 3) if dtype == "uint8" else (1, 3, 416, 416), dtype)
    prepare = Preprocess(image, tensor)
    picture = np.random.default_rng(0).integers(0, 256, (1080, 1920, 3)).astype(np.uint8)
    return [f"1920x1080 to 416x416: {name}", *_percentiles(lambda: prepare(picture), calls // 4), "", ""]


def _percentiles(run: Callable[[], object], calls: int) -> list[str]:
    times = []
    for _ in range(calls):
        start = thread_time_ns()
        run()
        times.append((thread_time_ns() - start) / 1000)
    return [f"{np.percentile(times, p):.0f}" for p in (50, 99)]


if __name__ == "__main__":
    main()
