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
        for part in module.modules():
            if isinstance(part, Branches):  # three of them add up, twenty times over
                for norm in (norm for norm in part.modules() if isinstance(norm, nn.BatchNorm2d)):
                    norm.weight *= 0.5
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


class EfficientNetLite(nn.Module):
    """EfficientNet-Lite0 with fewer blocks and, but for the last stage, fewer channels."""

    channels = (16, 24, 320)

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8, 1e-3), nn.ReLU6())
        sizes = ((8, 3, 1, 1), (8, 3, 2, 2), (16, 5, 2, 2), (16, 3, 2, 1), (24, 5, 1, 2), (24, 5, 2, 1), (320, 3, 1, 1))
        self.blocks, inputs = nn.ModuleList(), 8
        for stage, (outputs, kernel, stride, count) in enumerate(sizes):
            blocks = []
            for i in range(count):
                blocks.append(Bottleneck(inputs, outputs, kernel, 1 if i else stride, expand=stage > 0))
                inputs = outputs
            self.blocks.append(nn.ModuleList(blocks))

    def forward(self, x: Tensor) -> list[Tensor]:
        x, features = self.stem(x), []
        for stage, blocks in enumerate(self.blocks):
            for block in blocks:
                x = block(x)
            if stage in (2, 4, 6):
                features.append(x)
        return features


class Bottleneck(nn.Module):
    """An inverted bottleneck; the first stage's does not `expand`."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, *, expand: bool) -> None:
        super().__init__()
        inner = 6 * inputs if expand else inputs
        if expand:
            self._expand_conv = nn.Conv2d(inputs, inner, 1, bias=False)
            self._bn0 = nn.BatchNorm2d(inner, 1e-3)
        self._depthwise_conv = nn.Conv2d(inner, inner, kernel, stride, kernel // 2, groups=inner, bias=False)
        self._bn1 = nn.BatchNorm2d(inner, 1e-3)
        self._project_conv = nn.Conv2d(inner, outputs, 1, bias=False)
        self._bn2 = nn.BatchNorm2d(outputs, 1e-3)
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        inner = functional.relu6(self._bn0(self._expand_conv(x))) if hasattr(self, "_bn0") else x
        inner = functional.relu6(self._bn1(self._depthwise_conv(inner)))
        out = self._bn2(self._project_conv(inner))
        return out + x if self.adds else out


class RepVgg(nn.Module):
    """RepVGG-A0 of fewer channels but in its last two stages."""

    channels = (8, 192, 1280)

    def __init__(self) -> None:
        super().__init__()
        self.stage0 = Branches(3, 8, 2)
        inputs = 8
        for stage, (outputs, count) in enumerate(((8, 2), (8, 2), (192, 14), (1280, 1)), 1):
            blocks = [Branches(inputs if i == 0 else outputs, outputs, 1 if i else 2) for i in range(count)]
            self.add_module(f"stage{stage}", nn.Sequential(*blocks))
            inputs = outputs

    def forward(self, x: Tensor) -> list[Tensor]:
        x = self.stage1(self.stage0(x))
        low = self.stage2(x)
        middle = self.stage3(low)
        return [low, middle, self.stage4(middle)]


class Branches(nn.Module):
    """A 3x3 convolution, a 1x1 one and, where it fits, the input itself, each normalised; added, then activated."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.rbr_identity = nn.BatchNorm2d(inputs) if inputs == outputs and stride == 1 else None
        dense, point = (nn.Conv2d(inputs, outputs, k, stride, k // 2, bias=False) for k in (3, 1))
        self.rbr_dense = nn.Sequential(dense, nn.BatchNorm2d(outputs))
        self.rbr_1x1 = nn.Sequential(point, nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        total = self.rbr_dense(x) + self.rbr_1x1(x)
        return functional.relu(total if self.rbr_identity is None else total + self.rbr_identity(x))


class Full(nn.Module):
    """A 3x3 convolution over all channels, normalised and activated."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(channels)
        self.act = nn.LeakyReLU(0.1)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.bn(self.conv(x)))


class HeadV0(nn.Module):
    """NanoDet v0.x's head: per level separable convolutions (or `full` ones), shared by classes and boxes or one row
    for each. `leftover`: as early ones, it has layers for boxes that are not used where they are shared."""

    def __init__(
        self, num_classes: int, channels: int, *, shared: bool, full: bool = False, leftover: bool = False
    ) -> None:
        super().__init__()
        sides = 32
        self.shared = shared
        self.full = full
        self.cls_convs = self._towers(channels)
        self.reg_convs = nn.ModuleList([nn.ModuleList() for _ in STRIDES]) if shared else self._towers(channels)
        outputs = num_classes + sides if shared else num_classes
        self.gfl_cls = nn.ModuleList(nn.Conv2d(channels, outputs, 1) for _ in STRIDES)
        if leftover or not shared:
            self.gfl_reg = nn.ModuleList(nn.Conv2d(channels, sides, 1) for _ in STRIDES)

    def _towers(self, channels: int) -> nn.ModuleList:
        def part() -> nn.Module:
            return Full(channels) if self.full else Separable(channels, 3)

        return nn.ModuleList(nn.ModuleList(part() for _ in range(2)) for _ in STRIDES)

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

    def __init__(
        self, width: str = "1.0x", num_classes: int = 80, *, shared: bool = True, leftover: bool = False
    ) -> None:
        super().__init__()
        channels = 128 if width == "1.5x" else 96
        self.backbone = ShuffleNetV2(width)
        self.fpn = Pan(SHUFFLE_CHANNELS[width], channels)
        self.head = HeadV0(num_classes, channels, shared=shared, leftover=leftover)

    def logits(self, images: Tensor) -> Tensor:
        return self.head(self.fpn(self.backbone(images)))


class NanoDetOn(nn.Module):
    """NanoDet v0.x on another backbone; activations are `make`'s in the head."""

    def __init__(self, backbone: nn.Module, make: type[nn.Module], *, full: bool) -> None:
        super().__init__()
        self.backbone = backbone
        self.fpn = Pan(backbone.channels, 32)
        self.head = with_activation(HeadV0(5, 32, shared=True, full=full), make)

    def logits(self, images: Tensor) -> Tensor:
        return self.head(self.fpn(self.backbone(images)))
