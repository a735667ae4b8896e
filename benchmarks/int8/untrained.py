"""Weights for an architecture of which none are to be had: drawn at random, their statistics measured on pictures.

They see nothing that means anything. But signals flow as after training: every batch norm is one of the activations it
gets, and the classes fire in a few cells. So calibration has something to do, and the time of a run is the real one.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from edge.detect.families.nanodet import NANODET_MEAN_BGR, NANODET_STD_BGR
from export.checkpoint import Tensors

FIRING = 0.005  # of all cells see the object of a class
LOUD = 2.0  # standard deviation of logits
SEEN = 0.85  # a score of .3 is a logit of -.85
BINS = 8  # of a side's distribution


def nanodet_plus(
    width: Literal["0.5x", "1.0x", "1.5x"], classes: int, pictures: Sequence[npt.NDArray[np.uint8]], seed: int = 0
) -> Tensors:
    """A state_dict of NanoDet-Plus-m; `pictures` are BGR `[H, W, 3]` of one size, sides multiples of 32. Wants
    torch."""
    import torch

    from export.train.nets import NanoDetPlus

    torch.manual_seed(seed)
    network = NanoDetPlus(width, num_classes=classes).train()
    for part in network.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.momentum = None  # the mean over all batches
            torch.nn.init.uniform_(part.weight, 0.5, 1.5)
            torch.nn.init.uniform_(part.bias, -0.5, 0.5)
    normal = (np.stack(pictures).astype(np.float32) - NANODET_MEAN_BGR) / NANODET_STD_BGR
    batches = torch.from_numpy(normal.astype(np.float32).transpose(0, 3, 1, 2)).split(4)
    with torch.no_grad():
        for batch in batches:
            network.logits(batch)
        network.eval()
        scores, sides = torch.cat([network.logits(batch) for batch in batches]).split([classes, 4 * BINS], 2)
        highest = scores.flatten().kthvalue(int(scores.numel() * (1 - FIRING))).values
        for last in network.head.gfl_cls:
            for rows, values, shift in ((slice(classes), scores, highest), (slice(classes, None), sides, sides.mean())):
                last.weight[rows] *= LOUD / values.std()
                last.bias[rows] = (last.bias[rows] - shift) * LOUD / values.std()
            last.bias[:classes] -= SEEN
    return {name: tensor.numpy() for name, tensor in network.state_dict().items()}
