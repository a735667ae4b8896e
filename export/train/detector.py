"""Training of the built-in detector: NanoDet-Plus-m with ShuffleNetV2 0.5x and one class, from scratch."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from export.train import frames, losses
from export.train.assign import assign
from export.train.frames import Sample
from export.train.nanodet import STRIDES, NanoDetPlus
from export.train.progress import STREETS_APART, Compute, fit, release, worker

MEAN, STD = (103.53, 116.28, 123.675), (57.375, 57.12, 58.395)  # BGR, as NanoDet-Plus is published
BATCH = 16
PEAK = 3e-3
WEIGHT_DECAY = 0.05
QUALITY_WEIGHT, BOX_WEIGHT, DISTRIBUTION_WEIGHT = 1.0, 2.0, 0.25


class Batch(NamedTuple):
    """B pictures of at most G people: `images` uint8 `[B, H, W, 3]`, `boxes` float32 `[B, G, 4]`.

    `there` bool `[B, G]` says which rows are people to be found, `ignored` bool `[B, G]` which are people who need not.
    `labels` int64 `[B, G]` are the classes, None where there is only one.
    """

    images: Tensor
    boxes: Tensor
    there: Tensor
    ignored: Tensor
    labels: Tensor | None = None


def batch(samples: list[Sample]) -> Batch:
    """`samples` together."""
    most = max(1, *(len(s.boxes_xyxy) for s in samples))
    boxes = np.zeros((len(samples), most, 4), np.float32)
    there, ignored = np.zeros((2, len(samples), most), bool)
    labels = np.zeros((len(samples), most), np.int64)
    for b, sample in enumerate(samples):
        rows = slice(len(sample.boxes_xyxy))
        boxes[b, rows], there[b, rows], ignored[b, rows] = sample.boxes_xyxy, ~sample.ignored, sample.ignored
        if sample.labels is not None:
            labels[b, rows] = sample.labels
    images = np.stack([s.image for s in samples])
    return Batch(*map(torch.from_numpy, (images, boxes, there, ignored, labels)))


class Batches(IterableDataset[Batch]):
    """Endless batches of `BATCH` windows; `samples(seed)` gives endless windows of one size."""

    def __init__(self, seed: int, samples: Callable[[int], Iterator[Sample]] = frames.samples) -> None:
        self._seed = seed
        self._samples = samples

    def __iter__(self) -> Iterator[Batch]:
        source = self._samples(self._seed + STREETS_APART * worker())
        while True:
            yield batch([next(source) for _ in range(BATCH)])


def normalised(images: Tensor) -> Tensor:
    """Network input `[B, 3, H, W]` from uint8 BGR `[B, H, W, 3]`."""
    mean, std = (torch.tensor(v, device=images.device) for v in (MEAN, STD))
    return ((images.float() - mean) / std).permute(0, 3, 1, 2)


def cells(width: int, height: int) -> tuple[Tensor, Tensor]:
    """Priors `[N, 2]` and strides `[N]` of every cell, in pixels."""
    points, strides = [], []
    for stride in STRIDES:
        rows, columns = torch.meshgrid(
            torch.arange(-(-height // stride)), torch.arange(-(-width // stride)), indexing="ij"
        )
        points.append(torch.stack([columns, rows], -1).reshape(-1, 2).float() * stride)
        strides.append(torch.full((len(points[-1]),), float(stride)))
    return torch.cat(points), torch.cat(strides)


def boxes_of(net: NanoDetPlus, sides: Tensor, priors: Tensor, strides: Tensor) -> Tensor:
    """Boxes `[..., N, 4]` of side distributions `[..., N, 4*bins]`."""
    distances = net.head.distribution_project(sides) * strides[:, None]
    return torch.cat([priors - distances[..., :2], priors + distances[..., 2:]], -1)


def loss_of(net: NanoDetPlus, batch: Batch, priors: Tensor, strides: Tensor) -> dict[str, Tensor]:
    """The parts of a batch's loss, which `priors` and `strides` of all cells go with."""
    output = net.logits(normalised(batch.images))
    logits, sides = output[..., : net.num_classes], output[..., net.num_classes :]
    boxes = boxes_of(net, sides, priors, strides)
    labels = torch.zeros_like(batch.there, dtype=torch.int64) if batch.labels is None else batch.labels
    person, iou = assign(priors, strides, logits.detach(), boxes.detach(), batch.boxes, batch.there, labels)
    seen = person >= 0
    label = labels.gather(1, person.clamp(min=0))
    quality = torch.zeros_like(logits).scatter(2, label[..., None], iou[..., None])
    counted = seen | ~_inside(priors, batch.boxes, batch.ignored)
    picture, cell = seen.nonzero(as_tuple=True)
    target = batch.boxes[picture, person[seen]]
    weight = logits.detach()[seen].max(1).values.sigmoid()  # a box matters as much as its score
    share = weight.sum().clamp(min=1)
    giou = losses.overlaps(boxes[seen], target)[1]
    distances = torch.cat([priors[cell] - target[:, :2], target[:, 2:] - priors[cell]], 1) / strides[cell, None]
    bins = sides[seen].unflatten(1, (4, -1))
    return {
        "quality": QUALITY_WEIGHT
        * (losses.quality_focal(logits, quality) * counted[..., None]).sum()
        / max(1, len(cell)),
        "box": BOX_WEIGHT * ((1 - giou) * weight).sum() / share,
        "distribution": DISTRIBUTION_WEIGHT * (losses.distribution_focal(bins, distances) * weight).sum() / share,
    }


def _inside(priors: Tensor, boxes: Tensor, which: Tensor) -> Tensor:
    """Which cells `[B, N]` lie in one of the boxes `[B, G, 4]` named by `which` `[B, G]`."""
    inside = (priors[:, None] > boxes[:, None, :, :2]) & (priors[:, None] < boxes[:, None, :, 2:])
    return (inside.all(-1) & which[:, None]).any(2)


def prepare(net: NanoDetPlus) -> None:
    """Start from rare objects: every class score begins near .01."""
    for last in net.head.gfl_cls:
        torch.nn.init.normal_(last.weight, std=0.01)
        torch.nn.init.zeros_(last.bias)
        torch.nn.init.constant_(last.bias[: net.num_classes], -4.595)


def train(folder: Path, steps: int, compute: Compute, seed: int = 0) -> Path:
    """Train for `steps` batches in all, going on from `folder`/state.pt where it exists; returns the released file."""
    torch.manual_seed(seed)
    net = NanoDetPlus("0.5x", num_classes=1)
    prepare(net)
    priors, strides = (x.to(compute.device) for x in cells(*frames.WINDOW))
    average = fit(
        net,
        lambda batch: loss_of(net, batch, priors, strides),
        lambda first: Batches(seed + 10_000 * first),  # going on draws other frames than the first ones again
        folder,
        steps,
        compute,
        peak=PEAK,
        weight_decay=WEIGHT_DECAY,
    )
    path = folder / "detector.pth"
    release(average, path, architecture="NanoDet-Plus-m 0.5x", class_names=["person"], input_size=list(frames.INPUT))
    return path
