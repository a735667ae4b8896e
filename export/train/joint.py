"""Training of the built-in joint network: boxes, offsets to the previous frame and embeddings, from scratch."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from edge.detect.joint import draw_gaussian
from export.train import losses, pairs
from export.train.detector import MEAN, STD
from export.train.jointnet import STRIDE, JointNet
from export.train.pairs import INPUT, Pair
from export.train.progress import STREETS_APART, Compute, fit, release, worker

COUPLES = 16  # of windows, in a batch
BESIDE = 0.3  # of the cells that the heads are asked at
PEAK = 2e-3
WEIGHT_DECAY = 0.05
OVERLAP_WEIGHT, EDGE_WEIGHT, BACK_WEIGHT = 2.0, 0.1, 1.0
CONTRAST_WEIGHT = 0.1  # of 1, it takes the layers that all heads share from those that find people


class Batch(NamedTuple):
    """B windows with N people to be found in them.

    `images` uint8 `[B, H, W, 6]`, the picture and the one before; `heat` float32 `[B, h, w]`, `counted` bool like it.
    Per person the row of the batch `picture` and the `cells` int64 `[N, 2]` (column, row); in cells from there the
    `edges` `[N, 4]` and the offset to the previous frame `back` `[N, 2]`, NaN for people who were not there; `labels`,
    -1 for people not seen well.
    """

    images: Tensor
    heat: Tensor
    counted: Tensor
    picture: Tensor
    cells: Tensor
    edges: Tensor
    back: Tensor
    labels: Tensor


class Batches(IterableDataset[Batch]):
    """Endless batches of `COUPLES` couples of windows; `couples(seed)` gives endless couples."""

    def __init__(self, seed: int, couples: Callable[[int], Iterator[tuple[Pair, Pair]]] = pairs.couples) -> None:
        self._seed = seed
        self._couples = couples

    def __iter__(self) -> Iterator[Batch]:
        seed = self._seed + STREETS_APART * worker()
        source = self._couples(seed)
        rng = np.random.default_rng([seed, 94])
        while True:
            yield batch([pair for _ in range(COUPLES) for pair in next(source)], rng)


def batch(windows: list[Pair], rng: np.random.Generator) -> Batch:
    """Pictures and targets of `windows`; the heads are asked beside the peak now and then, where it may be found."""
    height, width = (side // STRIDE for side in windows[0].image.shape[:2])
    heat = np.zeros((len(windows), height, width), np.float32)
    counted = np.ones(heat.shape, bool)
    rows = []
    for b, pair in enumerate(windows):
        boxes = pair.boxes_xyxy / STRIDE
        inside = np.clip(boxes, 0, [width - 1, height - 1] * 2)
        for x0, y0, x1, y1 in inside[pair.ignored].astype(int).tolist():
            counted[b, y0 : y1 + 1, x0 : x1 + 1] = False
        wanted = np.flatnonzero(~pair.ignored & (inside[:, 2:] > inside[:, :2]).all(1))
        cells = ((inside[wanted, :2] + inside[wanted, 2:]) / 2).astype(np.int64)
        for box in inside[wanted]:
            draw_gaussian(heat[b], box)
        beside = rng.integers(-1, 2, cells.shape) * (rng.random((len(cells), 1)) < BESIDE)
        cells = np.clip(cells + beside, 0, [width - 1, height - 1])
        before = (pair.before_xyxy[wanted, :2] + pair.before_xyxy[wanted, 2:]) / (2 * STRIDE)
        labels = np.where(pair.clear, pair.identities, -1)[wanted]
        rows.append((np.full(len(wanted), b), cells, boxes[wanted] - np.tile(cells, 2), before - cells, labels))
    counted |= heat == 1
    images = np.stack([np.concatenate([pair.image, pair.before], 2) for pair in windows])
    picture, cells, edges, back, labels = (
        torch.from_numpy(np.concatenate(column)) for column in zip(*rows, strict=True)
    )
    dense = torch.from_numpy(images), torch.from_numpy(heat), torch.from_numpy(counted)
    return Batch(*dense, picture, cells, edges.float(), back.float(), labels)


def normalised(images: Tensor) -> Tensor:
    """Network input `[B, 6, H, W]` from uint8 `[B, H, W, 6]`."""
    mean, std = (torch.tensor(v * 2, device=images.device) for v in (MEAN, STD))
    return ((images.float() - mean) / std).permute(0, 3, 1, 2)


def loss_of(net: JointNet, batch: Batch) -> dict[str, Tensor]:
    """The parts of a batch's loss."""
    seen = net(normalised(batch.images))
    known = net.at(seen, batch.picture, batch.cells)
    people = max(1, len(batch.picture))
    heat = (losses.heatmap_focal(seen.heat[:, 0], batch.heat) * batch.counted).sum() / people
    overlap = (1 - losses.overlaps(known.edges, batch.edges)[1]).sum() / people
    edge = (known.edges - batch.edges).abs().sum() / people
    moved = batch.back.isfinite().all(1)
    back = (known.back - batch.back)[moved].abs().sum() / moved.sum().clamp(min=1)
    clear = batch.labels >= 0
    return {
        "heat": heat,
        "overlap": OVERLAP_WEIGHT * overlap,
        "edge": EDGE_WEIGHT * edge,
        "back": BACK_WEIGHT * back,
        "contrast": CONTRAST_WEIGHT * losses.contrast(known.embeddings[clear], batch.labels[clear]),
    }


def prepare(net: JointNet) -> None:
    """Start from rare people (scores near .01, as CenterNet does) of a usual shape."""
    torch.nn.init.normal_(net.hm[-1].weight, std=0.01)
    torch.nn.init.constant_(net.hm[-1].bias, -4.595)
    with torch.no_grad():
        net.ltrb_amodal.bias.copy_(torch.tensor([-2.0, -5.0, 2.0, 5.0]))


def train(folder: Path, steps: int, compute: Compute, seed: int = 0) -> Path:
    """Train for `steps` batches in all, going on from `folder`/state.pt where it exists; returns the released file."""
    torch.manual_seed(seed)
    net = JointNet()
    prepare(net)
    average = fit(
        net,
        lambda batch: loss_of(net, batch),
        lambda first: Batches(seed + 10_000 * first),  # going on draws other times than the first ones again
        folder,
        steps,
        compute,
        peak=PEAK,
        weight_decay=WEIGHT_DECAY,
    )
    path = folder / "joint.pth"
    release(
        average, path, architecture="Joint network of nanotrack-edge", class_names=["person"], input_size=list(INPUT)
    )
    return path
