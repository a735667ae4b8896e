"""Which nodes compute in eight bits, and which tensors therefore get a grid, for two families of runtimes.

ONNX Runtime on CPUs (`cpu`): every tensor between integer operators is an integer, so all their inputs and outputs get
Q/DQ pairs. TensorRT (`tensorrt`): only the inputs of convolutions do, since activations fuse into float epilogues; the
rules are NVIDIA's ("Working with quantized types", explicit quantization).

A family's float set is named by layers: the first outputs of convolutions and matrix products.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from onnx import NodeProto

from calibration.network import Network, attribute

# Only move or select values: input and output are the same grid.
SAME_GRID = frozenset(
    {
        "MaxPool",
        "Split",
        "Resize",
        "Reshape",
        "Transpose",
        "Slice",
        "Flatten",
        "Squeeze",
        "Unsqueeze",
        "Identity",
        "Gather",
    }
)
_FOLLOWING = SAME_GRID | {"LeakyRelu", "Relu", "AveragePool", "GlobalAveragePool"}
_JOINING = frozenset({"Concat", "Add"})
_MATRIX = frozenset({"Gemm", "MatMul"})

# Convolutions on fewer input channels than this are faster in float, and they lose most: int8 im2col of three colours
# took 1.65-2.1 ms where float took 1.25 (NanoDet-Plus-m 416, x86 with VNNI), of the six of two pictures 5.4 instead of
# 3.7, and 16 ms more for the means, which ONNX Runtime then subtracts from colours that lie side by side (the built-in
# joint network).
FEWEST_CHANNELS = 8
# Results that are places and not values: they lead to what is read next, but nothing is computed from them.
_PLACES = {"TopK": 1, "ArgMax": 0, "ArgMin": 0, "NonZero": 0, "NonMaxSuppression": 0, "Shape": 0}
# TensorRT has no fast int8 kernels for fewer (ModelOpt 0.47's filters, see `_worth_tensorrt`).
_TENSORRT_CHANNELS = 16


@dataclass(frozen=True)
class Placement:
    """Integer nodes, and the tensors with a grid: first outputs and tensor names in order of execution."""

    integer: tuple[str, ...]
    gridded: tuple[str, ...]


def candidates(network: Network) -> list[str]:
    """The layers that can be integer on a CPU at all; the others are float whatever is wished."""
    return [
        node.output[0]
        for node in network.weighted()
        if (node.op_type in _MATRIX or not _last(network, node))
        and (
            node.op_type in _MATRIX
            or network.weights[node.input[1]].shape[1] >= FEWEST_CHANNELS
            or network.depthwise(node)
        )
    ]


def for_cpu(network: Network, floats: Collection[str] = ()) -> Placement:
    """Integer wherever an integer operator exists and the layer is not in `floats`."""
    wanted = set(candidates(network)) - set(floats)
    integer = {node.output[0] for node in network.weighted() if node.output[0] in wanted}
    for node in network.nodes:
        makers = [network.maker(name) for name in network.activations(node)]
        whole = [m is not None and m.output[0] in integer and m.op_type not in _MATRIX for m in makers]
        if (node.op_type in _FOLLOWING and whole[:1] == [True]) or (
            node.op_type in _JOINING and any(whole) and len(whole) == len(node.input)
        ):
            integer.add(node.output[0])
    for node in reversed(network.nodes):  # one quantization before a Split instead of one behind each output
        readers = [r for name in node.output for r in network.readers(name)]
        if node.op_type == "Split" and readers and all(r.output[0] in integer for r in readers):
            integer.add(node.output[0])
    gridded: list[str] = []
    for node in network.nodes:
        if node.output[0] in integer:
            gridded += _values(network, node)
            gridded += node.output if node.op_type not in _MATRIX else ()
    kept = [name for name in dict.fromkeys(gridded) if not _swallowed(network, name, integer)]
    return Placement(_in_order(network, integer), tuple(kept))


def for_tensorrt(network: Network, floats: Collection[str] = ()) -> Placement:
    """Convolutions that gain from it, by the grid of their inputs; where one of an Add's operands comes straight from
    such a convolution, the other reads a grid that is there anyway."""
    integer = {
        node.output[0]
        for node in network.weighted()
        if node.output[0] in candidates(network) and node.output[0] not in floats and _worth_tensorrt(network, node)
    }
    gridded = [name for node in network.weighted() if node.output[0] in integer for name in network.activations(node)]
    skips = {node.output[0] for node in network.nodes if node.op_type == "Add" and _residual(network, node, integer)}
    return Placement(_in_order(network, integer | skips), tuple(dict.fromkeys(gridded)))


def grids(network: Network, gridded: Iterable[str]) -> dict[str, str]:
    """Tensor -> the tensor that stands for its grid: operators that only move values share one, and so do all inputs of
    a Concat, which would else be requantized."""
    names = list(gridded)
    roots = {name: name for name in names}

    def root(name: str) -> str:
        while roots[name] != name:
            name = roots[name]
        return name

    for node in network.nodes:
        tensors = [*_values(network, node), *node.output]
        if (node.op_type in SAME_GRID or node.op_type == "Concat") and all(t in roots for t in tensors):
            for tensor in tensors[1:]:
                roots[root(tensor)] = root(tensors[0])
    return {name: root(name) for name in names}


def output_branches(network: Network) -> set[str]:
    """The tensors of the last, unbranched stretches before the results: a detector's towers."""
    nodes: set[str] = set()
    found: set[str] = set()
    for node in reversed(network.nodes):
        inside = all(
            name in network.outputs
            or (network.readers(name) and all(r.output[0] in nodes for r in network.readers(name)))
            for name in node.output
        )
        if not inside:
            continue
        if len(network.activations(node)) == 1 or _last(network, node):
            nodes.add(node.output[0])
            found.update(node.output)
    return found


def _values(network: Network, node: NodeProto) -> list[str]:
    """The inputs of `node` that carry values, not sizes or shapes."""
    inputs = network.activations(node)
    return inputs[:1] if node.op_type in _FOLLOWING else inputs


def _last(network: Network, node: NodeProto) -> bool:
    """Whether no convolution or matrix product reads what becomes of this node's output: it makes a result."""
    todo, seen = list(node.output), set()
    while todo:
        for reader in network.readers(todo.pop()):
            if reader.op_type in _MATRIX or reader.op_type == "Conv":
                return False
            if reader.output[0] not in seen:
                seen.add(reader.output[0])
                todo += reader.output[: _PLACES.get(reader.op_type)]
    return True


def _swallowed(network: Network, tensor: str, integer: set[str]) -> bool:
    """Whether `tensor` exists only between a convolution or sum and its ReLU, which the clamp at zero replaces."""
    maker, readers = network.maker(tensor), network.readers(tensor)
    return (
        maker is not None
        and maker.op_type in ("Conv", "Add")
        and len(readers) == 1
        and readers[0].op_type == "Relu"
        and readers[0].output[0] in integer
    )


def _worth_tensorrt(network: Network, node: NodeProto) -> bool:
    """ModelOpt's filters: enough channels, or depthwise of 3x3 and more in multiples of 8. Matrix products at the end
    are a few percent of the work and stay float."""
    if node.op_type in _MATRIX:
        return False
    outputs, inputs, *kernel = network.weights[node.input[1]].shape
    if attribute(node, "group", 1) > 1:
        return outputs % 8 == 0 and min(kernel) >= 3
    return min(outputs, inputs) >= _TENSORRT_CHANNELS


def _residual(network: Network, node: NodeProto, integer: set[str]) -> bool:
    makers = [network.maker(name) for name in network.activations(node)]
    return sum(m is not None and m.op_type == "Conv" and m.output[0] in integer for m in makers) == 1


def _in_order(network: Network, names: set[str]) -> tuple[str, ...]:
    return tuple(node.output[0] for node in network.nodes if node.output[0] in names)
