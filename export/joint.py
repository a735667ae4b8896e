"""Joint networks for the board: the search for peaks is put into the graph, so that no dense map leaves it.

Of JointTrackNet's outputs at a stride of 4 the embeddings alone are 17 MB a frame; of the K best peaks they are 50 KB.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edge.detect.adopt_joint import BEFORE, OUTPUTS, TRACKS_BEFORE
from edge.errors import DataError
from export.graph import OPSET

PEAKS = 100  # K of the published decoders


def with_peaks(file: str, model: onnx.ModelProto, peaks: int = PEAKS) -> onnx.ModelProto:
    """A copy of a joint network whose outputs are `edge.detect.adopt_joint.OUTPUTS` in place of its dense heads.

    A cell is a peak if no score around it, in its class, is higher. The best `peaks` over all classes come out, best
    first; equal scores in the order that the backend gives them. Raises DataError for a network that cannot be decoded.
    """
    heads = {value.name: [d.dim_value for d in value.type.tensor_type.shape.dim] for value in model.graph.output}
    _, classes, height, width = heads["hm"]
    cells = height * width
    if classes * cells < peaks:
        raise DataError(f"{file}: hm has {classes * cells} cells, fewer than the {peaks} peaks looked for")
    graph = _Decoder()
    graph.add("Sigmoid", ["hm"], "probability")
    graph.add("MaxPool", ["probability"], "highest", kernel_shape=[3, 3], strides=[1, 1], pads=[1, 1, 1, 1])
    graph.add("Equal", ["probability", "highest"], "is_peak")
    graph.add("Cast", ["is_peak"], "peak_mask", to=TensorProto.FLOAT)
    graph.add("Mul", ["probability", "peak_mask"], "peak_scores")
    graph.add("Reshape", ["peak_scores", graph.integers("flat", [1, classes * cells])], "flat_scores")
    graph.add_two("TopK", ["flat_scores", graph.integers("k", [peaks])], ["scores", "place"], axis=1)
    graph.add("Div", ["place", graph.integers("cells", [cells])], "class_number")
    graph.add("Mod", ["place", graph.integers("cells", [cells])], "cell")
    graph.add("Cast", ["class_number"], "classes", to=TensorProto.FLOAT)
    graph.add("Mod", ["cell", graph.integers("width", [width])], "column")
    graph.add("Div", ["cell", graph.integers("width", [width])], "row")
    for name in ("column", "row"):
        graph.add("Unsqueeze", [name, graph.integers("last", [2])], f"{name}_last")
    graph.add("Concat", ["column_last", "row_last"], "peak_cells", axis=2)
    graph.add("Cast", ["peak_cells"], "peaks", to=TensorProto.FLOAT)
    graph.add("Reshape", ["cell", graph.integers("k_cells", [peaks])], "cell_list")
    if "ltrb_amodal" in heads:
        graph.gather("ltrb_amodal", "edges", 4, cells)
    else:
        _edges_of_sizes(graph, cells)
    graph.gather("tracking", "offsets", 2, cells)
    graph.gather("embedding", "embeddings", heads["embedding"][1], cells)
    graph.add("ReduceMax", ["probability"], "heatmap", axes=[1], keepdims=0)
    sizes = {"scores": [], "classes": [], "peaks": [2], "edges": [4], "offsets": [2]}
    shapes = {name: [1, peaks, *size] for name, size in sizes.items()}
    shapes |= {"embeddings": [1, peaks, heads["embedding"][1]], "heatmap": [1, height, width]}
    return _joined(file, model, graph, shapes)


def _edges_of_sizes(graph: "_Decoder", cells: int) -> None:
    """Edges from a sub-cell offset and a size, which is no less than 0."""
    graph.gather("wh", "raw_size", 2, cells)
    graph.gather("reg", "middle", 2, cells)
    graph.add("Relu", ["raw_size"], "size")
    graph.add("Mul", ["size", graph.constant("half", np.float32(0.5))], "half_size")
    graph.add("Sub", ["middle", "half_size"], "upper_left")
    graph.add("Add", ["middle", "half_size"], "lower_right")
    graph.add("Concat", ["upper_left", "lower_right"], "edges", axis=2)


class _Decoder:
    """Nodes and constants to append; those that are no output get a prefix that no network has."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}
        self._made: set[str] = set()

    def add(self, operator: str, inputs: list[str], name: str, **attributes: object) -> None:
        self.add_two(operator, inputs, [name], **attributes)

    def add_two(self, operator: str, inputs: list[str], names: list[str], **attributes: object) -> None:
        self._made |= set(names)
        outputs = [self._full(name) for name in names]
        self.nodes.append(helper.make_node(operator, list(map(self._full, inputs)), outputs, outputs[0], **attributes))

    def gather(self, head: str, name: str, channels: int, cells: int) -> None:
        """`[1, K, channels]` of a dense head at the peaks."""
        self.add("Reshape", [head, self.integers(f"{head}_flat", [channels, cells])], f"{head}_by_cell")
        self.add("Gather", [f"{head}_by_cell", "cell_list"], f"{head}_at_peaks", axis=1)
        self.add("Transpose", [f"{head}_at_peaks"], f"{head}_rows", perm=[1, 0])
        self.add("Unsqueeze", [f"{head}_rows", self.integers("first", [0])], name)

    def integers(self, name: str, values: list[int]) -> str:
        return self.constant(name, np.array(values, np.int64))

    def constant(self, name: str, values: object) -> str:
        full = f"peaks/{name}"
        self.constants[full] = numpy_helper.from_array(np.asarray(values), full)
        return full

    def _full(self, name: str) -> str:
        return f"peaks/{name}" if name in self._made and name not in OUTPUTS else name


def _joined(file: str, model: onnx.ModelProto, decoder: _Decoder, shapes: dict[str, list[int]]) -> onnx.ModelProto:
    graph = model.graph
    taken = {name for node in graph.node for name in node.output} | {tensor.name for tensor in graph.initializer}
    if clash := taken & set(OUTPUTS):
        raise DataError(f"{file}: has tensors called {', '.join(sorted(clash))}; rename them")
    opset = max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=0)
    if not 13 <= opset <= OPSET:
        raise DataError(f"{file}: opset {opset}; expected 13 to {OPSET}: export it with one of these")
    order = ["image", BEFORE, TRACKS_BEFORE]
    inputs = sorted((v for v in graph.input if v.name in order), key=lambda v: order.index(v.name))
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shapes[name]) for name in OUTPUTS]
    joined = helper.make_graph(
        [*graph.node, *decoder.nodes],
        graph.name,
        inputs,
        outputs,
        [*graph.initializer, *decoder.constants.values()],
        value_info=graph.value_info,
    )
    result = helper.make_model(joined, opset_imports=model.opset_import, ir_version=model.ir_version)
    onnx.checker.check_model(result)
    return result
