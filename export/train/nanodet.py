"""NanoDet-Plus in PyTorch, parameter by parameter as published: checkpoints of RangiLyu/nanodet load strictly.

Written from "ShuffleNet V2" (Ma et al. 2018), "GhostNet" (Han et al. 2020) and "Generalized Focal Loss" (Li et al.
2020), and from the parameter names of the released checkpoints.
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

LEAKY_SLOPE = 0.1  # of every LeakyReLU in NanoDet-Plus
STRIDES = (8, 16, 32, 64)
# Channels of stages 2, 3, 4 and of the pyramid, by width of ShuffleNetV2.
SHUFFLE_CHANNELS = {"0.5x": (48, 96, 192), "1.0x": (116, 232, 464), "1.5x": (176, 352, 704)}
PYRAMID_CHANNELS = {"0.5x": 96, "1.0x": 96, "1.5x": 128}
SHUFFLE_REPEATS = (4, 8, 4)


def _leaky() -> nn.Module:
    return nn.LeakyReLU(LEAKY_SLOPE, inplace=True)


def _depthwise(channels: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(channels, channels, kernel, stride, kernel // 2, groups=channels, bias=False)


def _pointwise(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 1, bias=False)


class ShuffleBlock(nn.Module):
    """ShuffleNetV2's unit: half of the channels pass, the other half is convolved; with stride 2 both are."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        half = outputs // 2
        self.stride = stride
        self.branch1 = nn.Sequential()
        if stride > 1:
            self.branch1 = nn.Sequential(
                _depthwise(inputs, 3, stride),
                nn.BatchNorm2d(inputs),
                _pointwise(inputs, half),
                nn.BatchNorm2d(half),
                _leaky(),
            )
        self.branch2 = nn.Sequential(
            _pointwise(inputs if stride > 1 else half, half),
            nn.BatchNorm2d(half),
            _leaky(),
            _depthwise(half, 3, stride),
            nn.BatchNorm2d(half),
            _pointwise(half, half),
            nn.BatchNorm2d(half),
            _leaky(),
        )

    def forward(self, x: Tensor) -> Tensor:
        passed, convolved = x.chunk(2, 1) if self.stride == 1 else (x, x)
        return functional.channel_shuffle(torch.cat([self.branch1(passed), self.branch2(convolved)], 1), 2)


class ShuffleNetV2(nn.Module):
    """The backbone: feature maps of strides 8, 16 and 32."""

    def __init__(self, width: str) -> None:
        super().__init__()
        self.conv1 = nn.Sequential(nn.Conv2d(3, 24, 3, 2, 1, bias=False), nn.BatchNorm2d(24), _leaky())
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        stages = []
        inputs = 24
        for outputs, repeats in zip(SHUFFLE_CHANNELS[width], SHUFFLE_REPEATS, strict=True):
            blocks = [ShuffleBlock(inputs, outputs, 2)]
            blocks += [ShuffleBlock(outputs, outputs, 1) for _ in range(repeats - 1)]
            stages.append(nn.Sequential(*blocks))
            inputs = outputs
        self.stage2, self.stage3, self.stage4 = stages

    def forward(self, x: Tensor) -> list[Tensor]:
        eighth = self.stage2(self.maxpool(self.conv1(x)))
        sixteenth = self.stage3(eighth)
        return [eighth, sixteenth, self.stage4(sixteenth)]


class Reduce(nn.Module):
    """A 1x1 convolution, normalised and activated."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = _pointwise(inputs, outputs)
        self.bn = nn.BatchNorm2d(outputs)
        self.act = _leaky()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.bn(self.conv(x)))


class Separable(nn.Module):
    """A depthwise and a pointwise convolution, each normalised and activated."""

    def __init__(self, channels: int, kernel: int = 5, stride: int = 1) -> None:
        super().__init__()
        self.depthwise = _depthwise(channels, kernel, stride)
        self.dwnorm = nn.BatchNorm2d(channels)
        self.pointwise = _pointwise(channels, channels)
        self.pwnorm = nn.BatchNorm2d(channels)
        self.act = _leaky()

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.dwnorm(self.depthwise(x)))
        return self.act(self.pwnorm(self.pointwise(x)))


class Ghost(nn.Module):
    """GhostNet's module: half of the output is a cheap depthwise function of the other half."""

    def __init__(self, inputs: int, outputs: int, *, active: bool) -> None:
        super().__init__()
        half = outputs // 2
        self.primary_conv = nn.Sequential(
            _pointwise(inputs, half), nn.BatchNorm2d(half), _leaky() if active else nn.Identity()
        )
        self.cheap_operation = nn.Sequential(
            _depthwise(half, 3), nn.BatchNorm2d(half), _leaky() if active else nn.Identity()
        )

    def forward(self, x: Tensor) -> Tensor:
        primary = self.primary_conv(x)
        return torch.cat([primary, self.cheap_operation(primary)], 1)


class GhostBottleneck(nn.Module):
    """Two ghost modules beside a separable shortcut."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 5) -> None:
        super().__init__()
        self.ghost1 = Ghost(inputs, outputs, active=True)
        self.ghost2 = Ghost(outputs, outputs, active=False)
        self.shortcut = nn.Sequential(
            _depthwise(inputs, kernel), nn.BatchNorm2d(inputs), _pointwise(inputs, outputs), nn.BatchNorm2d(outputs)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.ghost2(self.ghost1(x)) + self.shortcut(x)


class GhostBlocks(nn.Module):
    """A row of one bottleneck; the name `blocks` is the published one."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(GhostBottleneck(inputs, outputs))

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(x)


class GhostPAN(nn.Module):
    """The pyramid: top-down, then bottom-up, then one extra level of stride 64."""

    def __init__(self, inputs: tuple[int, ...], channels: int) -> None:
        super().__init__()
        self.reduce_layers = nn.ModuleList(Reduce(i, channels) for i in inputs)
        steps = range(len(inputs) - 1)
        self.top_down_blocks = nn.ModuleList(GhostBlocks(2 * channels, channels) for _ in steps)
        self.downsamples = nn.ModuleList(Separable(channels, stride=2) for _ in steps)
        self.bottom_up_blocks = nn.ModuleList(GhostBlocks(2 * channels, channels) for _ in steps)
        self.extra_lvl_in_conv = nn.ModuleList([Separable(channels, stride=2)])
        self.extra_lvl_out_conv = nn.ModuleList([Separable(channels, stride=2)])

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        reduced = [reduce(x) for reduce, x in zip(self.reduce_layers, features, strict=True)]
        tops = [reduced[-1]]
        for block, low in zip(self.top_down_blocks, reduced[-2::-1], strict=True):
            up = functional.interpolate(tops[0], size=low.shape[-2:], mode="bilinear", align_corners=False)
            tops.insert(0, block(torch.cat([up, low], 1)))
        outputs = [tops[0]]
        for down, block, high in zip(self.downsamples, self.bottom_up_blocks, tops[1:], strict=True):
            outputs.append(block(torch.cat([down(outputs[-1]), high], 1)))
        return [*outputs, self.extra_lvl_in_conv[0](reduced[-1]) + self.extra_lvl_out_conv[0](outputs[-1])]


class DistributionProject(nn.Module):
    """Holds the bin values 0..reg_max, a buffer of the published checkpoints."""

    project: Tensor

    def __init__(self, reg_max: int) -> None:
        super().__init__()
        self.register_buffer("project", torch.linspace(0, reg_max, reg_max + 1))

    def forward(self, logits: Tensor) -> Tensor:
        """Expected side distances `[..., 4]`, in strides, of distribution logits `[..., 4*(reg_max+1)]`."""
        return logits.unflatten(-1, (4, -1)).softmax(-1) @ self.project


class Head(nn.Module):
    """Per level two separable convolutions and one 1x1 that gives class logits and side distributions."""

    def __init__(self, num_classes: int, channels: int, reg_max: int) -> None:
        super().__init__()
        self.distribution_project = DistributionProject(reg_max)
        self.cls_convs = nn.ModuleList(nn.ModuleList(Separable(channels) for _ in range(2)) for _ in STRIDES)
        self.gfl_cls = nn.ModuleList(nn.Conv2d(channels, num_classes + 4 * (reg_max + 1), 1) for _ in STRIDES)

    def forward(self, features: list[Tensor]) -> Tensor:
        outputs = []
        for x, convs, last in zip(features, self.cls_convs, self.gfl_cls, strict=True):
            for conv in convs:
                x = conv(x)
            outputs.append(last(x).flatten(2))
        return torch.cat(outputs, 2).transpose(1, 2)


class NanoDetPlus(nn.Module):
    """NanoDet-Plus-m. Input `[B, 3, H, W]` BGR, normalised; H and W multiples of 32."""

    def __init__(
        self, width: Literal["0.5x", "1.0x", "1.5x"] = "1.0x", num_classes: int = 80, reg_max: int = 7
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.backbone = ShuffleNetV2(width)
        self.fpn = GhostPAN(SHUFFLE_CHANNELS[width], PYRAMID_CHANNELS[width])
        self.head = Head(num_classes, PYRAMID_CHANNELS[width], reg_max)

    def logits(self, images: Tensor) -> Tensor:
        """`[B, N, C + 4*(reg_max+1)]`: class logits, then distribution logits; cells row by row, strides ascending."""
        return self.head(self.fpn(self.backbone(images)))

    def forward(self, images: Tensor) -> Tensor:
        """As `logits`, with class probabilities instead of class logits: the layout of the published ONNX file."""
        classes, sides = self.logits(images).tensor_split([self.num_classes], 2)
        return torch.cat([classes.sigmoid(), sides], 2)
