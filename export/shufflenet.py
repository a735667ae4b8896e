"""ShuffleNetV2 (Ma et al. 2018) without a shuffle.

A shuffle only renames channels. The blocks of a stage are therefore followed on paper first: each channel is the
output of one convolution, its source, and will be read by one block or leave the stage. Every source then emits its
channels in the order in which they are read, which leaves one Split behind a source and one Concat before a reader.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from edge.detect.families.nanodet import NANODET_MEAN_BGR, NANODET_STD_BGR
from edge.errors import DataError
from export.config import Activations
from export.layers import ZERO, Features, Layers, Order, with_zeros
from export.weights import NORM_EPSILON, Weights

# Of NanoDet's published configurations on it.
ACTIVATIONS = Activations()
MEAN_BGR = NANODET_MEAN_BGR
STD_BGR = NANODET_STD_BGR
EPSILON = NORM_EPSILON

STAGES = (2, 3, 4)
WIDTHS = {48: "0.5x", 116: "1.0x", 176: "1.5x"}  # channels of stage 2 -> name of the width

# ONNX Runtime's kernels want the inputs of a 1x1 convolution in fours.
POINTWISE_MULTIPLE = 4


class Channel(NamedTuple):
    """Output `row` of source `source`; the sources of a stage are numbered in the order of their making."""

    source: int
    row: int


class Reading(NamedTuple):
    """What one reader takes from a stage: `channels[i]` is its input i as published."""

    channels: list[Channel]
    multiple: int

    def taken_from(self, source: int) -> list[int]:
        """The inputs that come from `source`, as positions in `channels`."""
        return [i for i, channel in enumerate(self.channels) if channel.source == source]

    def padding(self) -> int:
        """How many zero channels the reader wants besides, for its kernel's sake."""
        return -len(self.channels) % self.multiple


def recognised(weights: Weights) -> bool:
    """Whether these are tensors of such a backbone."""
    return "backbone.stage2.0.branch2.5.weight" in weights


def name(weights: Weights) -> str:
    """Its width, such as "1.0x"; DataError for one that is not known."""
    channels = 2 * weights.shape("backbone.stage2.0.branch2.5.weight")[0]
    if channels not in WIDTHS:
        raise DataError(
            f"{weights.file}: a ShuffleNetV2 with {channels} channels in stage 2;"
            f" supported are {', '.join(f'{c} ({w})' for c, w in WIDTHS.items())}"
        )
    return WIDTHS[channels]


def backbone(layers: Layers, image: Features, std: Sequence[float]) -> list[Features]:
    """The features of strides 8, 16 and 32 of `image`."""
    x = layers.first(image, "backbone.conv1.0", "backbone.conv1.1", std)
    x = layers.activated_and_pooled(x)
    features = []
    for stage in STAGES:
        x = _stage(layers, x, f"backbone.stage{stage}")
        features.append(x)
    return features


def readings(half: int, blocks: int, exit_multiple: int) -> list[Reading]:
    """What blocks 1, 2, ... of a stage read, and at last what leaves it.

    Block 0 makes sources 0 and 1 of `half` channels each, every later block k source k + 1.
    """
    x = _shuffled([Channel(0, i) for i in range(half)], [Channel(1, i) for i in range(half)])
    found = []
    for block in range(1, blocks):
        found.append(Reading(x[half:], POINTWISE_MULTIPLE if exit_multiple > 1 else 1))
        x = _shuffled(x[:half], [Channel(block + 1, i) for i in range(half)])
    return [*found, Reading(x, exit_multiple)]


def _shuffled(first: list[Channel], second: list[Channel]) -> list[Channel]:
    return [channel for pair in zip(first, second, strict=True) for channel in pair]


def _stage(layers: Layers, x: Features, name: str) -> Features:
    half = layers.weights.shape(f"{name}.0.branch2.5.weight")[0]
    blocks = layers.weights.count(rf"{name}\.(\d+)\.")
    plan = readings(half, blocks, layers.align)
    pieces: list[list[Features]] = [[] for _ in plan]  # by reader, in the order of the sources

    shortcut = layers.depthwise(x, f"{name}.0.branch1.0", f"{name}.0.branch1.1", stride=2)
    _source(layers, shortcut, f"{name}.0.branch1.2", f"{name}.0.branch1.3", 0, plan, pieces)
    for block in range(blocks):
        if block > 0:
            x = _joined(layers, f"{name}.{block}.input", pieces[block - 1])
        branch, stride = f"{name}.{block}.branch2", 1 if block else 2
        x = layers.activated(layers.pointwise(x, f"{branch}.0", f"{branch}.1"))
        x = layers.depthwise(x, f"{branch}.3", f"{branch}.4", stride)
        _source(layers, x, f"{branch}.5", f"{branch}.6", block + 1, plan, pieces)
    return _joined(layers, f"{name}.output", pieces[-1])


def _source(
    layers: Layers, x: Features, name: str, norm: str, source: int, plan: list[Reading], pieces: list[list[Features]]
) -> None:
    """Write the last convolution of a branch and hand its channels to their readers."""
    rows: list[Order] = []
    shares: list[tuple[int, Order]] = []
    for reader, reading in enumerate(plan):
        inputs = np.array(reading.taken_from(source), np.int64)
        if not len(inputs):
            continue
        index = np.array([reading.channels[i].row for i in inputs])
        last = max(channel.source for channel in reading.channels) == source
        zeros = reading.padding() if last else 0
        rows.append(with_zeros(index, zeros))
        shares.append((reader, with_zeros(inputs, zeros)))
    every = np.concatenate(rows)
    out = layers.activated(layers.pointwise(x, name, norm, rows=every, outputs=int(np.sum(every != ZERO))))
    names = [out.name]
    if len(shares) > 1:
        names = layers.graph.split(out.name, [len(s) for _, s in shares], [f"{name}.for{r + 1}" for r, _ in shares])
    for (reader, order), part in zip(shares, names, strict=True):
        pieces[reader].append(Features(part, order))


def _joined(layers: Layers, name: str, parts: list[Features]) -> Features:
    """The parts side by side; their orders already count the reader's inputs."""
    if len(parts) == 1:
        return parts[0]
    joined = layers.graph.add("Concat", [p.name for p in parts], name, axis=1)
    return Features(joined, np.concatenate([p.order for p in parts]))
