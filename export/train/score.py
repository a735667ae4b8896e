"""Scores of the built-in networks on seeds of the scene that training never sees, on what the board will run.

A checkpoint goes through the exporter into a model pack, and the pack through the runtime.
"""

import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edge.demo.scene import Options
from edge.detect.open import open_detector
from edge.detect.preprocess import Preprocess
from edge.infer.onnxrt.session import OnnxRuntime
from edge.types import Detections, Float32s, Image
from export import networks, pack
from export.train import crops

SEEDS = range(10)
SHOTS = 12  # pictures a street
INTERVAL_S = 2.5
MATCH_IOU = 0.5
APART_S = 5.0  # "another time"
RATIO = 1.25  # "another distance": taller or less tall by this factor


class Found(NamedTuple):
    """What a detector found in one picture: boxes `[D, 4]` and scores `[D]`."""

    boxes_xyxy: Float32s
    scores: Float32s


class Wanted(NamedTuple):
    """What is there: boxes `[G, 4]`, and who counts `[G]`; finding the others is neither right nor wrong."""

    boxes_xyxy: Float32s
    counts: npt.NDArray[np.bool_]


def detector(path: Path, seeds: Iterable[int] = SEEDS) -> float:
    """AP50 of a detector checkpoint on 20 people at 720p."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "score.pack"
        pack.write(target, networks.detector(path))
        find = open_detector(target, floor=0.02)
        return average_precision(pictures(find, seeds))


def pictures(find: Callable[[Image], Detections], seeds: Iterable[int]) -> list[tuple[Found, Wanted]]:
    """What `find` finds in pictures of the scene, and what is there."""
    results = []
    for seed in seeds:
        stage = Options(seed=seed).stage()
        for shot in range(SHOTS):
            stage.advance(shot * INTERVAL_S)
            image, truth = stage.shoot(1 / 30)
            detections = find(image)
            found = Found(detections.boxes_xyxy, detections.scores)
            results.append((found, Wanted(truth.boxes_xyxy, truth.counts(image.shape[0]))))
    return results


def average_precision(results: Sequence[tuple[Found, Wanted]]) -> float:
    """Area under the precision-recall curve at IoU .5, precision made monotonous (as PASCAL VOC does since 2010)."""
    scored = [_judged(found, wanted) for found, wanted in results]
    scores = np.concatenate([s for s, _ in scored])
    right = np.concatenate([r for _, r in scored])
    expected = sum(int(wanted.counts.sum()) for _, wanted in results)
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(right[order])
    recall = np.concatenate([[0.0], hits / max(1, expected)])
    precision = np.maximum.accumulate((hits / np.arange(1, len(hits) + 1))[::-1])[::-1]
    return float(np.sum(np.diff(recall) * precision))


def _judged(found: Found, wanted: Wanted) -> tuple[Float32s, npt.NDArray[np.bool_]]:
    """Scores and rightness of the detections that count, best first."""
    free = wanted.counts.copy()
    scores, right = [], []
    for k in np.argsort(-found.scores, kind="stable").tolist():
        iou, inside = overlap(found.boxes_xyxy[k], wanted.boxes_xyxy)
        best = int(np.argmax(np.where(free, iou, -1))) if free.any() else -1
        if best >= 0 and iou[best] >= MATCH_IOU:
            free[best] = False
            scores.append(found.scores[k])
            right.append(True)
        elif not (~wanted.counts & ((iou >= MATCH_IOU) | (inside >= MATCH_IOU))).any():
            scores.append(found.scores[k])
            right.append(False)
    return np.array(scores, np.float32), np.array(right, bool)


def overlap(box: Float32s, boxes: Float32s) -> tuple[Float32s, Float32s]:
    """IoU of `box` with `boxes` `[G, 4]`, and the share of `box` inside each."""
    inner = np.clip(np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2]), 0, None).prod(1)
    own = (box[2:] - box[:2]).prod()
    return inner / ((boxes[:, 2:] - boxes[:, :2]).prod(1) + own - inner), inner / own


def reid(path: Path, seeds: Iterable[int] = SEEDS) -> float:
    """Rank-1 of an appearance checkpoint on unseen people, from other times and distances."""
    found = crops.collect(seeds, people=20)
    embeddings = embedded(path, [crop.image for crop in found])
    identities = np.array([crop.identity for crop in found])
    times = np.array([crop.time_s for crop in found])
    heights = np.array([crop.height_px for crop in found])
    return rank_one(embeddings, identities, times, heights)


def embedded(path: Path, images: Sequence[Image]) -> Float32s:
    """Embeddings `[N, E]` of unit length."""
    network = networks.reid(path)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "reid.onnx"
        file.write_bytes(network.content)
        backend = OnnxRuntime(file, threads=1)
        preprocess = Preprocess(network.description.input, backend.inputs[network.description.input.name])
        rows = []
        for image in images:
            preprocess(image)
            backend.run()
            rows.append(backend.outputs[network.description.output][0].copy())
        backend.close()
    embeddings = np.stack(rows)
    return embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)


def rank_one(
    embeddings: Float32s,
    identities: np.ndarray,
    times: np.ndarray,
    heights: np.ndarray,
    apart_s: float = APART_S,
    least_ratio: float = RATIO,
) -> float:
    """Share of pictures whose most similar one shows the same person; NaN where there is no query.

    Compared with pictures of all other people, and with those of the same person `apart_s` away in time and of a
    height that differs by `least_ratio`. Pictures of people without such a one are no queries.
    """
    similar = embeddings @ embeddings.T
    same = identities[:, None] == identities[None]
    ratio = heights[:, None] / heights[None]
    apart = (np.abs(times[:, None] - times[None]) >= apart_s) & (np.maximum(ratio, 1 / ratio) >= least_ratio)
    queries = (same & apart).any(1)
    similar[same & ~apart] = -2
    best = similar.argmax(1)
    return float(np.mean(identities[best[queries]] == identities[queries])) if queries.any() else float("nan")
