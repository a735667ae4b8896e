"""Small scenes for trackers, in the notation of the method vectors: scores, shifted boxes, ids put out per call."""

from typing import Any

import numpy as np

from edge import Detections, Tracker

BOX = (100.0, 100.0, 160.0, 280.0)


def detections(*rows: tuple[float, ...]) -> Detections:
    """One detection a row: (score,) at BOX, (score, dx) shifted to the right, or (score, x1, y1, x2, y2)."""
    boxes = [
        row[1:] if len(row) == 5 else (BOX[0] + sum(row[1:]), BOX[1], BOX[2] + sum(row[1:]), BOX[3]) for row in rows
    ]
    return Detections(np.array(boxes, np.float32).reshape(-1, 4), np.array([row[0] for row in rows], np.float32))


def ids(tracker: Tracker, *rows: tuple[float, ...], time_s: float | None = None) -> set[int]:
    """The ids that one call puts out for such detections."""
    return set(tracker.update(detections(*rows), time_s).ids.tolist())


def crowd(n: int, frames: int, seed: int = 0) -> list[Detections]:
    """A stream of walkers that meet, are missed now and then, and have scores from .1 to 1."""
    random = np.random.default_rng(seed)
    centre, step = random.uniform(0, 800, (n, 2)), random.normal(0, 3, (n, 2))
    size = random.uniform(30, 80, (n, 1)) * np.array([1.0, 2.5])
    stream = []
    for _ in range(frames):
        centre = centre + step
        seen = random.random(n) < 0.9
        corner = centre + random.normal(0, 1, (n, 2)) - size / 2
        boxes = np.concatenate([corner, corner + size], 1)[seen].astype(np.float32)
        stream.append(Detections(boxes, random.uniform(0.1, 1, len(boxes)).astype(np.float32)))
    return stream


def outputs(tracker: Tracker, stream: list[Detections]) -> list[tuple[Any, ...]]:
    """Everything a tracker puts out, as bytes, so that equality means equal bits."""
    return [
        tuple(array.tobytes() for array in (t.ids, t.boxes_xyxy, t.scores, t.classes, t.detection_index))
        for t in map(tracker.update, stream)
    ]
