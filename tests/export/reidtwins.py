"""PyTorch twins of the appearance networks that the exporter rebuilds, with the parameter names of their projects."""

import torch
from torch import Tensor, nn
from torch.nn import functional

WIDTH = 8  # of a ResNet's first stage; 64 in the published one


class ConvNorm(nn.Module):
    """Convolution, norm and, unless `active` is false, ReLU; torchreid's ConvLayer, Conv1x1 and Conv1x1Linear."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 1,
        stride: int = 1,
        norm: type[nn.Module] | None = nn.BatchNorm2d,
        *,
        active: bool = True,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        if norm is not None:
            self.bn = norm(outputs, affine=True)
        self.active = active

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        x = self.bn(x) if hasattr(self, "bn") else x
        return x.relu() if self.active else x


class LightConv(nn.Module):
    """A pointwise, then a depthwise convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 1, bias=False)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, groups=channels, bias=False)
        self.bn = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.conv2(self.conv1(x))).relu()


class Stream(nn.Module):
    """So many light convolutions after each other."""

    def __init__(self, channels: int, depth: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(*(LightConv(channels) for _ in range(depth)))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class Gate(nn.Module):
    """A factor for each channel from the mean of all."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, channels // 16, 1)
        self.fc2 = nn.Conv2d(channels // 16, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.fc2(self.fc1(x.mean((2, 3), keepdim=True)).relu()).sigmoid()


class AinBlock(nn.Module):
    """A block of OSNet-AIN; `normalised`: with an instance norm before the sum in place of a batch norm."""

    def __init__(self, inputs: int, outputs: int, *, normalised: bool) -> None:
        super().__init__()
        middle = outputs // 4
        self.conv1 = ConvNorm(inputs, middle)
        self.conv2 = nn.ModuleList(Stream(middle, depth) for depth in range(1, 5))
        self.gate = Gate(middle)
        self.conv3 = ConvNorm(middle, outputs, norm=None if normalised else nn.BatchNorm2d, active=False)
        if normalised:
            self.IN = nn.InstanceNorm2d(outputs, affine=True)
        if inputs != outputs:
            self.downsample = ConvNorm(inputs, outputs, active=False)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = self.downsample(x) if hasattr(self, "downsample") else x
        inner = self.conv1(x)
        out = self.conv3(sum(self.gate(stream(inner)) for stream in self.conv2))
        out = self.IN(out) if hasattr(self, "IN") else out
        return (out + shortcut).relu()


class IbnBlock(nn.Module):
    """A block of OSNet-IBN; `normalised`: with an instance norm behind the sum."""

    def __init__(self, inputs: int, outputs: int, *, normalised: bool) -> None:
        super().__init__()
        middle = outputs // 4
        self.conv1 = ConvNorm(inputs, middle)
        self.conv2a = LightConv(middle)
        for depth, name in enumerate(("conv2b", "conv2c", "conv2d"), 2):
            setattr(self, name, nn.Sequential(*(LightConv(middle) for _ in range(depth))))
        self.gate = Gate(middle)
        self.conv3 = ConvNorm(middle, outputs, active=False)
        if inputs != outputs:
            self.downsample = ConvNorm(inputs, outputs, active=False)
        if normalised:
            self.IN = nn.InstanceNorm2d(outputs, affine=True)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = self.downsample(x) if hasattr(self, "downsample") else x
        inner = self.conv1(x)
        streams = (getattr(self, f"conv2{letter}") for letter in "abcd")
        out = self.conv3(sum(self.gate(stream(inner)) for stream in streams)) + shortcut
        return (self.IN(out) if hasattr(self, "IN") else out).relu()


class OSNet(nn.Module):
    """OSNet-AIN (`ain`) or OSNet-IBN of width x.25."""

    def __init__(self, *, ain: bool) -> None:
        super().__init__()
        channels = (16, 64, 96, 128)
        block = AinBlock if ain else IbnBlock
        # As published: which blocks of each stage are normalised picture by picture.
        plan = ((True, True), (False, True), (True, False)) if ain else ((True, True), (False, False), (False, False))
        self.conv1 = ConvNorm(3, channels[0], 7, 2, nn.InstanceNorm2d)
        for stage, (first, second) in enumerate(plan, 2):
            inputs, outputs = channels[stage - 2 : stage]
            blocks = [block(inputs, outputs, normalised=first), block(outputs, outputs, normalised=second)]
            pool = [ConvNorm(outputs, outputs), nn.AvgPool2d(2)] if stage < 4 else []
            if ain:
                setattr(self, f"conv{stage}", nn.Sequential(*blocks))
                if pool:
                    setattr(self, f"pool{stage}", nn.Sequential(*pool))
            else:
                setattr(self, f"conv{stage}", nn.Sequential(*blocks, *([nn.Sequential(*pool)] if pool else [])))
        self.conv5 = ConvNorm(channels[3], channels[3])
        self.fc = nn.Sequential(nn.Linear(channels[3], 512), nn.BatchNorm1d(512), nn.ReLU())
        self.classifier = nn.Linear(512, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.max_pool2d(self.conv1(x), 3, 2, 1)
        for stage in (2, 3, 4):
            x = getattr(self, f"conv{stage}")(x)
            x = getattr(self, f"pool{stage}")(x) if hasattr(self, f"pool{stage}") else x
        return self.fc(self.conv5(x).mean((2, 3)))


class HalfInstance(nn.Module):
    """IBN-a: an instance norm on the first half of the channels, a batch norm on the others."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.half = channels // 2
        self.IN = nn.InstanceNorm2d(self.half, affine=True)
        self.BN = nn.BatchNorm2d(channels - self.half)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.IN(x[:, : self.half]), self.BN(x[:, self.half :])], 1)


class Bottleneck(nn.Module):
    """A block of ResNet-50."""

    def __init__(self, inputs: int, middle: int, stride: int, *, ibn: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, middle, 1, bias=False)
        self.bn1 = HalfInstance(middle) if ibn else nn.BatchNorm2d(middle)
        self.conv2 = nn.Conv2d(middle, middle, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(middle)
        self.conv3 = nn.Conv2d(middle, 4 * middle, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * middle)
        if stride > 1 or inputs != 4 * middle:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, 4 * middle, 1, stride, bias=False), nn.BatchNorm2d(4 * middle)
            )

    def forward(self, x: Tensor) -> Tensor:
        shortcut = self.downsample(x) if hasattr(self, "downsample") else x
        inner = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu())).relu()
        return (self.bn3(self.conv3(inner)) + shortcut).relu()


class ResNet(nn.Module):
    """ResNet-50's trunk; its last stage halves the map unless `last_stride` is 1. `ceil`: its pool has no padding, as
    fast-reid's."""

    def __init__(self, last_stride: int = 2, *, ibn: bool = False, layer: bool = False, ceil: bool = False) -> None:
        super().__init__()
        self.ceil = ceil
        self.conv1 = nn.Conv2d(3, WIDTH, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(WIDTH)
        inputs = WIDTH
        for stage, (depth, stride) in enumerate(((3, 1), (4, 2), (6, 2), (3, last_stride)), 1):
            middle = WIDTH << (stage - 1)
            blocks = []
            for block in range(depth):
                blocks.append(Bottleneck(inputs, middle, stride if block == 0 else 1, ibn=ibn and stage < 4))
                inputs = 4 * middle
            setattr(self, f"layer{stage}", nn.Sequential(*blocks))
        if layer:
            self.fc = nn.Sequential(nn.Linear(inputs, 64), nn.BatchNorm1d(64), nn.ReLU())

    def features(self, x: Tensor) -> Tensor:
        x = self.bn1(self.conv1(x)).relu()
        x = functional.max_pool2d(x, 3, 2, ceil_mode=True) if self.ceil else functional.max_pool2d(x, 3, 2, 1)
        for stage in (1, 2, 3, 4):
            x = getattr(self, f"layer{stage}")(x)
        return x

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x).mean((2, 3))
        return self.fc(x) if hasattr(self, "fc") else x


class _Power(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.p = nn.Parameter(torch.full((1,), 3.0))


class _Heads(nn.Module):
    def __init__(self, channels: int, *, gem: bool, short: bool, old: bool) -> None:
        super().__init__()
        if gem:
            self.pool_layer = _Power()
        if old:
            self.bnneck = nn.BatchNorm2d(channels)
        elif short:
            self.bottleneck = nn.Sequential(nn.Conv2d(channels, 24, 1, bias=False), nn.BatchNorm2d(24))
        else:
            self.bottleneck = nn.Sequential(nn.BatchNorm2d(channels))
        self.weight = nn.Parameter(torch.zeros(7, 24 if short else channels))


class FastReid(nn.Module):
    """fast-reid's strong baseline: a last stage that keeps the map, a batch norm behind the pooling.

    `short`: behind a layer that shortens the embedding. `old`: by its name before 1.0, with the mean and std of pixels.
    """

    def __init__(self, *, ibn: bool = False, gem: bool = False, short: bool = False, old: bool = False) -> None:
        super().__init__()
        self.backbone = ResNet(1, ibn=ibn, ceil=True)
        self.heads = _Heads(32 * WIDTH, gem=gem, short=short, old=old)
        if old:
            self.register_buffer("pixel_mean", torch.tensor([123.675, 116.28, 103.53]).view(1, 3, 1, 1))
            self.register_buffer("pixel_std", torch.tensor([58.395, 57.12, 57.375]).view(1, 3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = self.backbone.features(x)
        if hasattr(self.heads, "pool_layer"):
            power = self.heads.pool_layer.p
            x = x.clamp(min=1e-6).pow(power).mean((2, 3), keepdim=True).pow(1 / power)
        else:
            x = x.mean((2, 3), keepdim=True)
        return (self.heads.bnneck if hasattr(self.heads, "bnneck") else self.heads.bottleneck)(x).flatten(1)


class _Active6(nn.Module):
    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu6(self.bn(self.conv(x)))


class Inverted(nn.Module):
    """A block of MobileNetV2."""

    def __init__(self, inputs: int, outputs: int, expansion: int, stride: int) -> None:
        super().__init__()
        middle = inputs * expansion
        self.conv1 = _Active6(inputs, middle)
        self.dwconv2 = _Active6(middle, middle, 3, stride, middle)
        self.conv3 = nn.Sequential(nn.Conv2d(middle, outputs, 1, bias=False), nn.BatchNorm2d(outputs))
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv3(self.dwconv2(self.conv1(x)))
        return x + out if self.residual else out


class MobileNetV2(nn.Module):
    """torchreid's MobileNetV2."""

    def __init__(self, *, layer: bool = False) -> None:
        super().__init__()
        self.conv1 = _Active6(3, 32, 3, 2)
        inputs = 32
        plan = (
            (1, 16, 1, 1),
            (6, 24, 2, 2),
            (6, 32, 3, 2),
            (6, 64, 4, 2),
            (6, 96, 3, 1),
            (6, 160, 3, 2),
            (6, 320, 1, 1),
        )
        for stage, (expansion, outputs, depth, stride) in enumerate(plan, 2):
            blocks = []
            for block in range(depth):
                blocks.append(Inverted(inputs, outputs, expansion, stride if block == 0 else 1))
                inputs = outputs
            setattr(self, f"conv{stage}", nn.Sequential(*blocks))
        self.conv9 = _Active6(inputs, 1280)
        if layer:
            self.fc = nn.Sequential(nn.Linear(1280, 64), nn.BatchNorm1d(64), nn.ReLU())
        self.classifier = nn.Linear(64 if layer else 1280, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(x)
        for stage in range(2, 9):
            x = getattr(self, f"conv{stage}")(x)
        x = self.conv9(x).mean((2, 3))
        return self.fc(x) if hasattr(self, "fc") else x
