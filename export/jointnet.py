"""The built-in joint network as an ONNX graph: two raw pictures in, peaks with boxes, ways back and embeddings out.

Its heads read patches of features, so they are computed for the peaks alone: for each a row of a matrix product.
"""

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto

from edge.detect.families.joint import BEFORE, IMAGE, STRIDE
from edge.detect.families.nanodet import NANODET_MEAN_BGR, NANODET_STD_BGR
from edge.errors import UsageError
from edge.modelpack import JOINT, JOINT_OUTPUTS, Head, ImageInput
from export.graph import Graph
from export.layers import Features, Layers
from export.peaks import Decoder
from export.weights import Weights

ARCHITECTURE = "lean joint network"
SIZE_MULTIPLE = 32


def recognised(weights: Weights) -> bool:
    """Whether these are the built-in joint network's."""
    return "merge16.conv.weight" in weights and "ltrb_amodal.weight" in weights and "looks.weight" in weights


def class_count(weights: Weights) -> int:
    """How many classes the heat map has."""
    return weights.shape("hm.1.weight")[0]


def build(
    weights: Weights, width: int, height: int, kept: Sequence[int] | None = None
) -> tuple[onnx.ModelProto, ImageInput, Head]:
    """The graph for pictures of `width` x `height` and what the board must know of it.

    `kept` are the classes to keep, in order; None keeps all. Raises UsageError for a size that is not a multiple of
    32, DataError for weights that do not fit.
    """
    if min(width, height) <= 0 or width % SIZE_MULTIPLE or height % SIZE_MULTIPLE:
        raise UsageError(f"--input-size {width}x{height}: expected multiples of {SIZE_MULTIPLE}, such as 640x352")
    graph = Graph()
    layers = Layers(graph, weights)
    fine, coarse = _trunk(layers, _pictures(graph, [1, height, width, 3]))
    rows = np.arange(class_count(weights)) if kept is None else np.asarray(kept)
    heat = layers.pointwise(_separable(layers, fine, "hm.0"), "hm.1", rows=rows, outputs=class_count(weights))
    graph.add("Identity", [heat.name], "hm")
    shape = [1, len(rows), height // STRIDE, width // STRIDE]
    graph.output("hm", shape)
    decoder = Decoder(weights.file, shape)
    levels = [(fine, shape[2:]), (coarse, [side // 2 for side in shape[2:]])]
    embedding = _heads(decoder, weights, levels)
    weights.finish(ARCHITECTURE, [])
    wanted = ImageInput(IMAGE, width, height, "nhwc-uint8", "bgr", NANODET_MEAN_BGR, NANODET_STD_BGR)
    head = Head(JOINT, JOINT_OUTPUTS, (STRIDE,))
    return decoder.joined(graph.model(ARCHITECTURE), embedding), wanted, head


def _pictures(graph: Graph, shape: Sequence[int]) -> Features:
    """Both pictures as float planes without their means. TensorRT can do nothing with bytes but make floats of them.

    The planes are joined as rows of pixels: ONNX Runtime moves a Transpose behind a Concat, where it costs 3 ms more,
    but not behind a Reshape.
    """
    colours = len(NANODET_MEAN_BGR)
    rows = graph.constant("pictures.rows", [1, colours, -1], np.int64)
    planes = []
    for name in (IMAGE, BEFORE):
        x = graph.add("Cast", [graph.input(name, shape, TensorProto.UINT8)], f"{name}.float", to=TensorProto.FLOAT)
        x = graph.add("Transpose", [x], f"{name}.planes", perm=[0, 3, 1, 2])
        planes.append(graph.add("Reshape", [x, rows], f"{name}.rows"))
    joined = graph.add("Concat", planes, "pictures.joined", axis=1)
    size = graph.constant("pictures.size", [1, 2 * colours, *shape[1:3]], np.int64)
    joined = graph.add("Reshape", [joined, size], "pictures.planes")
    means = graph.constant("pictures.mean", np.reshape(NANODET_MEAN_BGR * 2, (1, -1, 1, 1)))
    return Features(graph.add("Sub", [joined, means], "pictures"), np.arange(2 * colours))


def _trunk(layers: Layers, x: Features) -> tuple[Features, Features]:
    """Features at strides 4 and 8 that know of all the others down to 32."""
    x = layers.relu(layers.first(x, "stem.conv", "stem.bn", NANODET_STD_BGR * 2))
    quarter = _active(layers, x, "stage4", stride=2)
    eighth = _residual(layers, _active(layers, quarter, "stage8.0", stride=2), "stage8.1")
    sixteenth = _residual(layers, _active(layers, eighth, "stage16.0", stride=2), "stage16.1")
    x = _active(layers, sixteenth, "stage32.0", stride=2)
    for name in ("stage32.1", "stage32.2"):
        x = _separable(layers, x, name)
    x = layers.pointwise(x, "lateral16.conv", "lateral16.bn")
    x = _active(layers, _onto(layers, x, sixteenth, "sum16"), "merge16")
    beside = layers.pointwise(eighth, "lateral8.conv", "lateral8.bn")
    coarse = _active(layers, _onto(layers, x, beside, "sum8"), "merge8")
    beside = layers.pointwise(quarter, "lateral4.conv", "lateral4.bn")
    return _separable(layers, _onto(layers, coarse, beside, "sum4"), "merge4"), coarse


def _active(layers: Layers, x: Features, name: str, stride: int = 1) -> Features:
    return layers.relu(layers.convolution(x, f"{name}.conv", f"{name}.bn", stride))


def _residual(layers: Layers, x: Features, name: str) -> Features:
    inner = layers.convolution(_active(layers, x, f"{name}.conv1"), f"{name}.conv2.conv", f"{name}.conv2.bn")
    return layers.relu(layers.sum(name, inner, x))


def _separable(layers: Layers, x: Features, name: str) -> Features:
    x = layers.depthwise(x, f"{name}.depthwise", f"{name}.norm")
    return layers.relu(layers.pointwise(x, f"{name}.pointwise.conv", f"{name}.pointwise.bn"))


def _onto(layers: Layers, low: Features, high: Features, name: str) -> Features:
    """The coarser map added to the finer one."""
    return layers.relu(layers.sum(name, layers.doubled(low), high))


def _heads(decoder: Decoder, weights: Weights, levels: Sequence[tuple[Features, Sequence[int]]]) -> int:
    """What is known of every peak; returns the length of an embedding."""
    patch = weights.shape("geometry.weight")[2]
    parts = [_patches(decoder, x.name, x.count, size, 2**i, patch) for i, (x, size) in enumerate(levels)]
    decoder.add("Concat", parts, "patches", axis=1)
    channels = sum(x.count for x, _ in levels)
    lengths = {}
    for hidden, heads in (
        ("geometry", {"ltrb_amodal": "edges", "tracking": "offsets"}),
        ("looks", {"embedding": "embeddings"}),
    ):
        size = _matrix(decoder, weights, "patches", hidden, channels, len(levels))
        decoder.add("Relu", [hidden], f"{hidden}_active")
        for head, output in heads.items():
            lengths[head] = _matrix(decoder, weights, f"{hidden}_active", head, size)
            decoder.add("Unsqueeze", [head, decoder.integers("first", [0])], output)
    return lengths["embedding"]


def _patches(decoder: Decoder, name: str, channels: int, size: Sequence[int], shrink: int, patch: int) -> str:
    """`[K, patch * patch * channels]` around the peaks, of a map whose cells are `shrink` times as large.

    Cells are gathered as rows of channels: the integer form of the map lies like that in memory on a CPU.
    """
    height, width = size
    steps = np.arange(patch) - patch // 2
    decoder.add("Transpose", [name], f"{name}_cells", perm=[0, 2, 3, 1])
    decoder.add("Reshape", [f"{name}_cells", decoder.integers(f"{name}_flat", [-1, channels])], f"{name}_by_cell")
    for axis, last, near in (
        ("row", height - 1, np.repeat(steps, patch)),
        ("column", width - 1, np.tile(steps, patch)),
    ):
        decoder.add("Div", [axis, decoder.integers(f"shrink{shrink}", [shrink])], f"{name}_{axis}")
        column = decoder.integers("k_middles", [decoder.peaks, 1])
        decoder.add("Reshape", [f"{name}_{axis}", column], f"{name}_{axis}_middle")
        around = decoder.integers(f"{axis}_steps", near.tolist())
        decoder.add("Add", [f"{name}_{axis}_middle", around], f"{name}_{axis}s")
        limits = [decoder.constant(f"{name}_{axis}_{end}", np.int64(end)) for end in (0, last)]
        decoder.add("Clip", [f"{name}_{axis}s", *limits], f"{name}_{axis}s_inside")
        decoder.add("Equal", [f"{name}_{axis}s", f"{name}_{axis}s_inside"], f"{name}_{axis}s_are_inside")
    decoder.add("Mul", [f"{name}_rows_inside", decoder.integers(f"{name}_width", [width])], f"{name}_lines")
    decoder.add("Add", [f"{name}_lines", f"{name}_columns_inside"], f"{name}_places")
    decoder.add("Gather", [f"{name}_by_cell", f"{name}_places"], f"{name}_gathered", axis=0)
    decoder.add("And", [f"{name}_rows_are_inside", f"{name}_columns_are_inside"], f"{name}_are_inside")
    decoder.add("Cast", [f"{name}_are_inside"], f"{name}_mask", to=TensorProto.FLOAT)
    decoder.add("Unsqueeze", [f"{name}_mask", decoder.integers("last", [2])], f"{name}_masks")
    decoder.add("Mul", [f"{name}_gathered", f"{name}_masks"], f"{name}_masked")
    rows = decoder.integers(f"{name}_row_size", [decoder.peaks, channels * patch * patch])
    return decoder.add("Reshape", [f"{name}_masked", rows], f"{name}_patches")


def _matrix(decoder: Decoder, weights: Weights, x: str, layer: str, inputs: int, levels: int = 1) -> int:
    """The convolution `layer` on rows that hold what it sees, `levels` maps one after the other, each cell by cell;
    returns how many outputs it has."""
    weight, bias = weights.layer(layer, inputs=inputs)
    parts = [part.transpose(0, 2, 3, 1).reshape(len(weight), -1) for part in np.split(weight, levels, axis=1)]
    columns = decoder.constant(f"{layer}.weight", np.concatenate(parts, 1).T.astype(np.float32, order="C"))
    decoder.add("Gemm", [x, columns, decoder.constant(f"{layer}.bias", bias.astype(np.float32))], layer)
    return len(weight)
