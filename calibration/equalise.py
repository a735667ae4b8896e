"""Channels of one tensor brought to like ranges, exactly: scales move from a layer's rows into its readers' columns.

Cross-layer equalisation (Nagel et al. 2019, "Data-free quantization through weight equalization and bias correction")
from measured activations instead of weights, and aware of LeakyReLU: an 8-bit grid before LeakyReLU spends most of its
levels on negative values of which a tenth is kept, so the negative side counts less.

A channel variable is an output channel of a convolution, followed through everything that commutes with a positive
factor. Channels that meet in an Add, or in both halves of one, are one variable; those that meet anything else keep
their scale.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from onnx import NodeProto

from calibration.activations import Extremes, negative_slope
from calibration.network import Array, Network, attribute

Floats = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]

_HOMOGENEOUS = frozenset({"LeakyRelu", "Relu", "MaxPool", "AveragePool", "GlobalAveragePool", "Resize", "Identity"})
TYPICAL_EXTREME = 0.95  # percentile over pictures of a channel's extreme
# Ranges are evened out to this share of their differences in decibels: a channel scaled up in one layer makes the
# weights of its readers uneven. Depthwise readers have a weight scale for each channel, so for them all of it is free.
LARGEST_FACTOR = 1e4


@dataclass(frozen=True)
class Strength:
    """`negative`: what a value below zero counts, if LeakyReLU follows, against one above (at least its slope).
    `share`: how far unlike ranges approach each other where 1x1 convolutions read them, 0 not at all, 1 fully."""

    negative: float
    share: float

    def __str__(self) -> str:
        return f"{self.negative:.2f}/{self.share:.1f}"


class Channels:
    """The channel variables of a network: their number, those of each tensor, and which ones stay as they are."""

    def __init__(self, network: Network):
        self._network = network
        self._parents: list[int] = []
        self._pinned: set[int] = set()
        self.of: dict[str, Ids] = {}
        for node in network.nodes:
            self._follow(node)
        for name in network.outputs:
            self._pin(name)
        count = len(self._parents)
        roots = np.array([self._root(i) for i in range(count)], np.int64)
        self.of = {name: roots[ids] for name, ids in self.of.items()}
        self.pinned = np.isin(np.arange(count), roots[sorted(self._pinned)]) if count else np.zeros(0, bool)
        self.count = count

    def groups(self) -> Ids:
        """For each variable the number of its group: those that share a tensor, directly or through others."""
        parents = np.arange(self.count)

        def root(i: int) -> int:
            while parents[i] != i:
                i = int(parents[i])
            return i

        for ids in self.of.values():
            first = root(int(ids[0]))
            for i in np.unique(ids):
                parents[root(int(i))] = first
        return np.array([root(i) for i in range(self.count)], np.int64)

    def _follow(self, node: NodeProto) -> None:
        known = [self.of.get(name) for name in self._network.activations(node)]
        first = known[0] if known else None
        if node.op_type == "Conv" and node.input[1] in self._network.weights:
            self._fresh(node.output[0], self._network.weights[node.input[1]].shape[0])
            if first is not None and not self._network.depthwise(node) and attribute(node, "group", 1) > 1:
                self._pin_inputs(node)
        elif node.op_type == "Gemm" and self._reads_rows(node):
            return
        elif first is not None and self._keeps_channels(node, len(first)):
            self.of[node.output[0]] = first
        elif first is not None and node.op_type == "Split" and attribute(node, "axis", 0) == 1:
            sizes = self._network.weights.get(node.input[1]) if len(node.input) > 1 else None
            if sizes is None:
                sizes = np.full(len(node.output), len(first) // len(node.output))
            if sum(sizes) != len(first):  # parts of unlike length, which no size tells
                self._pin_inputs(node)
                return
            for name, ids in zip(node.output, np.split(first, np.cumsum(sizes)[:-1]), strict=True):
                self.of[name] = ids
        elif node.op_type == "Concat" and attribute(node, "axis", 0) == 1 and all(ids is not None for ids in known):
            self.of[node.output[0]] = np.concatenate([ids for ids in known if ids is not None])
        elif node.op_type == "Add" and len(known) == 2 and all(ids is not None for ids in known):
            self._tie(node, known)
        else:
            self._pin_inputs(node)

    def _tie(self, node: NodeProto, known: list[Ids | None]) -> None:
        a, b = known
        if a is None or b is None or len(a) != len(b):
            self._pin_inputs(node)
            return
        for i, j in zip(a, b, strict=True):
            self._parents[self._root(int(j))] = self._root(int(i))
        self.of[node.output[0]] = a

    def _reads_rows(self, node: NodeProto) -> bool:
        """Whether a Gemm's weights have a row for each channel of its input, `[channels, cells]` or `[n, channels]`."""
        ids = self.of.get(node.input[0])
        weight = self._network.weights.get(node.input[1])
        return ids is not None and weight is not None and self._network.weight(node).shape[1] == len(ids)

    def _keeps_channels(self, node: NodeProto, channels: int) -> bool:
        """Whether a factor of each channel goes through: also where a map becomes a matrix `[channels, cells]`."""
        if node.op_type == "Reshape":
            shape = self._network.weights.get(node.input[1])
            return shape is not None and list(shape) == [channels, -1]
        return node.op_type in _HOMOGENEOUS

    def _fresh(self, name: str, count: int) -> None:
        start = len(self._parents)
        self._parents += range(start, start + count)
        self.of[name] = np.arange(start, start + count)

    def _root(self, i: int) -> int:
        while self._parents[i] != i:
            self._parents[i] = self._parents[self._parents[i]]
            i = self._parents[i]
        return i

    def _pin_inputs(self, node: NodeProto) -> None:
        for name in self._network.activations(node):
            self._pin(name)

    def _pin(self, name: str) -> None:
        self._pinned.update(int(i) for i in self.of.get(name, ()))


def factors(
    network: Network, channels: Channels, extremes: Mapping[str, Extremes], strengths: Mapping[int, Strength]
) -> Floats:
    """What each channel variable is divided by, from the measured `extremes` of the float network.

    `strengths` by group number; a group without one stays as it is.
    """
    spans = _spans(network, channels, extremes, strengths)
    groups = channels.groups()
    free = _only_depthwise_readers(network, channels)
    result = np.ones(channels.count)
    for group, strength in strengths.items():
        members = np.flatnonzero((groups == group) & ~channels.pinned & (spans > 0))
        if len(members) == 0 or np.any(channels.pinned & (groups == group) & (spans > 0)):
            continue
        share = np.where(free[members], 1.0, strength.share)
        ratio = np.maximum(spans[members] / spans[members].max(), 1 / LARGEST_FACTOR)
        result[members] = ratio**share
    return result


def equalised(network: Network, channels: Channels, divisors: Floats) -> Network:
    """The same function with every channel variable divided by its divisor."""
    weights: dict[str, Array] = {}
    for node in network.weighted():
        weight = network.weights[node.input[1]].astype(np.float64)
        read = channels.of.get(network.activations(node)[0])
        before = divisors[read] if read is not None else None
        if node.op_type == "Gemm":
            if before is not None:
                weights[node.input[1]] = weight * (before if attribute(node, "transB", 0) else before[:, None])
            continue
        after = divisors[channels.of[node.output[0]]]
        weight = weight / after.reshape(-1, 1, 1, 1)
        if before is not None and network.depthwise(node):
            weight *= before.reshape(-1, 1, 1, 1)
        elif before is not None and attribute(node, "group", 1) == 1:
            weight *= before.reshape(1, -1, 1, 1)
        weights[node.input[1]] = weight
        bias = network.bias(node)
        if bias is not None:
            weights[node.input[2]] = bias / after
    return network.replaced(weights)


def shared_weights(network: Network) -> bool:
    """Whether several layers use the same weights, which then cannot be scaled for each of them."""
    names = [name for node in network.weighted() for name in node.input[1:]]
    return len(names) != len(set(names))


def _spans(
    network: Network, channels: Channels, extremes: Mapping[str, Extremes], strengths: Mapping[int, Strength]
) -> Floats:
    """The typical extreme of each variable, over all convolutions that make it."""
    groups = channels.groups()
    spans = np.zeros(channels.count)
    for node in network.weighted():
        name = node.output[0]
        if name not in channels.of or name not in extremes:
            continue
        ids = channels.of[name]
        highs = np.quantile(extremes[name].highs, TYPICAL_EXTREME, axis=0)
        lows = -np.quantile(extremes[name].lows, 1 - TYPICAL_EXTREME, axis=0)
        slope = negative_slope(network, name)
        negative = np.array([strengths[g].negative if g in strengths else 1.0 for g in groups[ids]])
        counts = np.maximum(slope, negative) if slope < 1 else 1.0
        np.maximum.at(spans, ids, np.maximum(np.maximum(highs, lows * counts), 0.0))
    return spans


def _only_depthwise_readers(network: Network, channels: Channels) -> npt.NDArray[np.bool_]:
    free = np.ones(channels.count, bool)
    for node in network.weighted():
        name = network.activations(node)[0]
        if name in channels.of and not network.depthwise(node):
            free[channels.of[name]] = False
    return free
