"""Training of the built-in appearance network: OSNet x0.25 with contrast, identity and triplet losses, from scratch."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from edge.demo.scene import TRAINING_SEEDS
from edge.types import Image
from export.train import losses
from export.train.crops import Crop, collect
from export.train.osnet import OSNet
from export.train.progress import STREETS_APART, Compute, fit, release, worker

MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)  # RGB, ImageNet's, as torchreid normalises
INPUT = (64, 128)  # width and height: half of the published ones, as small as people of the scene appear
STREETS = 300  # of 30 people each: unseen people are told apart only after many have been seen
IDENTITIES, CROPS = 32, 4  # of a batch: people, and pictures of each
PEAK = 2e-3
WEIGHT_DECAY = 5e-4
_W, _H = (20, 76), (15, 80)  # width and height of what hides a part of a crop, in 128ths of its sides
IDENTITY_WEIGHT = 0.5  # its prototypes of thousands of people mean little for long; contrast and triplets teach first


class Batch(NamedTuple):
    """B crops: `images` uint8 `[B, 128, 64, 3]` RGB and whom they show, `labels` int64 `[B]`."""

    images: Tensor
    labels: Tensor


class Batches(IterableDataset[Batch]):
    """Endless batches of `IDENTITIES` people, or as many as there are; crops of `size`."""

    def __init__(self, crops: list[Crop], seed: int, size: tuple[int, int] = INPUT) -> None:
        self._seed = seed
        groups: dict[int, list[Image]] = {}
        for crop in crops:
            groups.setdefault(crop.identity, []).append(fitted(crop.image, size))
        self._people = [group for group in groups.values() if len(group) >= CROPS]

    @property
    def identities(self) -> int:
        """How many people there are."""
        return len(self._people)

    def __iter__(self) -> Iterator[Batch]:
        rng = np.random.default_rng([self._seed + STREETS_APART * worker(), 96])
        most = min(IDENTITIES, self.identities)
        while True:
            labels = np.repeat(rng.choice(self.identities, most, replace=False), CROPS)
            shown = []
            for label in labels[::CROPS]:
                group = self._people[label]
                shown += [group[k] for k in rng.choice(len(group), CROPS, replace=False)]
            images = [augment(image, shown[rng.integers(len(shown))], rng) for image in shown]
            yield Batch(torch.from_numpy(np.stack(images)), torch.from_numpy(labels))


def fitted(image: Image, size: tuple[int, int] = INPUT) -> Image:
    """A crop as the network takes it: squashed to `size`, RGB."""
    return cv2.cvtColor(cv2.resize(image, size), cv2.COLOR_BGR2RGB)


def augment(image: Image, other: Image, rng: np.random.Generator) -> Image:
    """A crop mirrored, of other brightness and tint, partly hidden by a thing or somebody `other`, now and then.

    Hiding is random erasing (Zhong et al. 2017). In a street it is mostly people who hide people, and a network that
    has only seen plain colours in front of someone takes the clothes of whoever stands there for theirs.
    """
    if rng.random() < 0.5:
        image = cv2.flip(image, 1)
    if rng.random() < 0.5:
        gains = rng.uniform(0.7, 1.25) * rng.uniform(0.96, 1.04, 3)
        image = np.clip(image * gains, 0, 255).astype(np.uint8)
    if rng.random() < 0.4:
        height, width = image.shape[:2]
        w, h = (int(rng.integers(*(side * share // 128 for share in of))) for side, of in ((width, _W), (height, _H)))
        x, y = int(rng.integers(0, width - w)), int(rng.integers(0, height - h))
        image = image.copy()
        if rng.random() < 0.5:
            image[y : y + h, x : x + w] = rng.integers(40, 200, 3)
        else:
            u, v = (width - w) // 2, int(rng.integers(0, height - h))
            image[y : y + h, x : x + w] = other[v : v + h, u : u + w]
    return image


def normalised(images: Tensor) -> Tensor:
    """Network input `[B, 3, 128, 64]` from uint8 RGB `[B, 128, 64, 3]`."""
    mean, std = (torch.tensor(v, device=images.device) for v in (MEAN, STD))
    return ((images.float() - mean) / std).permute(0, 3, 1, 2)


def loss_of(net: OSNet, batch: Batch) -> dict[str, Tensor]:
    """The parts of a batch's loss."""
    embeddings = net(normalised(batch.images))
    return {
        "contrast": losses.contrast(embeddings, batch.labels),
        "identity": IDENTITY_WEIGHT * losses.identity(embeddings, net.classifier.weight, batch.labels),
        "triplet": losses.triplet(embeddings, batch.labels),
    }


def train(folder: Path, steps: int, compute: Compute, seed: int = 0) -> Path:
    """Train for `steps` batches in all, going on from `folder`/state.pt where it exists; returns the released file."""
    torch.manual_seed(seed)
    first_street = TRAINING_SEEDS + 50_000 + 1000 * seed
    crops = collect(range(first_street, first_street + STREETS), workers=compute.workers)
    net = OSNet(0.25, identities=Batches(crops, seed).identities)
    average = fit(
        net,
        lambda batch: loss_of(net, batch),
        lambda first: Batches(crops, seed + 10_000 * first),  # going on draws other batches than the first ones again
        folder,
        steps,
        compute,
        peak=PEAK,
        weight_decay=WEIGHT_DECAY,
    )
    path = folder / "reid.pth"
    release(average, path, architecture="OSNet x0.25", input_size=list(INPUT))
    return path
