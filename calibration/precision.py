"""Average precision of detections against others that are taken as truth."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edge.types import Detections

Floats = npt.NDArray[np.float64]

IOUS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0, 1, 101)


def compared(truth: Sequence[Detections], found: Sequence[Detections]) -> tuple[float, float, float]:
    """Average precision of `found` at IoU .5 and over .5 to .95, and the mean score difference of pairs at IoU .5.

    Precision is interpolated at 101 recalls as COCO does; all classes stand in one list, boxes match within a class.
    """
    hits, scores, biases = [], [], []
    for true, seen in zip(truth, found, strict=True):
        ious = _within_classes(true, seen)
        matches = [_matched(ious, limit) for limit in IOUS]
        hits.append(np.stack([m >= 0 for m in matches], 1))
        scores.append(seen.scores)
        paired = matches[0] >= 0
        biases.append((seen.scores[paired] - true.scores[matches[0][paired]]).astype(np.float64))
    order = np.argsort(-np.concatenate(scores), kind="stable")
    total = sum(map(len, truth))
    precisions = [_average_precision(column[order], total) for column in np.concatenate(hits).T]
    bias = np.concatenate(biases)
    return precisions[0], float(np.mean(precisions)), float(bias.mean()) if len(bias) else 0.0


def pairs(true: Detections, seen: Detections) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Rows of `true` and of `seen` that are the same object: IoU of at least .5 within a class, best scores first."""
    columns = _matched(_within_classes(true, seen), float(IOUS[0]))
    rows = np.flatnonzero(columns >= 0)
    return columns[rows], rows


def iou_matrix(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> Floats:
    """IoU of every box of `a` with every one of `b`, `[len(a), len(b)]`."""
    low = np.maximum(a[:, None, :2], b[None, :, :2]).astype(np.float64)
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    inter = np.prod(np.maximum(high - low, 0), axis=2)
    areas = [np.prod(boxes[:, 2:].astype(np.float64) - boxes[:, :2], axis=1) for boxes in (a, b)]
    return inter / np.maximum(areas[0][:, None] + areas[1] - inter, 1e-9)


def _within_classes(true: Detections, seen: Detections) -> Floats:
    """IoU `[seen, true]`, 0 between classes."""
    ious = iou_matrix(seen.boxes_xyxy, true.boxes_xyxy)
    ious[_classes(seen)[:, None] != _classes(true)] = 0
    return ious


def _matched(ious: Floats, limit: float) -> npt.NDArray[np.int64]:
    """For each row, best score first, the free column of largest IoU of at least `limit`, -1 for none."""
    free = np.ones(ious.shape[1], bool)
    columns = np.full(len(ious), -1, np.int64)
    for row, values in enumerate(ious):
        candidates = np.where(free, values, 0.0)
        if candidates.size and candidates.max() >= limit:
            columns[row] = int(np.argmax(candidates))
            free[columns[row]] = False
    return columns


def _average_precision(hits: npt.NDArray[np.bool_], total: int) -> float:
    if total == 0 or not len(hits):
        return float(total == len(hits))
    right = np.cumsum(hits)
    recalls, precisions = right / total, right / np.arange(1, len(hits) + 1)
    envelope = np.maximum.accumulate(precisions[::-1])[::-1]
    places = np.searchsorted(recalls, RECALLS)
    return float(np.mean(np.where(places < len(hits), envelope[np.minimum(places, len(hits) - 1)], 0.0)))


def _classes(detections: Detections) -> npt.NDArray[np.int32]:
    return detections.classes if detections.classes is not None else np.zeros(len(detections), np.int32)
