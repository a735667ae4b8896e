"""Convolutions on feature maps whose channels may stand in any order.

`Features.order` says which channel of the published network each channel of a tensor is (-1: always zero). Layers
permute and pad their weights accordingly, so a shuffle of channels costs nothing: it is only a new order.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from onnx import TensorProto

from edge.errors import DataError
from export.graph import Graph
from export.weights import NORM_EPSILON, Float64s, Weights

Order = npt.NDArray[np.int64]

LEAKY = "LeakyReLU"
LEAKY_SLOPE = 0.1  # of NanoDet's `LeakyReLU`, which every published one uses
# By PyTorch's names; those that never fall as their input rises, behind which a maximum may as well be taken before.
ACTIVATIONS = ("ReLU", LEAKY, "ReLU6", "HardSwish", "SiLU")
_RISING = frozenset(("ReLU", LEAKY, "ReLU6"))
ZERO = -1
UNCHANGED = np.array([0, 1, 2])  # colours as the network's input has them
BGR_OF_RGB = np.array([2, 1, 0])  # for a network that was trained on RGB: channel 0 of a BGR picture is its channel 2


@dataclass(frozen=True)
class Features:
    """Tensor `name`; its channel i is channel `order[i]` of the published network, or zero where that is `ZERO`."""

    name: str
    order: Order

    @property
    def count(self) -> int:
        """How many channels of the published network there are."""
        return int(np.sum(self.order != ZERO))


def with_zeros(order: Order, count: int) -> Order:
    """`order` with `count` zero channels behind."""
    return np.concatenate([order, np.full(count, ZERO)])


def padded(order: Order, multiple: int) -> Order:
    """`order` with zero channels behind, its length a multiple of `multiple`."""
    return with_zeros(order, -len(order) % multiple)


def pixels(graph: Graph, name: str, shape: Sequence[int | str], order: Order, mean: Sequence[float]) -> Features:
    """Raw uint8 pixels, input `name` `[N, H, W, 3]`, as float planes without their `mean`.

    Division by std is left to the first convolution. The mean cannot be folded into it as well: the convolution pads
    with zeros, not with means.
    """
    image = graph.input(name, shape, TensorProto.UINT8)
    image = graph.add("Cast", [image], f"{name}.float", to=TensorProto.FLOAT)
    image = graph.add("Transpose", [image], f"{name}.planes", perm=[0, 3, 1, 2])
    means = graph.constant(f"{name}.mean", np.reshape(mean, (1, 3, 1, 1)))
    return Features(graph.add("Sub", [image, means], f"{name}.centred"), order)


class Layers:
    """Writes layers of `weights` into `graph`. Hidden channels are padded to a multiple of `align`.

    `activation` is that of this part of the network, one of `ACTIVATIONS`, `epsilon` of its batch norms.
    """

    def __init__(
        self,
        graph: Graph,
        weights: Weights,
        align: int = 1,
        activation: str = "ReLU",
        epsilon: float = NORM_EPSILON,
    ) -> None:
        self.graph = graph
        self.weights = weights
        self.align = align
        self._activation = activation
        self._epsilon = epsilon

    def pointwise(
        self,
        x: Features,
        layer: str,
        norm: str | None = None,
        *,
        rows: Order | None = None,
        outputs: int | None = None,
        name: str | None = None,
    ) -> Features:
        """The 1x1 convolution `layer`, which has `outputs` if given; of those `rows` are written, or all, padded.

        `name` is needed where several nodes come from one layer.
        """
        weight, bias = self.weights.layer(layer, norm, inputs=x.count, outputs=outputs, epsilon=self._epsilon)
        if rows is None:
            rows = padded(np.arange(len(weight)), self.align)
        weight = picked(picked(weight, rows).swapaxes(0, 1), x.order).swapaxes(0, 1)
        return Features(self._conv(x.name, name or layer, weight, picked(bias, rows)), rows)

    def matrix(self, x: Features, name: str, weight: Float64s, bias: Float64s) -> Features:
        """A 1x1 convolution with these weights, `[outputs, inputs]` as published."""
        columns = picked(weight.T, x.order).T[:, :, None, None]
        return Features(self._conv(x.name, name, columns, bias), np.arange(len(weight)))

    def convolution(self, x: Features, layer: str, norm: str, stride: int = 1) -> Features:
        """The convolution `layer` over all channels."""
        return self.folded(x, layer, *self.weights.layer(layer, norm, inputs=x.count, epsilon=self._epsilon), stride)

    def folded(self, x: Features, name: str, weight: Float64s, bias: Float64s, stride: int = 1) -> Features:
        """A convolution with these weights, `[outputs, inputs, height, width]` as published, and bias."""
        rows = padded(np.arange(len(weight)), self.align)
        weight = picked(picked(weight, rows).swapaxes(0, 1), x.order).swapaxes(0, 1)
        return Features(self._conv(x.name, name, weight, picked(bias, rows), stride=stride), rows)

    def depthwise(self, x: Features, name: str, norm: str, stride: int = 1) -> Features:
        """A depthwise convolution, which keeps the order of the channels."""
        parts = self.weights.layer(name, norm, inputs=1, outputs=x.count, epsilon=self._epsilon)
        weight, bias = (picked(part, x.order) for part in parts)
        out = self._conv(x.name, name, weight, bias, stride=stride, groups=len(x.order))
        return Features(out, x.order)

    def first(self, x: Features, name: str, norm: str | None, std: Sequence[float]) -> Features:
        """The first convolution, of stride 2, on colours that still want division by their `std`."""
        weight, bias = self.weights.layer(name, norm, inputs=x.count, epsilon=self._epsilon)
        rows = padded(np.arange(len(weight)), self.align)
        weight = picked(weight, rows)[:, x.order] / np.reshape(std, (1, -1, 1, 1))
        return Features(self._conv(x.name, name, weight, picked(bias, rows), stride=2), rows)

    def instance_norm(self, x: Features, name: str) -> Features:
        """Each channel of each picture brought to mean 0 and variance 1 over its pixels, then scaled."""
        weight, bias = self.weights.instance_norm(name, x.count)
        inputs = [
            self.graph.constant(f"{name}.{n}", picked(v, x.order)) for n, v in (("weight", weight), ("bias", bias))
        ]
        out = self.graph.add("InstanceNormalization", [x.name, *inputs], name, epsilon=NORM_EPSILON)
        return Features(out, x.order)

    def relu(self, x: Features) -> Features:
        """ReLU."""
        return self._unary("Relu", x, "act")

    def activated(self, x: Features) -> Features:
        """`x` through the activation of this part."""
        name = self._activation
        if name == LEAKY:
            return self._unary("LeakyRelu", x, "act", alpha=LEAKY_SLOPE)
        if name == "ReLU":
            return self.relu(x)
        if name == "HardSwish":
            return self._unary("HardSwish", x, "act")
        if name == "SiLU":
            return self.product(f"{x.name}.act", x, self.sigmoid(x))
        ends = [self.graph.constant(f"relu6.{end}", value) for end, value in (("low", 0.0), ("high", 6.0))]
        return Features(self.graph.add("Clip", [x.name, *ends], f"{x.name}.act"), x.order)

    def activated_and_pooled(self, x: Features) -> Features:
        """The activation, then the maximum of 3x3; in the other order, on a quarter of the pixels, where that is the
        same."""
        if self._activation in _RISING:
            return self.activated(self.max_pool(x))
        return self.max_pool(self.activated(x))

    def sigmoid(self, x: Features) -> Features:
        """The logistic function."""
        return self._unary("Sigmoid", x, "sigmoid")

    def mean(self, x: Features) -> Features:
        """The mean over all pixels, as a picture of one pixel."""
        return self._unary("GlobalAveragePool", x, "mean")

    def max_pool(self, x: Features, pads: Sequence[int] = (1, 1, 1, 1)) -> Features:
        """The maximum of 3x3 pixels at every second pixel; `pads` are those above, at the left, below, at the right."""
        return self._unary("MaxPool", x, "pool", kernel_shape=[3, 3], strides=[2, 2], pads=list(pads))

    def doubled(self, x: Features) -> Features:
        """`x` at twice the width and height, bilinear."""
        scales = self.graph.constant("double.scales", [1, 1, 2, 2])
        name = self.graph.add("Resize", [x.name, "", scales], f"{x.name}.doubled", mode="linear")
        return Features(name, x.order)

    def halved(self, x: Features) -> Features:
        """`x` at half the width and height; bilinear by exactly one half is the mean of 2x2 pixels."""
        return self._unary("AveragePool", x, "halved", kernel_shape=[2, 2], strides=[2, 2])

    def sum(self, name: str, a: Features, b: Features) -> Features:
        """`a + b`, whose channels must stand in the same order."""
        return self._binary("Add", name, a, b)

    def product(self, name: str, a: Features, b: Features) -> Features:
        """`a * b`, whose channels must stand in the same order."""
        return self._binary("Mul", name, a, b)

    def concat(self, name: str, parts: Sequence[Features]) -> Features:
        """Channels of all `parts`, numbered on from part to part."""
        orders, start = [], 0
        for part in parts:
            orders.append(np.where(part.order == ZERO, ZERO, part.order + start))
            start += part.count
        return Features(self.graph.add("Concat", [p.name for p in parts], name, axis=1), np.concatenate(orders))

    def _binary(self, operator: str, name: str, a: Features, b: Features) -> Features:
        if not np.array_equal(a.order, b.order):
            raise DataError(
                f"{self.weights.file}: {a.name} has {a.count} channels, {b.name} {b.count}: cannot be added"
            )
        return Features(self.graph.add(operator, [a.name, b.name], name), a.order)

    def _unary(self, operator: str, x: Features, suffix: str, **attributes: object) -> Features:
        return Features(self.graph.add(operator, [x.name], f"{x.name}.{suffix}", **attributes), x.order)

    def _conv(self, x: str, name: str, weight: Float64s, bias: Float64s, stride: int = 1, groups: int = 1) -> str:
        kernel = list(weight.shape[2:])
        inputs = [x, self.graph.constant(f"{name}.weight", weight), self.graph.constant(f"{name}.bias", bias)]
        return self.graph.add(
            "Conv",
            inputs,
            name,
            kernel_shape=kernel,
            strides=[stride] * 2,
            pads=[k // 2 for k in kernel] * 2,
            group=groups,
        )


def picked(rows: Float64s, order: Order) -> Float64s:
    """Rows in `order`, zero where it is `ZERO`."""
    return np.where((order == ZERO).reshape(-1, *[1] * (rows.ndim - 1)), 0.0, rows[order])
