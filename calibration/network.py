"""An ONNX model as calibration looks at it: which node makes a tensor, which nodes read it, what the weights are.

A node is known by the name of its first output, which every model has; node names may be missing.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import NodeProto, helper, numpy_helper

from edge.errors import DataError

Array = npt.NDArray[Any]

# Per-channel Q/DQ came with opset 13; 17 is what the exporter writes.
OPSET = 17
IR_VERSION = 8


class Network:
    """A model with constant weights, in the order of execution. Not to be changed: `replaced` makes a new one."""

    def __init__(self, model: onnx.ModelProto):
        self.model = model
        self.nodes: list[NodeProto] = list(model.graph.node)
        self.weights: dict[str, Array] = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
        self.inputs = [v.name for v in model.graph.input if v.name not in self.weights]
        self.outputs = [v.name for v in model.graph.output]
        self._makers = {name: node for node in self.nodes for name in node.output}
        self._readers: dict[str, list[NodeProto]] = {}
        for node in self.nodes:
            for name in node.input:
                self._readers.setdefault(name, []).append(node)

    @classmethod
    def parse(cls, content: bytes) -> "Network":
        """The model in `content`, brought to an opset that has per-channel Q/DQ, all constants among its weights.

        Raises DataError for one that cannot be brought there.
        """
        model = onnx.load_from_string(content)
        if opset_of(model) < 13:
            try:
                model = _without_empty_scales(onnx.version_converter.convert_version(model, OPSET))
            except (RuntimeError, ValueError) as error:  # the converter's own errors are RuntimeErrors
                first = (str(error).splitlines() or ["it does not say why"])[0][:200]
                raise DataError(
                    f"opset {opset_of(model)} cannot be brought to {OPSET} ({first}); export with opset 13 or later"
                ) from error
        _lift_constants(model.graph)
        _copy_repeated(model.graph)
        weights = {tensor.name for tensor in model.graph.initializer}
        inputs = [value for value in model.graph.input if value.name not in weights]
        if len(inputs) < len(model.graph.input):  # up to IR version 3 weights had to be listed as inputs too
            del model.graph.input[:]
            model.graph.input.extend(inputs)
            model.ir_version = max(model.ir_version, IR_VERSION)
        return cls(model)

    @property
    def content(self) -> bytes:
        """The model as a file's bytes."""
        return bytes(self.model.SerializeToString(deterministic=True))

    def maker(self, tensor: str) -> NodeProto | None:
        """The node that computes `tensor`; None for inputs and weights."""
        return self._makers.get(tensor)

    def readers(self, tensor: str) -> list[NodeProto]:
        """The nodes that read `tensor`."""
        return self._readers.get(tensor, [])

    def activations(self, node: NodeProto) -> list[str]:
        """The inputs of `node` that are neither weights nor left out."""
        return [name for name in node.input if name and name not in self.weights]

    def weighted(self) -> Iterator[NodeProto]:
        """Convolutions and matrix products with constant weights."""
        for node in self.nodes:
            if node.op_type in ("Conv", "Gemm") and node.input[1] in self.weights:
                yield node

    def weight(self, node: NodeProto) -> Array:
        """The weights of a weighted node, output channels first."""
        weight = self.weights[node.input[1]]
        return weight if node.op_type == "Conv" or attribute(node, "transB", 0) else weight.T

    def bias(self, node: NodeProto) -> Array | None:
        """The bias of a weighted node, if it has one."""
        return self.weights[node.input[2]] if len(node.input) > 2 and node.input[2] else None

    def depthwise(self, node: NodeProto) -> bool:
        """Whether each output channel of this convolution sees one input channel."""
        return node.op_type == "Conv" and attribute(node, "group", 1) > 1 and self.weights[node.input[1]].shape[1] == 1

    def replaced(self, weights: Mapping[str, Array]) -> "Network":
        """The same network with other values for some of its weights."""
        model = onnx.ModelProto()
        model.CopyFrom(self.model)
        for tensor in model.graph.initializer:
            if tensor.name in weights:
                values = weights[tensor.name].astype(self.weights[tensor.name].dtype)
                tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(values), tensor.name))
        return Network(model)

    def showing(self, tensors: Iterable[str]) -> bytes:
        """The model with exactly `tensors` as its outputs."""
        model = onnx.ModelProto()
        model.CopyFrom(self.model)
        del model.graph.output[:]
        model.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in tensors)
        return bytes(model.SerializeToString())


def _copy_repeated(graph: onnx.GraphProto) -> None:
    """Give each layer weights of its own: PyTorch writes equal ones once, and an Identity for each further layer."""
    weights = {tensor.name: tensor for tensor in graph.initializer}
    outputs = {value.name for value in graph.output}
    kept = []
    for node in graph.node:
        if node.op_type != "Identity" or node.input[0] not in weights or node.output[0] in outputs:
            kept.append(node)
            continue
        copy = onnx.TensorProto()
        copy.CopyFrom(weights[node.input[0]])
        copy.name = node.output[0]
        weights[copy.name] = copy
        graph.initializer.append(copy)
    if len(kept) < len(graph.node):
        kept = [NodeProto.FromString(node.SerializeToString()) for node in kept]
        del graph.node[:]
        graph.node.extend(kept)


def _lift_constants(graph: onnx.GraphProto) -> None:
    """Constants that stand in nodes become initializers, which some exporters write and all of this reads."""
    kept = []
    for node in graph.node:
        value = next((a.t for a in node.attribute if a.name == "value"), None) if node.op_type == "Constant" else None
        if value is None:
            kept.append(node)
            continue
        tensor = onnx.TensorProto()
        tensor.CopyFrom(value)
        tensor.name = node.output[0]
        graph.initializer.append(tensor)
    if len(kept) < len(graph.node):
        kept = [NodeProto.FromString(node.SerializeToString()) for node in kept]
        del graph.node[:]
        graph.node.extend(kept)


def _without_empty_scales(model: onnx.ModelProto) -> onnx.ModelProto:
    """Up to opset 12 a Resize by sizes had empty scales beside them; later it may not, which the converter misses."""
    empty = {tensor.name for tensor in model.graph.initializer if 0 in tensor.dims}
    for node in model.graph.node:
        if node.op_type == "Resize" and len(node.input) == 4 and node.input[2] in empty:
            node.input[2] = ""
    return model


def attribute(node: NodeProto, name: str, default: Any) -> Any:
    """The value of an attribute of `node`, `default` where it has none."""
    for entry in node.attribute:
        if entry.name == name:
            return helper.get_attribute_value(entry)
    return default


def opset_of(model: onnx.ModelProto) -> int:
    """The version of the standard operators that `model` uses."""
    return max(int(entry.version) for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
