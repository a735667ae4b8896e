"""OSNet as an ONNX graph: raw crops in, embeddings out.

Written from "Omni-Scale Feature Learning for Person Re-Identification" (Zhou et al. 2019) and from the parameter names
of the checkpoints of KaiyangZhou/deep-person-reid.
"""

import onnx

from edge.errors import DataError
from edge.modelpack import ImageInput
from edge.reid.adopt import IMAGENET_MEAN_RGB, IMAGENET_STD_RGB, OWN_CROPS, OWN_EMBEDDING
from export.graph import Graph
from export.layers import BGR_OF_RGB, Features, Layers, picked, pixels
from export.weights import Weights

WIDTHS = {16: "x0.25", 32: "x0.5", 48: "x0.75", 64: "x1.0"}  # channels of the first convolution -> published name
PUBLISHED_SIZE = (128, 256)  # width and height of a crop
_STREAMS = ("conv2a", "conv2b", "conv2c", "conv2d")


def recognised(weights: Weights) -> bool:
    """Whether these are an OSNet's."""
    return "conv2.0.conv2d.3.conv2.weight" in weights and "conv2.0.gate.fc1.weight" in weights


def architecture(weights: Weights) -> str:
    """A readable name, such as "OSNet x0.25"; DataError for an unknown width."""
    channels = weights.shape("conv1.conv.weight")[0]
    if channels not in WIDTHS:
        known = ", ".join(f"{c} ({w})" for c, w in WIDTHS.items())
        raise DataError(f"{weights.file}: an OSNet with {channels} channels in conv1; supported are {known}")
    return f"OSNet {WIDTHS[channels]}"


def build(weights: Weights, width: int, height: int) -> tuple[onnx.ModelProto, ImageInput, int]:
    """The graph, what the board must know of its input, and the length of an embedding.

    It takes any number of crops of `width` x `height`. Raises DataError for weights that do not fit.
    """
    name = architecture(weights)
    graph = Graph()
    layers = Layers(graph, weights)
    mean, std = IMAGENET_MEAN_RGB[::-1], IMAGENET_STD_RGB[::-1]
    x = pixels(graph, OWN_CROPS, ["batch", height, width, 3], BGR_OF_RGB, mean)
    x = layers.relu(layers.max_pool(layers.first(x, "conv1.conv", "conv1.bn", std)))  # monotone: pooling first is exact
    for stage in ("conv2", "conv3", "conv4"):
        x = _block(layers, _block(layers, x, f"{stage}.0"), f"{stage}.1")
        if f"{stage}.2.0.conv.weight" in weights:
            x = layers.to_float16(layers.relu(layers.pointwise(x, f"{stage}.2.0.conv", f"{stage}.2.0.bn")))
    x = layers.mean(layers.relu(layers.pointwise(x, "conv5.conv", "conv5.bn")))
    embedding = _embedding(graph, weights, x)
    weights.finish(name, [r"^classifier\."])
    crops = ImageInput(OWN_CROPS, width, height, "nhwc-uint8", "bgr", mean, std)
    return graph.model(name), crops, embedding


def _block(layers: Layers, x: Features, name: str) -> Features:
    """Four streams of growing receptive field, scaled by one gate that all share, around a shortcut."""
    shortcut = x
    if f"{name}.downsample.conv.weight" in layers.weights:
        shortcut = layers.pointwise(x, f"{name}.downsample.conv", f"{name}.downsample.bn")
    x = layers.relu(layers.pointwise(x, f"{name}.conv1.conv", f"{name}.conv1.bn"))
    first, *others = (
        _gated(layers, _stream(layers, x, f"{name}.{stream}"), f"{name}.gate", stream) for stream in _STREAMS
    )
    fused = first
    for stream, gated in zip(_STREAMS[1:], others, strict=True):
        fused = layers.sum(f"{name}.{stream}.sum", fused, gated)
    out = layers.pointwise(fused, f"{name}.conv3.conv", f"{name}.conv3.bn")
    return layers.relu(layers.sum(name, out, shortcut))


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


def _embedding(graph: Graph, weights: Weights, x: Features) -> int:
    weight, bias = weights.layer("fc.0", "fc.1", inputs=x.count, flat=True)
    vector = graph.add("Flatten", [x.name], f"{x.name}.vector")
    columns = graph.constant("fc.0.weight", picked(weight.T, x.order))
    product = graph.add("Gemm", [vector, columns, graph.constant("fc.0.bias", bias)], "fc.0")
    graph.add("Relu", [product], OWN_EMBEDDING)
    graph.output(OWN_EMBEDDING, ["batch", len(weight)])
    return len(weight)
