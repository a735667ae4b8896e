"""Deterministic streams of detections with known truth, to time association on any number of objects.

The world is 1920x1080 with N upright boxes (height 40 to 160 pixels, width .35 to .5 of it) that move .5 to 4 pixels a
frame, wander a little and bounce off the border; above N = 100 everything shrinks so that they cover the same fifth of
the picture. A detector misses 10 %, jitters corners by 2 % of the height, scores the rest N(.75, .15) and adds 5 %
false positives of score .1 to .7.
"""

from dataclasses import dataclass

import numpy as np

from edge.types import Float32s, Int64s

_SIZE = np.array([1920.0, 1080.0])


@dataclass(frozen=True, slots=True)
class StreamFrame:
    """`boxes_xyxy` float32 `[D, 4]` and `scores` float32 `[D]` in random order; `truth_xyxy` float32 `[N, 4]`."""

    boxes_xyxy: Float32s
    scores: Float32s
    truth_xyxy: Float32s


def stream(objects: int, frames: int, seed: int = 0) -> list[StreamFrame]:
    """The same frames for the same arguments."""
    random = np.random.default_rng([seed, objects])
    scale = min(1.0, (100.0 / objects) ** 0.5)
    sizes = _sizes(random, objects, scale)
    centres = _centres(random, sizes)
    angles, speeds = random.uniform(0, 2 * np.pi, objects), random.uniform(0.5, 4.0, objects) * scale
    velocities = speeds[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)
    result = []
    for _ in range(frames):
        velocities = velocities + random.normal(0, 0.05 * scale, (objects, 2))
        centres = centres + velocities
        low, high = sizes / 2, _SIZE - sizes / 2
        velocities = np.where((centres < low) | (centres > high), -velocities, velocities)
        centres = np.clip(centres, low, high)
        truth = _xyxy(centres, sizes)
        boxes, scores = _detect(random, truth, scale)
        result.append(StreamFrame(boxes, scores, truth.astype(np.float32)))
    return result


def _detect(random: np.random.Generator, truth: np.ndarray, scale: float) -> tuple[Float32s, Float32s]:
    seen = truth[random.random(len(truth)) >= 0.1]
    jitter = 0.02 * (seen[:, 3] - seen[:, 1])[:, None] * random.normal(0, 1, seen.shape)
    false = _sizes(random, random.poisson(0.05 * len(truth)), scale)
    boxes = np.concatenate([seen + jitter, _xyxy(_centres(random, false), false)])
    scores = np.concatenate(
        [np.clip(random.normal(0.75, 0.15, len(seen)), 0.12, 0.99), random.uniform(0.1, 0.7, len(false))]
    )
    order = random.permutation(len(boxes))
    return boxes[order].astype(np.float32), scores[order].astype(np.float32)


def _sizes(random: np.random.Generator, count: int, scale: float) -> np.ndarray:
    heights = random.uniform(40, 160, count) * scale
    return np.stack([heights * random.uniform(0.35, 0.5, count), heights], 1)


def _centres(random: np.random.Generator, sizes: np.ndarray) -> np.ndarray:
    return np.asarray(random.uniform(0, 1, sizes.shape) * (_SIZE - sizes) + sizes / 2)


def _xyxy(centres: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    return np.concatenate([centres - sizes / 2, centres + sizes / 2], 1)


def quality(results: list[tuple[Int64s, Float32s]], frames: list[StreamFrame]) -> tuple[float, float]:
    """(recall of the true boxes at IoU .5, identity switches a thousand of them): a fast no-op cannot win."""
    last: dict[int, int] = {}
    found = switches = total = 0
    for (ids, boxes), frame in zip(results, frames, strict=False):  # a slow tracker may have stopped early
        total += len(frame.truth_xyxy)
        if len(ids) == 0:
            continue
        overlaps = _iou(frame.truth_xyxy, boxes)
        best = overlaps.argmax(1)
        for i in np.flatnonzero(overlaps[np.arange(len(best)), best] >= 0.5).tolist():
            identity = int(ids[best[i]])
            switches += last.get(i, identity) != identity
            last[i] = identity
            found += 1
    return found / max(total, 1), 1000 * switches / max(found, 1)


def _iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.prod(np.clip(high - low, 0, None), 2)
    areas_a, areas_b = np.prod(a[:, 2:] - a[:, :2], 1), np.prod(b[:, 2:] - b[:, :2], 1)
    return np.asarray(shared / (areas_a[:, None] + areas_b - shared + 1e-9))
