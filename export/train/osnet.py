"""OSNet in PyTorch, parameter by parameter as published: checkpoints of torchreid load strictly.

Written from "Omni-Scale Feature Learning for Person Re-Identification" (Zhou et al. 2019) and from the parameter names
of the released checkpoints.
"""

from torch import Tensor, nn


class ConvNorm(nn.Module):
    """A convolution and its normalisation, with or without ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, *, active: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(outputs)
        self.active = active

    def forward(self, x: Tensor) -> Tensor:
        x = self.bn(self.conv(x))
        return x.relu() if self.active else x


class LightConv(nn.Module):
    """OSNet's 3x3: pointwise, then depthwise."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 1, bias=False)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, groups=channels, bias=False)
        self.bn = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.conv2(self.conv1(x))).relu()


class ChannelGate(nn.Module):
    """Scales each channel by a function of the mean over the picture."""

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, channels // reduction, 1)
        self.fc2 = nn.Conv2d(channels // reduction, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.fc2(self.fc1(x.mean((2, 3), keepdim=True)).relu()).sigmoid()


class OSBlock(nn.Module):
    """Four streams of growing receptive field, fused by one shared gate, around a residual."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        middle = outputs // 4
        self.conv1 = ConvNorm(inputs, middle)
        self.conv2a = LightConv(middle)
        self.conv2b = nn.Sequential(*(LightConv(middle) for _ in range(2)))
        self.conv2c = nn.Sequential(*(LightConv(middle) for _ in range(3)))
        self.conv2d = nn.Sequential(*(LightConv(middle) for _ in range(4)))
        self.gate = ChannelGate(middle)
        self.conv3 = ConvNorm(middle, outputs, active=False)
        self.downsample = ConvNorm(inputs, outputs, active=False) if inputs != outputs else None

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.conv1(x)
        fused = sum(self.gate(stream(x)) for stream in (self.conv2a, self.conv2b, self.conv2c, self.conv2d))
        return (shortcut + self.conv3(fused)).relu()


class OSNet(nn.Module):
    """OSNet. Input `[B, 3, 256, 128]` RGB, normalised; embeddings `[B, 512]`, not of unit length.

    With `identities` there is a `classifier` as well, which only training uses.
    """

    def __init__(self, width: float = 0.25, identities: int = 0, embedding: int = 512) -> None:
        super().__init__()
        stem, *stages = (int(width * c) for c in (64, 256, 384, 512))
        self.conv1 = ConvNorm(3, stem, 7, 2)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.conv2 = self._stage(stem, stages[0], halve=True)
        self.conv3 = self._stage(stages[0], stages[1], halve=True)
        self.conv4 = self._stage(stages[1], stages[2], halve=False)
        self.conv5 = ConvNorm(stages[2], stages[2])
        self.fc = nn.Sequential(nn.Linear(stages[2], embedding), nn.BatchNorm1d(embedding), nn.ReLU(inplace=True))
        if identities:
            self.classifier = nn.Linear(embedding, identities)

    @staticmethod
    def _stage(inputs: int, outputs: int, *, halve: bool) -> nn.Sequential:
        blocks: list[nn.Module] = [OSBlock(inputs, outputs), OSBlock(outputs, outputs)]
        if halve:
            blocks.append(nn.Sequential(ConvNorm(outputs, outputs), nn.AvgPool2d(2)))
        return nn.Sequential(*blocks)

    def forward(self, crops: Tensor) -> Tensor:
        x = self.conv4(self.conv3(self.conv2(self.maxpool(self.conv1(crops)))))
        return self.fc(self.conv5(x).mean((2, 3)))
