"""The losses of NanoDet-Plus and of OSNet, as published.

Quality focal loss and distribution focal loss: Li et al. 2020, "Generalized Focal Loss". GIoU: Rezatofighi et al. 2019.
Triplet loss with the hardest pairs of a batch: Hermans et al. 2017. Label smoothing: Szegedy et al. 2016.
"""

import torch
from torch import Tensor
from torch.nn import functional

GAMMA = 2.0  # focusing exponent of the quality focal loss
MARGIN = 0.3  # of the triplet loss, on distances of unit vectors


def quality_focal(logits: Tensor, quality: Tensor) -> Tensor:
    """Per cell: binary cross-entropy to `quality` 0..1, weighted by how far the score is from it."""
    weight = (quality - logits.sigmoid()).abs() ** GAMMA
    return functional.binary_cross_entropy_with_logits(logits, quality, reduction="none") * weight


def distribution_focal(logits: Tensor, distances: Tensor) -> Tensor:
    """Per row `[K]`: cross-entropy of side logits `[K, 4, bins]` to the two bins around `distances` `[K, 4]`."""
    bins = logits.shape[-1]
    distances = distances.clamp(0, bins - 1 - 0.01)
    low = distances.long()
    share = distances - low
    flat = logits.reshape(-1, bins)
    below = functional.cross_entropy(flat, low.reshape(-1), reduction="none").view_as(distances)
    above = functional.cross_entropy(flat, low.reshape(-1) + 1, reduction="none").view_as(distances)
    return (below * (1 - share) + above * share).mean(1)


def overlaps(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """IoU and GIoU of boxes xyxy that pair up, `[..., 4]` each, with broadcasting."""
    low, high = torch.maximum(first[..., :2], second[..., :2]), torch.minimum(first[..., 2:], second[..., 2:])
    inner = (high - low).clamp(min=0).prod(-1)
    areas = [(b[..., 2:] - b[..., :2]).clamp(min=0).prod(-1) for b in (first, second)]
    union = areas[0] + areas[1] - inner + 1e-7
    low, high = torch.minimum(first[..., :2], second[..., :2]), torch.maximum(first[..., 2:], second[..., 2:])
    hull = (high - low).clamp(min=0).prod(-1) + 1e-7
    iou = inner / union
    return iou, iou - (hull - union) / hull


def identity(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy over the training identities with label smoothing of .1."""
    return functional.cross_entropy(logits, labels, label_smoothing=0.1)


def triplet(embeddings: Tensor, labels: Tensor) -> Tensor:
    """Hardest positive against hardest negative of each row, on unit vectors."""
    unit = functional.normalize(embeddings)
    distances = (2 - 2 * unit @ unit.T).clamp(min=1e-9).sqrt()
    same = labels[:, None] == labels[None]
    farthest = torch.where(same, distances, torch.zeros_like(distances)).amax(1)
    nearest = torch.where(same, torch.full_like(distances, 9.0), distances).amin(1)
    return (farthest - nearest + MARGIN).relu().mean()
