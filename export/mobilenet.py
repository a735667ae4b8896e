"""MobileNetV2 as an ONNX graph of an appearance network, as torchreid trains it.

Written from "MobileNetV2: Inverted Residuals and Linear Bottlenecks" (Sandler et al. 2018) and from the parameter names
of the checkpoints of KaiyangZhou/deep-person-reid.
"""

import onnx

from edge.detect import adopt
from edge.modelpack import ImageInput
from export.crops import connected_vector, crops, vector
from export.graph import Graph
from export.layers import Features, Layers
from export.weights import Weights

_HALVING = ("conv3", "conv4", "conv5", "conv7")
_STAGES = ("conv2", "conv3", "conv4", "conv5", "conv6", "conv7", "conv8")


def recognised(weights: Weights) -> bool:
    """Whether these are torchreid's MobileNetV2's."""
    return "conv2.0.dwconv2.conv.weight" in weights and "conv9.conv.weight" in weights


def architecture(weights: Weights) -> str:
    """A readable name with the width of its layers."""
    return f"MobileNetV2 x{weights.shape('conv1.conv.weight')[0] / 32:g} (torchreid)"


def build(
    weights: Weights, width: int, height: int, overrides: adopt.Overrides = adopt.NONE
) -> tuple[onnx.ModelProto, ImageInput, int]:
    """The graph, what the board must know of its input, and the length of an embedding.

    It takes any number of crops of `width` x `height`. Raises DataError for weights that do not fit.
    """
    name = architecture(weights)
    graph = Graph()
    layers = Layers(graph, weights, activation="ReLU6")
    x, std, wanted = crops(graph, width, height, overrides)
    x = layers.activated(layers.first(x, "conv1.conv", "conv1.bn", std))
    for stage in _STAGES:
        for block in range(weights.count(rf"{stage}\.(\d+)\.")):
            x = _block(layers, x, f"{stage}.{block}", 2 if stage in _HALVING and block == 0 else 1)
    x = layers.mean(layers.activated(layers.pointwise(x, "conv9.conv", "conv9.bn")))
    has_layer = "fc.0.weight" in weights
    embedding = connected_vector(graph, weights, x) if has_layer else vector(graph, x)
    weights.finish(name, [r"^classifier\."])
    return graph.model(name), wanted, embedding


def _block(layers: Layers, x: Features, name: str, stride: int) -> Features:
    """Wide, depthwise, narrow; the narrow end is not activated, and added to the input where it has the same shape."""
    inner = layers.activated(layers.pointwise(x, f"{name}.conv1.conv", f"{name}.conv1.bn"))
    inner = layers.activated(layers.depthwise(inner, f"{name}.dwconv2.conv", f"{name}.dwconv2.bn", stride))
    out = layers.pointwise(inner, f"{name}.conv3.0", f"{name}.conv3.1")
    return layers.sum(name, x, out) if stride == 1 and out.count == x.count else out
