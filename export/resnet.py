"""ResNet-50 as an ONNX graph of an appearance network, as torchreid and fast-reid train it.

Written from "Deep Residual Learning for Image Recognition" (He et al. 2016), with the stride in the middle convolution
of a block, "Bag of Tricks and a Strong Baseline for Deep Person Re-Identification" (Luo et al. 2019: a batch norm
behind the pooling), "Two at Once" (Pan et al. 2018: IBN-a, half of the channels normalised picture by picture) and from
the parameter names of the checkpoints of KaiyangZhou/deep-person-reid and JDAI-CV/fast-reid.
"""

from dataclasses import replace

import numpy as np
import onnx

from edge.detect import adopt
from edge.modelpack import ImageInput
from export.crops import connected_vector, crops, vector
from export.graph import Graph
from export.layers import Features, Layers, picked
from export.weights import Weights

_STAGES = (1, 2, 3, 4)
_FAST = "backbone."  # fast-reid's prefix of the trunk; its head is called `heads.`
_NECK = "heads.bottleneck.0"  # a batch norm, or a layer that shortens the embedding with the norm behind it
_OLD_NECK = "heads.bnneck"  # its name before fast-reid 1.0
_PIXELS = ("pixel_mean", "pixel_std")  # in values of 0..255, RGB; in checkpoints until fast-reid 1.0
_GEM = "heads.pool_layer.p"  # the exponent of a generalised mean
_LEAST = 1e-6  # what its pixels are clipped to


def recognised(weights: Weights) -> bool:
    """Whether these are a ResNet-50's of either project."""
    return _prefix(weights) is not None


def architecture(weights: Weights) -> str:
    """A readable name."""
    prefix = _prefix(weights) or ""
    ibn = "-IBN" if f"{prefix}layer1.0.bn1.IN.weight" in weights else ""
    return f"ResNet50{ibn} ({'fast-reid' if prefix else 'torchreid'})"


def build(
    weights: Weights, width: int, height: int, overrides: adopt.Overrides = adopt.NONE
) -> tuple[onnx.ModelProto, ImageInput, int]:
    """The graph, what the board must know of its input, and the length of an embedding.

    It takes any number of crops of `width` x `height`. Whether the last stage halves the map again leaves no trace in
    the weights: it does in torchreid's network without a fully connected layer, and in no other published one. Raises
    DataError for weights that do not fit.
    """
    name, prefix = architecture(weights), _prefix(weights) or ""
    graph = Graph()
    layers = Layers(graph, weights)
    x, std, wanted = crops(graph, width, height, _own_pixels(weights, overrides))
    pads = (0, 0, 1, 1) if prefix else (1, 1, 1, 1)  # fast-reid pools with ceil_mode in place of padding
    x = layers.relu(layers.max_pool(layers.first(x, f"{prefix}conv1", f"{prefix}bn1", std), pads))
    has_layer = "fc.0.weight" in weights
    for stage in _STAGES:
        halves = stage in (2, 3) or (stage == 4 and not prefix and not has_layer)
        for block in range(weights.count(rf"{prefix}layer{stage}\.(\d+)\.")):
            x = _block(layers, x, f"{prefix}layer{stage}.{block}", 2 if halves and block == 0 else 1)
    x = _generalised_mean(layers, x) if _GEM in weights else layers.mean(x)
    embedding = connected_vector(graph, weights, x) if has_layer else vector(graph, _neck(layers, x))
    weights.finish(name, [r"^classifier\.", r"^heads\.(weight|classifier|cls_layer)"])
    return graph.model(name), wanted, embedding


def _prefix(weights: Weights) -> str | None:
    for prefix in ("", _FAST):
        if f"{prefix}layer4.2.conv3.weight" in weights and f"{prefix}conv1.weight" in weights:
            return prefix
    return None


def _block(layers: Layers, x: Features, name: str, stride: int) -> Features:
    shortcut = x
    if f"{name}.downsample.0.weight" in layers.weights:
        shortcut = layers.convolution(x, f"{name}.downsample.0", f"{name}.downsample.1", stride)
    if f"{name}.bn1.IN.weight" in layers.weights:
        inner = layers.relu(_half_by_picture(layers, x, name))
    else:
        inner = layers.relu(layers.pointwise(x, f"{name}.conv1", f"{name}.bn1"))
    inner = layers.relu(layers.convolution(inner, f"{name}.conv2", f"{name}.bn2", stride))
    return layers.relu(layers.sum(name, layers.pointwise(inner, f"{name}.conv3", f"{name}.bn3"), shortcut))


def _half_by_picture(layers: Layers, x: Features, name: str) -> Features:
    """IBN-a: of the outputs the first are normalised picture by picture, the others by the batch norm."""
    weight, bias = layers.weights.layer(f"{name}.conv1", inputs=x.count)
    half = layers.weights.shape(f"{name}.bn1.IN.weight")[0]
    factor, shift = layers.weights.batch_norm(f"{name}.bn1.BN", len(weight) - half)
    factor, shift = np.r_[np.ones(half), factor], np.r_[np.zeros(half), shift]
    out = layers.matrix(x, f"{name}.conv1", weight[:, :, 0, 0] * factor[:, None], bias * factor + shift)
    sizes = [half, len(weight) - half]
    parts = [
        Features(part, np.arange(size))
        for part, size in zip(
            layers.graph.split(out.name, sizes, [f"{name}.by_picture", f"{name}.by_batch"]), sizes, strict=True
        )
    ]
    return layers.concat(f"{name}.bn1", [layers.instance_norm(parts[0], f"{name}.bn1.IN"), parts[1]])


def _generalised_mean(layers: Layers, x: Features) -> Features:
    """The mean of powers, brought back by the root."""
    graph, power = layers.graph, float(layers.weights.take(_GEM).reshape(-1)[0])
    clipped = graph.add("Clip", [x.name, graph.constant("gem.least", _LEAST)], f"{x.name}.clipped")
    raised = graph.add("Pow", [clipped, graph.constant("gem.power", power)], f"{x.name}.raised")
    pooled = graph.add("GlobalAveragePool", [raised], f"{x.name}.pooled")
    return Features(graph.add("Pow", [pooled, graph.constant("gem.root", 1 / power)], f"{x.name}.mean"), x.order)


def _own_pixels(weights: Weights, overrides: adopt.Overrides) -> adopt.Overrides:
    """`overrides`, and where they say nothing of it the mean and std that the checkpoint holds."""
    if not all(name in weights for name in _PIXELS):
        return overrides
    mean, std = (tuple(map(float, weights.take(name).reshape(-1))) for name in _PIXELS)
    if (overrides.scale, overrides.mean, overrides.std) != (None, None, None) or len(mean) != 3 or len(std) != 3:
        return overrides
    return replace(overrides, mean=mean, std=std)


def _neck(layers: Layers, x: Features) -> Features:
    """What is behind the pooling: a batch norm, as a factor and a shift, a layer with or without one, or nothing."""
    weights = layers.weights
    if f"{_NECK}.weight" in weights and len(weights.shape(f"{_NECK}.weight")) == 4:
        norm = "heads.bottleneck.1"
        weight, bias = weights.layer(_NECK, norm if f"{norm}.weight" in weights else None, inputs=x.count)
        return layers.matrix(x, _NECK, weight[:, :, 0, 0], bias)
    neck = next((name for name in (_NECK, _OLD_NECK) if f"{name}.weight" in weights), None)
    if neck is None:
        return x
    scale, shift = weights.batch_norm(neck, x.count)
    graph, shape = layers.graph, (1, -1, 1, 1)
    by = graph.constant(f"{neck}.factor", picked(scale, x.order).reshape(shape))
    plus = graph.constant(f"{neck}.shift", picked(shift, x.order).reshape(shape))
    return Features(graph.add("Add", [graph.add("Mul", [x.name, by], f"{neck}.scaled"), plus], neck), x.order)
