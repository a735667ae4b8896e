"""The losses of NanoDet-Plus, CenterNet and OSNet, as published.

Quality focal loss and distribution focal loss: Li et al. 2020, "Generalized Focal Loss". GIoU: Rezatofighi et al. 2019.
Focal loss of heat maps: Zhou et al. 2019, "Objects as Points".
Triplet loss over a batch: Hermans et al. 2017. N-pair loss: Sohn 2016, "Improved Deep Metric Learning with Multi-class
N-pair Loss Objective". Label smoothing: Szegedy et al. 2016.
"""

import torch
from torch import Tensor
from torch.nn import functional

GAMMA = 2.0  # focusing exponent of both focal losses
FADE = 4.0  # exponent by which the heat map's loss spares the surroundings of a peak
COSINE_SCALE = 16.0  # of the losses on cosines
MARGIN = 0.3  # of the triplet loss, on distances of unit vectors


def quality_focal(logits: Tensor, quality: Tensor) -> Tensor:
    """Per cell: binary cross-entropy to `quality` 0..1, weighted by how far the score is from it."""
    weight = (quality - logits.sigmoid()).abs() ** GAMMA
    return functional.binary_cross_entropy_with_logits(logits, quality, reduction="none") * weight


def heatmap_focal(logits: Tensor, heat: Tensor) -> Tensor:
    """Per cell: focal cross-entropy, to 1 where `heat` is 1, to 0 elsewhere and the less the nearer to such a cell."""
    probability = logits.sigmoid()
    towards_one = functional.logsigmoid(logits) * (1 - probability) ** GAMMA
    towards_zero = functional.logsigmoid(-logits) * probability**GAMMA * (1 - heat) ** FADE
    return -torch.where(heat == 1, towards_one, towards_zero)


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


def identity(embeddings: Tensor, prototypes: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy over the training identities with label smoothing of .1.

    Logits are scaled cosines between `embeddings` `[B, E]` and a prototype per identity `[I, E]`: the cosine is what
    the tracker compares, and training starts calmly (NormFace, Wang et al. 2017).
    """
    cosines = functional.normalize(embeddings) @ functional.normalize(prototypes).T
    return functional.cross_entropy(COSINE_SCALE * cosines, labels, label_smoothing=0.1)


def contrast(embeddings: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of each picture's likeness to one other picture of its person against all of other people.

    Mean over all pairs of one person in the batch, on scaled cosines: the N-pair loss (Sohn 2016) with the unit
    vectors and all positives of supervised contrast (Khosla et al. 2020). It knows no prototypes that have to be
    learned first, so that with thousands of people it teaches from the first batch on.
    """
    unit = functional.normalize(embeddings)
    alike = COSINE_SCALE * unit @ unit.T
    same = labels[:, None] == labels[None]
    positive = same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    others = torch.where(same, -1e9, alike).logsumexp(1, keepdim=True)
    return (functional.softplus(others - alike) * positive).sum() / positive.sum().clamp(min=1)


def triplet(embeddings: Tensor, labels: Tensor) -> Tensor:
    """Mean over all triplets of the batch that are not settled yet, on unit vectors ("batch all").

    The hardest triplets alone, the paper's other choice, teach a network nothing while it knows nothing.
    """
    unit = functional.normalize(embeddings)
    distances = (2 - 2 * unit @ unit.T).clamp(min=1e-9).sqrt()
    same = labels[:, None] == labels[None]
    positive = same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    gaps = (distances[:, :, None] - distances[:, None, :] + MARGIN).relu()
    gaps = torch.where(positive[:, :, None] & ~same[:, None, :], gaps, 0.0)  # picking them out would cost a GPU a sort
    return gaps.sum() / (gaps > 0).sum().clamp(min=1)
