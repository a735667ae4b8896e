"""The search for the peaks of a heat map inside the graph, so that no dense map of a joint network leaves it."""

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edge.detect.families.joint import BEFORE, IMAGE, TRACKS_BEFORE
from edge.errors import DataError
from edge.modelpack import JOINT_OUTPUTS
from export.graph import OPSET

PEAKS = 100  # K of the published decoders


class Decoder:
    """Nodes and constants to append to a network; those that are no output get a prefix that no network has."""

    def __init__(self, file: str, heat: Sequence[int], peaks: int = PEAKS) -> None:
        """Search `peaks` in the tensor `hm` of shape `heat` `[1, C, h, w]`.

        A cell is a peak if no score around it, in its class, is higher. The best over all classes come first; equal
        scores in the order that the backend gives them. Raises DataError where there are too few cells.
        """
        self._file = file
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}
        self._made: set[str] = set()
        self._heat = heat
        self.peaks = peaks
        _, classes, height, width = heat
        self.cells = height * width
        if classes * self.cells < peaks:
            raise DataError(f"{file}: hm has {classes * self.cells} cells, fewer than the {peaks} peaks looked for")
        self._search(classes, width)

    def _search(self, classes: int, width: int) -> None:
        self.add("Sigmoid", ["hm"], "probability")
        self.add("MaxPool", ["probability"], "highest", kernel_shape=[3, 3], strides=[1, 1], pads=[1, 1, 1, 1])
        self.add("Equal", ["probability", "highest"], "is_peak")
        self.add("Cast", ["is_peak"], "peak_mask", to=TensorProto.FLOAT)
        self.add("Mul", ["probability", "peak_mask"], "peak_scores")
        self.add("Reshape", ["peak_scores", self.integers("flat", [1, classes * self.cells])], "flat_scores")
        self.add_two("TopK", ["flat_scores", self.integers("k", [self.peaks])], ["scores", "place"], axis=1)
        self.add("Div", ["place", self.integers("cells", [self.cells])], "class_number")
        self.add("Mod", ["place", self.integers("cells", [self.cells])], "cell")
        self.add("Cast", ["class_number"], "classes", to=TensorProto.FLOAT)
        self.add("Mod", ["cell", self.integers("width", [width])], "column")
        self.add("Div", ["cell", self.integers("width", [width])], "row")
        for name in ("column", "row"):
            self.add("Unsqueeze", [name, self.integers("last", [2])], f"{name}_last")
        self.add("Concat", ["column_last", "row_last"], "peak_cells", axis=2)
        self.add("Cast", ["peak_cells"], "peaks", to=TensorProto.FLOAT)
        self.add("ReduceMax", ["probability"], "heatmap", axes=[1], keepdims=0)

    def add(self, operator: str, inputs: list[str], name: str, **attributes: object) -> str:
        """Append a node with one output, `name`."""
        self.add_two(operator, inputs, [name], **attributes)
        return name

    def add_two(self, operator: str, inputs: list[str], names: list[str], **attributes: object) -> None:
        """Append a node with several outputs, `names`."""
        self._made |= set(names)
        outputs = [self._full(name) for name in names]
        self._nodes.append(helper.make_node(operator, list(map(self._full, inputs)), outputs, outputs[0], **attributes))

    def integers(self, name: str, values: list[int]) -> str:
        """Store whole numbers."""
        return self.constant(name, np.array(values, np.int64))

    def constant(self, name: str, values: object) -> str:
        """Store `values`."""
        full = f"peaks/{name}"
        self._constants[full] = numpy_helper.from_array(np.asarray(values), full)
        return full

    def _full(self, name: str) -> str:
        return f"peaks/{name}" if name in self._made and name not in JOINT_OUTPUTS else name

    def joined(self, model: onnx.ModelProto, embedding: int) -> onnx.ModelProto:
        """A copy of `model` with these nodes, whose outputs are `edge.modelpack.JOINT_OUTPUTS` and nothing else.

        `embedding` is the length of an embedding. Raises DataError for a model whose names or opset are in the way.
        """
        graph = model.graph
        taken = {name for node in graph.node for name in node.output} | {tensor.name for tensor in graph.initializer}
        if clash := taken & set(JOINT_OUTPUTS):
            raise DataError(f"{self._file}: has tensors called {', '.join(sorted(clash))}; rename them")
        opset = max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=0)
        if not 13 <= opset <= OPSET:
            raise DataError(f"{self._file}: opset {opset}; expected 13 to {OPSET}: export it with one of these")
        order = [IMAGE, BEFORE, TRACKS_BEFORE]
        inputs = sorted((v for v in graph.input if v.name in order), key=lambda v: order.index(v.name))
        sizes = {"scores": [], "classes": [], "peaks": [2], "edges": [4], "offsets": [2], "embeddings": [embedding]}
        shapes = {name: [1, self.peaks, *size] for name, size in sizes.items()} | {"heatmap": [1, *self._heat[2:]]}
        outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shapes[name]) for name in JOINT_OUTPUTS]
        joined = helper.make_graph(
            [*graph.node, *self._nodes],
            graph.name,
            inputs,
            outputs,
            [*graph.initializer, *self._constants.values()],
            value_info=graph.value_info,
        )
        result = helper.make_model(joined, opset_imports=model.opset_import, ir_version=model.ir_version)
        onnx.checker.check_model(result)
        return result
