"""OSNet as an ONNX graph: raw crops in, embeddings out.

Written from "Omni-Scale Feature Learning for Person Re-Identification" (Zhou et al. 2019), "Learning Generalisable
Omni-Scale Representations for Person Re-Identification" (2021) and the parameter names of the checkpoints of
KaiyangZhou/deep-person-reid. OSNet-IBN normalises each picture by itself in the first stages, behind the sum of a
block; OSNet-AIN in some blocks before the sum, and calls its parts by other names.
"""

import onnx

from edge.detect import adopt
from edge.errors import DataError
from edge.modelpack import ImageInput
from export.crops import connected_vector, crops
from export.graph import Graph
from export.layers import Features, Layers
from export.weights import Weights

WIDTHS = {16: "x0.25", 32: "x0.5", 48: "x0.75", 64: "x1.0"}  # channels of the first convolution -> published name
_STREAMS = ("conv2a", "conv2b", "conv2c", "conv2d")
_AIN = "conv2.0.conv2.3.layers.3.conv2.weight"


def recognised(weights: Weights) -> bool:
    """Whether these are an OSNet's, -IBN's or -AIN's."""
    streams = "conv2.0.conv2d.3.conv2.weight", _AIN
    return any(name in weights for name in streams) and "conv2.0.gate.fc1.weight" in weights


def architecture(weights: Weights) -> str:
    """A readable name, such as "OSNet x0.25"; DataError for an unknown width."""
    channels = weights.shape("conv1.conv.weight")[0]
    if channels not in WIDTHS:
        known = ", ".join(f"{c} ({w})" for c, w in WIDTHS.items())
        raise DataError(f"{weights.file}: an OSNet with {channels} channels in conv1; supported are {known}")
    kind = "-AIN" if _AIN in weights else "-IBN" if "conv2.0.IN.weight" in weights else ""
    return f"OSNet{kind} {WIDTHS[channels]}"


def build(
    weights: Weights, width: int, height: int, overrides: adopt.Overrides = adopt.NONE
) -> tuple[onnx.ModelProto, ImageInput, int]:
    """The graph, what the board must know of its input, and the length of an embedding.

    It takes any number of crops of `width` x `height`. Raises DataError for weights that do not fit.
    """
    name = architecture(weights)
    graph = Graph()
    layers = Layers(graph, weights)
    x, std, wanted = crops(graph, width, height, overrides)
    if "conv1.bn.running_mean" in weights:
        x = layers.max_pool(layers.first(x, "conv1.conv", "conv1.bn", std))  # monotone: pooling before ReLU is exact
    else:
        x = layers.max_pool(layers.instance_norm(layers.first(x, "conv1.conv", None, std), "conv1.bn"))
    x = layers.relu(x)
    for i in (2, 3, 4):
        for block in range(2):
            x = _block(layers, x, f"conv{i}.{block}")
        for pool in (f"conv{i}.2.0", f"pool{i}.0"):
            if f"{pool}.conv.weight" in weights:
                x = layers.halved(layers.relu(layers.pointwise(x, f"{pool}.conv", f"{pool}.bn")))
    x = layers.mean(layers.relu(layers.pointwise(x, "conv5.conv", "conv5.bn")))
    embedding = connected_vector(graph, weights, x)
    weights.finish(name, [r"^classifier\."])
    return graph.model(name), wanted, embedding


def _block(layers: Layers, x: Features, name: str) -> Features:
    """Four streams of growing receptive field, scaled by one gate that all share, around a shortcut."""
    is_ain = _AIN in layers.weights
    normalised = f"{name}.IN.weight" in layers.weights
    shortcut = x
    if f"{name}.downsample.conv.weight" in layers.weights:
        shortcut = layers.pointwise(x, f"{name}.downsample.conv", f"{name}.downsample.bn")
    x = layers.relu(layers.pointwise(x, f"{name}.conv1.conv", f"{name}.conv1.bn"))
    fused: Features | None = None
    for i, stream in enumerate(_STREAMS):
        inner = f"{name}.conv2.{i}.layers" if is_ain else f"{name}.{stream}"
        gated = _gated(layers, _stream(layers, x, inner), f"{name}.gate", stream)
        fused = gated if fused is None else layers.sum(f"{name}.{stream}.sum", fused, gated)
    assert fused is not None
    if is_ain and normalised:
        out = layers.instance_norm(layers.pointwise(fused, f"{name}.conv3.conv"), f"{name}.IN")
        return layers.relu(layers.sum(name, out, shortcut))
    out = layers.sum(name, layers.pointwise(fused, f"{name}.conv3.conv", f"{name}.conv3.bn"), shortcut)
    return layers.relu(layers.instance_norm(out, f"{name}.IN") if normalised else out)


def _stream(layers: Layers, x: Features, name: str) -> Features:
    """One light convolution, or a row of them: pointwise, depthwise, ReLU."""
    row = [f"{name}.{i}" for i in range(layers.weights.count(rf"{name}\.(\d+)\."))] or [name]
    for light in row:
        x = layers.pointwise(x, f"{light}.conv1")
        x = layers.relu(layers.depthwise(x, f"{light}.conv2", f"{light}.bn"))
    return x


def _gated(layers: Layers, x: Features, gate: str, stream: str) -> Features:
    scale = layers.mean(x)
    scale = layers.relu(layers.pointwise(scale, f"{gate}.fc1", name=f"{gate}.{stream}.fc1"))
    scale = layers.sigmoid(layers.pointwise(scale, f"{gate}.fc2", name=f"{gate}.{stream}.fc2"))
    return layers.product(f"{gate}.{stream}", x, scale)
