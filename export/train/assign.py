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
NEVER = 1e9  # cost of a cell that sees nothing of the person


class Assignment(NamedTuple):
    """`person` int64 `[B, N]`: whose row a cell answers for, -1 for nobody's. `iou` `[B, N]`: its overlap now."""

    person: Tensor
    iou: Tensor


def assign(
    priors: Tensor,
    strides: Tensor,
    logits: Tensor,
    boxes: Tensor,
    truth: Tensor,
    there: Tensor,
    labels: Tensor | None = None,
) -> Assignment:
    """Assign the N cells of each of B pictures to its G people, without a loop and without waiting for a GPU.

    `priors` `[N, 2]` and `strides` `[N]` in pixels, class `logits` `[B, N]` and `boxes` `[B, N, 4]` as predicted now,
    `truth` `[B, G, 4]`, of which only the rows `there`, bool `[B, G]`, are people. With `labels` `[B, G]`, their
    classes, `logits` are `[B, N, C]`.
    """
    middle = (truth[..., :2] + truth[..., 2:]) / 2
    away = (priors[:, None] - middle[:, None]).norm(dim=-1) / strides[:, None]
    inside = ((priors[:, None] > truth[:, None, :, :2]) & (priors[:, None] < truth[:, None, :, 2:])).all(-1)
    # A person between all cells is served by the nearest one of each level.
    inside = (inside | (away < 0.75)) & there[:, None]
    iou = overlaps(boxes[:, :, None], truth[:, None])[0] * (inside.any(2, keepdim=True) & there[:, None])
    if labels is None:
        score = logits[..., None].expand_as(iou)
    else:
        score = logits.gather(2, labels[:, None].expand(-1, logits.shape[1], -1))
    focus = (iou - score.sigmoid()).abs() ** 2
    cost = functional.binary_cross_entropy_with_logits(score, iou, reduction="none") * focus
    cost = cost - IOU_WEIGHT * (iou + 1e-7).log() + 10 ** (away - CENTRE_RADIUS).clamp(max=6)
    cost = torch.where(inside, cost, NEVER)
    candidates = min(CANDIDATES, len(priors))
    counts = iou.topk(candidates, 1).values.sum(1).int().clamp(min=1)
    cheapest = cost.topk(candidates, 1, largest=False)
    wanted = torch.arange(candidates, device=cost.device)[:, None] < counts[:, None]
    chosen = torch.zeros_like(inside).scatter(1, cheapest.indices, wanted & (cheapest.values < NEVER))
    best = torch.where(chosen, cost, NEVER).min(2)
    taken = best.values < NEVER
    return Assignment(
        torch.where(taken, best.indices, -1),
        torch.where(taken, iou.gather(2, best.indices[..., None])[..., 0], 0.0),
    )
