"""The built-in joint network: plain convolutions down to a stride of 32, up again to 4, and heads of a JointTrackNet.

Light for an edge board in two ways. The picture and the one before share every layer from the first on. And only the
heat map is dense: what else is known of a person is read from its patch of features, at the peaks alone. Convolutions
over the whole picture would give the same numbers there, and cost more than all the rest.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from export.train.osnet import ConvNorm

STRIDE = 4
CHANNELS = (24, 32, 48, 80, 80)  # at strides 2 to 32
FEATURES = 48  # of each of the two levels that heads read
GEOMETRY, LOOKS = 64, 128  # hidden channels of the heads
EMBEDDING = 64
PATCH = 3  # cells across


class Residual(nn.Module):
    """Two convolutions around a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = ConvNorm(channels, channels, 3)
        self.conv2 = ConvNorm(channels, channels, 3, active=False)

    def forward(self, x: Tensor) -> Tensor:
        return (x + self.conv2(self.conv1(x))).relu()


class Separable(nn.Module):
    """A depthwise and a pointwise convolution."""

    def __init__(self, channels: int, kernel: int = 3) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, kernel, 1, kernel // 2, groups=channels, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        self.pointwise = ConvNorm(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.pointwise(self.norm(self.depthwise(x)))


class Seen(NamedTuple):
    """The trunk's output: heat map logits `[B, C, h, w]` at `STRIDE`, and features there and at twice that."""

    heat: Tensor
    fine: Tensor
    coarse: Tensor


class Known(NamedTuple):
    """Of N cells: edges `[N, 4]`, offsets to the previous frame `[N, 2]`, both in cells from the cell; embeddings
    `[N, E]`."""

    edges: Tensor
    back: Tensor
    embeddings: Tensor


class JointNet(nn.Module):
    """Input: the picture and the one before, `[B, 6, H, W]`, BGR each, normalised; H and W multiples of 32."""

    def __init__(self, num_classes: int = 1) -> None:
        super().__init__()
        half, quarter, eighth, sixteenth, last = CHANNELS
        self.stem = ConvNorm(6, half, 3, 2)
        self.stage4 = ConvNorm(half, quarter, 3, 2)
        self.stage8 = nn.Sequential(ConvNorm(quarter, eighth, 3, 2), Residual(eighth))
        self.stage16 = nn.Sequential(ConvNorm(eighth, sixteenth, 3, 2), Residual(sixteenth))
        self.stage32 = nn.Sequential(ConvNorm(sixteenth, last, 3, 2), Separable(last, 5), Separable(last, 5))
        self.lateral16 = ConvNorm(last, sixteenth, active=False)
        self.merge16 = ConvNorm(sixteenth, FEATURES, 3)
        self.lateral8 = ConvNorm(eighth, FEATURES, active=False)
        self.merge8 = ConvNorm(FEATURES, FEATURES, 3)
        self.lateral4 = ConvNorm(quarter, FEATURES, active=False)
        self.merge4 = Separable(FEATURES, 5)
        self.hm = nn.Sequential(Separable(FEATURES, 5), nn.Conv2d(FEATURES, num_classes, 1))
        self.geometry = nn.Conv2d(2 * FEATURES, GEOMETRY, PATCH)
        self.ltrb_amodal = nn.Conv2d(GEOMETRY, 4, 1)
        self.tracking = nn.Conv2d(GEOMETRY, 2, 1)
        self.looks = nn.Conv2d(2 * FEATURES, LOOKS, PATCH)
        self.embedding = nn.Conv2d(LOOKS, EMBEDDING, 1)

    def forward(self, images: Tensor) -> Seen:
        quarter = self.stage4(self.stem(images))
        eighth = self.stage8(quarter)
        sixteenth = self.stage16(eighth)
        x = self.merge16((_doubled(self.lateral16(self.stage32(sixteenth))) + sixteenth).relu())
        coarse = self.merge8((_doubled(x) + self.lateral8(eighth)).relu())
        fine = self.merge4((_doubled(coarse) + self.lateral4(quarter)).relu())
        return Seen(self.hm(fine), fine, coarse)

    def at(self, seen: Seen, picture: Tensor, cells: Tensor) -> Known:
        """What the heads say of N cells: `picture` `[N]` rows of the batch, `cells` `[N, 2]` column and row, int64."""
        patches = torch.cat([_patches(seen.fine, picture, cells), _patches(seen.coarse, picture, cells // 2)], 1)
        geometry, appearance = self.geometry(patches).relu(), self.looks(patches).relu()
        return Known(
            *(x.flatten(1) for x in (self.ltrb_amodal(geometry), self.tracking(geometry), self.embedding(appearance)))
        )


def _doubled(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def _patches(features: Tensor, picture: Tensor, cells: Tensor) -> Tensor:
    """`[N, C, PATCH, PATCH]` around `cells`, zero outside the picture."""
    padded = functional.pad(features, [PATCH // 2] * 4).permute(0, 2, 3, 1)
    near = torch.arange(PATCH, device=cells.device)
    rows, columns = cells[:, 1, None, None] + near[:, None], cells[:, 0, None, None] + near
    return padded[picture[:, None, None], rows, columns].permute(0, 3, 1, 2)
