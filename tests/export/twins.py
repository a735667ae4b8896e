"""PyTorch twins of the exported networks, with weights and batch norm statistics as alive as after training."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from export.checkpoint import Tensors
from export.train.nanodet import SHUFFLE_CHANNELS, Separable, ShuffleNetV2

STRIDES = (8, 16, 32)


def alive(module: nn.Module, seed: int) -> nn.Module:
    """`module` in float64 and evaluation mode, every batch norm with statistics and factors drawn at random."""
    generator = torch.Generator().manual_seed(seed)

    def drawn(like: Tensor, low: float, high: float) -> Tensor:
        return torch.rand(like.shape, generator=generator, dtype=torch.float64) * (high - low) + low

    module = module.double().eval()
    with torch.no_grad():
        for part in module.modules():
            if isinstance(part, (nn.Conv2d, nn.Linear)):
                fan_in = part.weight[0].numel()
                part.weight.copy_(drawn(part.weight, -1, 1) * (6 / fan_in) ** 0.5)
                if part.bias is not None:
                    part.bias.copy_(drawn(part.bias, -1, 1))
            elif isinstance(part, nn.InstanceNorm2d):
                part.weight.copy_(drawn(part.weight, 0.5, 1.5))
                part.bias.copy_(drawn(part.bias, -0.5, 0.5))
            elif isinstance(part, (nn.BatchNorm2d, nn.BatchNorm1d)):
                part.running_mean.copy_(drawn(part.running_mean, -0.5, 0.5))
                part.running_var.copy_(drawn(part.running_var, 0.5, 3))
                part.weight.copy_(drawn(part.weight, 0.5, 1.5))
                part.bias.copy_(drawn(part.bias, -0.5, 0.5))
    return module


def with_activation(module: nn.Module, make: type[nn.Module]) -> nn.Module:
    """`module` with every LeakyReLU in it replaced."""
    for name, part in module.named_children():
        if isinstance(part, nn.LeakyReLU):
            setattr(module, name, make())
        else:
            with_activation(part, make)
    return module


def tensors(module: nn.Module) -> Tensors:
    """The module's state as the checkpoint reader gives it."""
    return {name: tensor.numpy() for name, tensor in module.state_dict().items()}


class Lateral(nn.Module):
    """A 1x1 convolution with bias, neither normalised nor activated."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class Pan(nn.Module):
    """NanoDet v0.x's pyramid: levels resized bilinearly and added, down and up again."""

    def __init__(self, inputs: tuple[int, ...], channels: int) -> None:
        super().__init__()
        self.lateral_convs = nn.ModuleList(Lateral(i, channels) for i in inputs)

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        low, middle, high = (lateral(x) for lateral, x in zip(self.lateral_convs, features, strict=True))
        middle = middle + self._resized(high, 2.0)
        low = low + self._resized(middle, 2.0)
        middle = middle + self._resized(low, 0.5)
        return [low, middle, high + self._resized(middle, 0.5)]

    @staticmethod
    def _resized(x: Tensor, factor: float) -> Tensor:
        return functional.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)


class HeadV0(nn.Module):
    """NanoDet v0.x's head: per level separable convolutions, shared by classes and boxes or one row for each."""

    def __init__(self, num_classes: int, channels: int, *, shared: bool) -> None:
        super().__init__()
        sides = 32
        self.shared = shared
        self.cls_convs = self._towers(channels)
        self.reg_convs = nn.ModuleList([nn.ModuleList() for _ in STRIDES]) if shared else self._towers(channels)
        outputs = num_classes + sides if shared else num_classes
        self.gfl_cls = nn.ModuleList(nn.Conv2d(channels, outputs, 1) for _ in STRIDES)
        if not shared:
            self.gfl_reg = nn.ModuleList(nn.Conv2d(channels, sides, 1) for _ in STRIDES)

    @staticmethod
    def _towers(channels: int) -> nn.ModuleList:
        return nn.ModuleList(nn.ModuleList(Separable(channels, 3) for _ in range(2)) for _ in STRIDES)

    def forward(self, features: list[Tensor]) -> Tensor:
        rows = []
        for level, x in enumerate(features):
            classes = x
            for conv in self.cls_convs[level]:
                classes = conv(classes)
            out = self.gfl_cls[level](classes)
            if not self.shared:
                for conv in self.reg_convs[level]:
                    x = conv(x)
                out = torch.cat([out, self.gfl_reg[level](x)], 1)
            rows.append(out.flatten(2))
        return torch.cat(rows, 2).transpose(1, 2)


class NanoDetV0(nn.Module):
    """NanoDet-m of RangiLyu/nanodet v0.x; `[B, N, C + 32]` logits."""

    def __init__(self, width: str = "1.0x", num_classes: int = 80, *, shared: bool = True) -> None:
        super().__init__()
        channels = 128 if width == "1.5x" else 96
        self.backbone = ShuffleNetV2(width)
        self.fpn = Pan(SHUFFLE_CHANNELS[width], channels)
        self.head = HeadV0(num_classes, channels, shared=shared)

    def logits(self, images: Tensor) -> Tensor:
        return self.head(self.fpn(self.backbone(images)))
