"""Fine-tuning on labelled pictures of one's own, from weights that others trained.

A part of the pictures is held out for validation. On it the exported network is measured in ONNX Runtime: before, now
and then, and after.
"""

import logging
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from torch import nn

from edge.console.running import Progress
from edge.detect.open import open_detector
from edge.errors import DataError
from edge.types import Image
from edge.video.images import read_image
from export import networks, pack
from export.train import detector as detectors
from export.train import frames, pairs, score, start
from export.train import joint as joints
from export.train import reid as reids
from export.train.crops import LEAST_HEIGHT_PX, Crop
from export.train.frames import Sample, View
from export.train.labelled import Labelled, Picture
from export.train.pairs import Pair
from export.train.progress import Compute, Plan, fit, release
from export.train.score import Found, Wanted

SHARE = 0.2  # of the pictures, held out
PEAK = 5e-4  # a sixth of what trains from scratch
WARM_UP = 30
WEIGHT_DECAY = 0.05
_WINDOW = 320  # side of what a training step sees of a detector's input, if that is larger
_MOST_CHECKED = 60  # pictures held out of which more would only take time
_FLOOR = 0.02
_FEWEST_PEOPLE = 4
_CROP_EVERY_S = 0.5  # between two crops of a person: a moment later they look the same
_OF_CROPS = ("identity", "time_s", "height_px")
_ALBUM = 12  # pairs of frames of one sequence at hand
_KEPT = 200  # pictures that stay in memory, decoded
_MULTIPLE = 32

logger = logging.getLogger(__name__)


class Tuned(NamedTuple):
    """The weights, and what was measured before and after; `metric` says what that is."""

    path: Path
    metric: str
    before: float
    after: float


def detector(
    folder: Path,
    data: Labelled,
    weights: Path,
    steps: int,
    seconds: float | None,
    compute: Compute,
    size: tuple[int, int] | None = None,
    seed: int = 0,
) -> Tuned:
    """Fine-tune NanoDet-Plus-m on `data`; `folder` gets detector.pth, log.jsonl, curves.png and state.pt.

    It ends after `steps` batches or `seconds`, whichever comes first. `size` is its new input (default: that of the
    weights). Raises DataError for weights of another network or too few pictures.
    """
    learned, held_back = data.split(SHARE, seed)
    if not learned.pictures or not held_back.pictures:
        raise DataError(f"--data: expected at least 2 labelled pictures, found {len(data.pictures)}; label more")
    begun = start.nanodet_plus(weights, data.names)
    net, size = begun.net, size or begun.input
    if any(side % _MULTIPLE for side in size):
        raise DataError(f"--input-size {size[0]}x{size[1]}: expected multiples of {_MULTIPLE}")
    window = (min(size[0], _WINDOW), min(size[1], _WINDOW))
    logger.info(
        "%d pictures for training and %d for validation (%s), %s; %d of %d classes are known to the weights",
        len(learned.pictures),
        len(held_back.pictures),
        data.form,
        ", ".join(data.names[:8]),
        begun.known,
        len(data.names),
    )
    told = {"architecture": "NanoDet-Plus-m", "class_names": list(data.names), "input_size": list(size)}
    checked = held_back.pictures[:: -(-len(held_back.pictures) // _MOST_CHECKED)]
    measured: list[float] = []

    def check(current: nn.Module) -> dict[str, float]:
        with tempfile.TemporaryDirectory() as temporary:
            path = Path(temporary) / "check.pth"
            release(current, path, **told)
            measured.append(average_precision(path, checked, data.names))
        return {"ap50": measured[-1]}

    samples = partial(windows, learned.pictures, View(size, window))
    priors, strides = (x.to(compute.device) for x in detectors.cells(*window))
    average = fit(
        net,
        lambda batch: detectors.loss_of(net, batch, priors, strides),
        lambda first: detectors.Batches(seed + 10_000 * first, samples),
        folder,
        steps,
        compute,
        peak=PEAK,
        weight_decay=WEIGHT_DECAY,
        plan=Plan(seconds, fixed_norms=True, warm_up=WARM_UP, check=check, start_method="spawn"),
    )
    path = folder / "detector.pth"
    release(average, path, **told)
    return Tuned(path, "AP50", measured[0], measured[-1])


def reid(
    folder: Path, data: Labelled, weights: Path, steps: int, seconds: float | None, compute: Compute, seed: int = 0
) -> Tuned:
    """Fine-tune OSNet on the people of `data`; `folder` gets reid.pth and what `detector` gets.

    A part of the people is held out. Raises DataError for weights of another network, labels without identities or
    too few people.
    """
    found = crops_of(data)
    people = np.unique([crop.identity for crop in found])
    if len(people) < _FEWEST_PEOPLE:
        raise DataError(
            f"--data: expected at least {_FEWEST_PEOPLE} people with {reids.CROPS} pictures each, {_CROP_EVERY_S} s"
            f" apart, found {len(people)} ({data.form}); MOTChallenge's format and COCO's track_id tell who is who"
        )
    judged = set(np.random.default_rng(seed).permutation(people)[: max(2, round(SHARE * len(people)))].tolist())
    learned = [crop for crop in found if crop.identity not in judged]
    held_back = [crop for crop in found if crop.identity in judged]
    begun = start.osnet(weights, len(people) - len(judged))
    net, size = begun.net, begun.input
    logger.info("%d people for training and %d for validation", len(people) - len(judged), len(judged))
    told = {"architecture": "OSNet", "input_size": list(size)}
    measured: list[float] = []

    def check(current: nn.Module) -> dict[str, float]:
        with tempfile.TemporaryDirectory() as temporary:
            path = Path(temporary) / "check.pth"
            release(current, path, **told)
            embeddings = score.embedded(path, [crop.image for crop in held_back])
        who, when, tall = (np.array([getattr(c, name) for c in held_back]) for name in _OF_CROPS)
        measured.append(score.rank_one(embeddings, who, when, tall, _CROP_EVERY_S, 1.0))
        return {"rank_one": measured[-1]}

    average = fit(
        net,
        lambda batch: reids.loss_of(net, batch),
        lambda first: reids.Batches(learned, seed + 10_000 * first, size),
        folder,
        steps,
        compute,
        peak=PEAK,
        weight_decay=reids.WEIGHT_DECAY,
        plan=Plan(seconds, fixed_norms=True, warm_up=WARM_UP, check=check, start_method="spawn"),
    )
    path = folder / "reid.pth"
    release(average, path, **told)
    return Tuned(path, "rank-1", measured[0], measured[-1])


def crops_of(data: Labelled) -> list[Crop]:
    """Crops of everybody who is known and seen well, `_CROP_EVERY_S` apart; only who has as many as a batch wants."""
    last: dict[int, float] = {}
    found: dict[int, list[Crop]] = {}
    with Progress(len(data.pictures)) as progress:
        for picture in data.pictures:
            progress.advance("pictures, people cut out")
            rows = [
                row
                for row in np.flatnonzero((picture.identities >= 0) & ~picture.ignored).tolist()
                if picture.time_s - last.get(int(picture.identities[row]), -np.inf) >= _CROP_EVERY_S - 1e-6
                or not picture.sequence
            ]
            if not rows:
                continue
            image = read_image(picture.path)
            for row in rows:
                person = int(picture.identities[row])
                x0, y0 = np.maximum(picture.boxes_xyxy[row, :2], 0).astype(int).tolist()
                x1, y1 = picture.boxes_xyxy[row, 2:].astype(int).tolist()
                cut = image[y0:y1, x0:x1]
                if cut.shape[0] < LEAST_HEIGHT_PX or cut.shape[1] < 8:
                    continue
                # Single pictures tell no time: each counts as taken long after the one before.
                time_s = picture.time_s if picture.sequence else len(found.get(person, [])) * _CROP_EVERY_S
                last[person] = time_s
                found.setdefault(person, []).append(Crop(cut.copy(), person, time_s))
    return [crop for crops in found.values() if len(crops) >= reids.CROPS for crop in crops]


def joint(
    folder: Path, data: Labelled, weights: Path, steps: int, seconds: float | None, compute: Compute, seed: int = 0
) -> Tuned:
    """Fine-tune the joint network on the sequences of `data`; `folder` gets joint.pth and what `detector` gets.

    Raises DataError for weights of another network, and for pictures that are no sequences with identities.
    """
    learned, held_back = data.split(SHARE, seed)
    couples_ = _following(learned.pictures)
    if len(couples_) < 2 or not held_back.pictures:
        raise DataError(
            f"--data: expected sequences of frames with identities, found {len(couples_)} pairs of frames that follow"
            f" each other ({data.form}); the joint network learns from MOTChallenge's format"
        )
    begun = start.joint(weights)
    net, size = begun.net, begun.input
    told = {
        "architecture": "Joint network of nanotrack-edge",
        "class_names": list(data.names),
        "input_size": list(size),
    }
    checked = held_back.pictures[:: -(-len(held_back.pictures) // _MOST_CHECKED)]
    measured: list[float] = []

    def check(current: nn.Module) -> dict[str, float]:
        with tempfile.TemporaryDirectory() as temporary:
            path = Path(temporary) / "check.pth"
            release(current, path, **told)
            measured.append(average_precision(path, checked, data.names))
        return {"ap50": measured[-1]}

    average = fit(
        net,
        lambda batch: joints.loss_of(net, batch),
        lambda first: joints.Batches(seed + 10_000 * first, partial(_couples, couples_)),
        folder,
        steps,
        compute,
        peak=PEAK,
        weight_decay=WEIGHT_DECAY,
        plan=Plan(seconds, fixed_norms=True, warm_up=WARM_UP, check=check, start_method="spawn"),
    )
    path = folder / "joint.pth"
    release(average, path, **told)
    return Tuned(path, "AP50", measured[0], measured[-1])


def _following(pictures: Sequence[Picture]) -> list[tuple[Picture, Picture]]:
    """All pairs (frame, the one before) that the joint network may meet: one to three frames apart."""
    known = {(p.sequence, p.number): p for p in pictures if p.sequence}
    gaps = sorted(set(pairs.APART_FRAMES))
    return [(p, known[(s, n - gap)]) for (s, n), p in known.items() for gap in gaps if (s, n - gap) in known]


def _couples(following: Sequence[tuple[Picture, Picture]], seed: int) -> Iterator[tuple[Pair, Pair]]:
    """Endless couples of windows, each on one person at two times of a sequence where there is such a person."""
    rng = np.random.default_rng([seed, 93])
    by_sequence: dict[str, list[tuple[Picture, Picture]]] = {}
    for pair in following:
        by_sequence.setdefault(pair[0].sequence, []).append(pair)
    names = list(by_sequence)
    while True:
        mine = by_sequence[names[rng.integers(len(names))]]
        drawn = [mine[k] for k in rng.choice(len(mine), min(_ALBUM, len(mine)), replace=False).tolist()]
        album = [_pair(now, before) for now, before in drawn]
        for _ in range(_ALBUM * pairs.SERVED // 2):
            yield pairs.couple(album, rng)


def _pair(now: Picture, before: Picture) -> Pair:
    """Both pictures at the size of the joint network's input, with everybody of the later one."""
    image, earlier = read_image(now.path), read_image(before.path)
    height, width = image.shape[:2]
    scale = np.array([pairs.INPUT[0] / width, pairs.INPUT[1] / height] * 2, np.float32)
    was = dict(zip(before.identities.tolist(), before.boxes_xyxy, strict=True))
    nowhere = np.full(4, np.nan, np.float32)
    boxes = np.array([was.get(person, nowhere) for person in now.identities.tolist()], np.float32).reshape(-1, 4)
    pictures = cv2.resize(image, pairs.INPUT), cv2.resize(earlier, pairs.INPUT)
    return Pair(*pictures, now.boxes_xyxy * scale, boxes * scale, now.identities, now.ignored, ~now.ignored)


def windows(pictures: Sequence[Picture], view: View, seed: int) -> Iterator[Sample]:
    """Endless windows of the pictures, in another order each time, augmented as those of the built-in scene."""
    rng = np.random.default_rng([seed, 98])
    kept: dict[Path, Image] = {}
    while True:
        for k in rng.permutation(len(pictures)).tolist():
            picture = pictures[k]
            image = kept[picture.path] if picture.path in kept else read_image(picture.path)
            if len(kept) < _KEPT:
                kept[picture.path] = image
            yield frames.augment(Sample(image, picture.boxes_xyxy, picture.ignored, picture.labels), rng, view)


def average_precision(path: Path, pictures: Sequence[Picture], names: Sequence[str]) -> float:
    """AP at IoU .5 of a checkpoint on `pictures`, the mean over the classes that occur, in ONNX Runtime."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "check.pack"
        pack.write(target, networks.detector(path))
        # One rung for all: each look is at other weights, and finding their fastest one costs more than the look.
        find = open_detector(target, classes=tuple(names), floor=_FLOOR, require="onnxruntime-fp32")
        results: dict[int, list[tuple[Found, Wanted]]] = {row: [] for row in range(len(names))}
        for picture in pictures:
            find.reset()  # they do not follow each other
            found = find(read_image(picture.path))
            classes = np.zeros(len(found), np.int32) if found.classes is None else found.classes
            for row, each in results.items():
                here, there = classes == row, picture.labels == row
                wanted = Wanted(picture.boxes_xyxy[there], ~picture.ignored[there])
                each.append((Found(found.boxes_xyxy[here], found.scores[here]), wanted))
        find.backend.close()
    occurring = [each for each in results.values() if any(wanted.counts.any() for _, wanted in each)]
    return float(np.mean([score.average_precision(each) for each in occurring])) if occurring else 0.0
