"""Which cell answers for which person: dynamic soft label assignment.

As in NanoDet-Plus and RTMDet (Lyu et al. 2022): each person takes the cells that already see it best, as many as their
summed overlap says, and a cell wanted by several serves the cheapest. Cells near the middle are preferred, so that a
network that knows nothing yet learns from sensible ones.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from export.train.losses import overlaps

CANDIDATES = 13
IOU_WEIGHT = 3.0
CENTRE_RADIUS = 3.0  # strides from the middle at which the centre's cost is 1


class Assignment(NamedTuple):
    """`person` int64 `[N]`: the row of the person a cell answers for, -1 for none. `iou` `[N]`: its overlap now."""

    person: Tensor
    iou: Tensor


def assign(priors: Tensor, strides: Tensor, logits: Tensor, boxes: Tensor, truth: Tensor) -> Assignment:
    """Assign N cells to G people.

    `priors` `[N, 2]` and `strides` `[N]` in pixels, class `logits` `[N]` and `boxes` `[N, 4]` as predicted now,
    `truth` `[G, 4]`.
    """
    person = torch.full((len(priors),), -1, device=priors.device)
    quality = torch.zeros(len(priors), device=priors.device)
    if not len(truth):
        return Assignment(person, quality)
    middle = (truth[:, :2] + truth[:, 2:]) / 2
    away = (priors[:, None] - middle).norm(dim=-1) / strides[:, None]
    inside = ((priors[:, None] > truth[:, :2]) & (priors[:, None] < truth[:, 2:])).all(-1)
    # A person between all cells is served by the nearest one of each level.
    inside |= away < 0.75
    rows = inside.any(1).nonzero()[:, 0]
    if not len(rows):
        return Assignment(person, quality)
    iou = overlaps(boxes[rows, None], truth[None])[0]
    score = logits[rows, None].expand_as(iou)
    focus = (iou - score.sigmoid()).abs() ** 2
    cost = functional.binary_cross_entropy_with_logits(score, iou, reduction="none") * focus
    cost = cost - IOU_WEIGHT * (iou + 1e-7).log() + 10 ** (away[rows] - CENTRE_RADIUS).clamp(max=6)
    cost = cost + 1e8 * ~inside[rows]
    top = iou.topk(min(CANDIDATES, len(rows)), 0).values
    counts = top.sum(0).int().clamp(min=1)
    chosen = torch.zeros_like(iou, dtype=torch.bool)
    for g, count in enumerate(counts.tolist()):
        chosen[cost[:, g].topk(min(count, len(rows)), largest=False).indices, g] = True
    chosen &= cost < 1e7
    cost = torch.where(chosen, cost, torch.full_like(cost, 1e9))
    best = cost.argmin(1)
    taken = chosen.any(1)
    person[rows[taken]] = best[taken]
    quality[rows[taken]] = iou[taken, best[taken]]
    return Assignment(person, quality)
