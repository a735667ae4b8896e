"""Scores of the built-in joint network on unseen seeds: the boxes as the detector's, the embeddings as ReID's."""

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from edge.demo.scene import Options
from edge.demo.truth import Truth
from edge.detect.open import open_detector
from edge.errors import DataError
from edge.types import Detections, Float32s
from export import networks, pack
from export.train.crops import INTERVAL_S, LEAST_HEIGHT_PX, LEAST_VISIBLE
from export.train.score import MATCH_IOU, SEEDS, SHOTS, Found, Wanted, average_precision, overlap, rank_one

FRAME_S = 1 / 30


class Scores(NamedTuple):
    """`ap50` of the boxes, `rank_one` of the embeddings, and `offset_px`, the mean error of the offsets to the previous
    frame."""

    ap50: float
    rank_one: float
    offset_px: float


class _Matched(NamedTuple):
    embedding: Float32s
    identity: int
    time_s: float
    height_px: float
    back_error_px: float


def joint(path: Path, seeds: Iterable[int] = SEEDS) -> Scores:
    """Scores of a joint checkpoint on 20 people at 720p; before each picture it sees the one of a frame ago."""
    results: list[tuple[Found, Wanted]] = []
    matched: list[_Matched] = []
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "score.pack"
        pack.write(target, networks.detector(path))
        find = open_detector(target, floor=0.02)
        for seed in seeds:
            stage = Options(seed=seed).stage()
            for shot in range(SHOTS):
                stage.advance(shot * INTERVAL_S)
                image, before = stage.shoot(FRAME_S)
                find(image)
                stage.advance(shot * INTERVAL_S + FRAME_S)
                image, now = stage.shoot(FRAME_S)
                found = find(image)
                wanted = Wanted(now.boxes_xyxy, now.counts(image.shape[0]))
                results.append((Found(found.boxes_xyxy, found.scores), wanted))
                matched += _matched(found, now, before, 1000 * seed, shot * INTERVAL_S)
    embeddings, identities, times, heights, errors = (np.array(column) for column in zip(*matched, strict=True))
    return Scores(average_precision(results), rank_one(embeddings, identities, times, heights), float(errors.mean()))


def _matched(found: Detections, now: Truth, before: Truth, first_identity: int, time_s: float) -> Iterator[_Matched]:
    """What was found of the people who are seen well in both pictures."""
    centres, offsets, embeddings = found.centres, found.offsets, found.embeddings
    if centres is None or offsets is None or embeddings is None:
        raise DataError("expected a joint network, found one without offsets and embeddings")
    was = dict(zip(before.ids.tolist(), _middles(before.boxes_xyxy), strict=True))
    tall = now.boxes_xyxy[:, 3] - now.boxes_xyxy[:, 1]
    for i in np.flatnonzero((now.visibility >= LEAST_VISIBLE) & (tall >= LEAST_HEIGHT_PX)).tolist():
        person = int(now.ids[i])
        iou = overlap(now.boxes_xyxy[i], found.boxes_xyxy)[0]
        if person in was and iou.max(initial=0) >= MATCH_IOU:
            k = int(iou.argmax())
            error = float(np.hypot(*(centres[k] + offsets[k] - was[person])))
            yield _Matched(embeddings[k], first_identity + person, time_s, float(tall[i]), error)


def _middles(boxes: Float32s) -> Float32s:
    return np.float32(0.5) * (boxes[:, :2] + boxes[:, 2:])
