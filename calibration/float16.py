"""Strongly typed float16 forms: everything between input and output in half precision, results in float32."""

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from calibration.network import opset_of
from edge.errors import DataError

QDQ_OPSET = 19  # the first whose Q/DQ have float16 scales
_QDQ_IR = 9
# Those whose axes were an attribute up to opset 17.
_REDUCTIONS = {
    f"Reduce{kind}" for kind in ("L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "SumSquare")
}
# Inputs that stay float32 by the operator's definition.
_FLOAT32_INPUTS = {"Resize": (1, 2)}


def to_float16(model: onnx.ModelProto) -> onnx.ModelProto:
    """`model` in float16. Q/DQ pairs keep their grids where the scales are float16 numbers.

    Raises DataError for a model with operators that are not made for that.
    """
    half = onnx.ModelProto()
    half.CopyFrom(model)
    graph = half.graph
    del graph.value_info[:]
    kept = {
        node.input[i]
        for node in graph.node
        for i in _FLOAT32_INPUTS.get(node.op_type, ())
        if i < len(node.input) and node.input[i]
    }
    for tensor in graph.initializer:
        if tensor.data_type == TensorProto.FLOAT and tensor.name not in kept:
            values = numpy_helper.to_array(tensor).astype(np.float16)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    for node in graph.node:
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i == TensorProto.FLOAT:
                attribute.i = TensorProto.FLOAT16
            if node.op_type == "ConstantOfShape" and attribute.t.data_type == TensorProto.FLOAT:
                values = numpy_helper.to_array(attribute.t).astype(np.float16)
                attribute.t.CopyFrom(numpy_helper.from_array(values, attribute.t.name))
    nodes = [*_cast_inputs(graph), *graph.node, *_cast_outputs(graph)]
    del graph.node[:]
    graph.node.extend(nodes)
    if any(node.op_type == "QuantizeLinear" for node in nodes) and opset_of(half) < QDQ_OPSET:
        for entry in half.opset_import:
            if entry.domain in ("", "ai.onnx"):
                entry.version = QDQ_OPSET
        _take_axes_as_inputs(graph)
        half.ir_version = max(half.ir_version, _QDQ_IR)
    try:
        onnx.checker.check_model(half, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        first = (str(error).strip().splitlines() or ["it does not say why"])[0][:200]
        raise DataError(f"it cannot be computed in float16 throughout ({first})") from error
    return half


def _take_axes_as_inputs(graph: onnx.GraphProto) -> None:
    """What changed between the opsets 17 and 19: reductions get their axes as an input, a Split into equal parts says
    how many."""
    for node in graph.node:
        axes = next((a for a in node.attribute if a.name == "axes"), None)
        if node.op_type in _REDUCTIONS and axes is not None:
            name = f"{node.output[0]}.axes"
            graph.initializer.append(numpy_helper.from_array(np.array(axes.ints, np.int64), name))
            node.input.append(name)
            node.attribute.remove(axes)
        if node.op_type == "Split" and len(node.input) == 1:
            node.attribute.append(helper.make_attribute("num_outputs", len(node.output)))


def _cast_inputs(graph: onnx.GraphProto) -> list[NodeProto]:
    casts = []
    for value in graph.input:
        if value.type.tensor_type.elem_type == TensorProto.FLOAT:
            _rename(graph, value.name, f"{value.name}.half", inputs=True)
            casts.append(helper.make_node("Cast", [value.name], [f"{value.name}.half"], to=TensorProto.FLOAT16))
    return casts


def _cast_outputs(graph: onnx.GraphProto) -> list[NodeProto]:
    casts = []
    for value in graph.output:
        if value.type.tensor_type.elem_type != TensorProto.FLOAT:
            continue
        _rename(graph, value.name, f"{value.name}.half", inputs=False)
        _rename(graph, value.name, f"{value.name}.half", inputs=True)
        casts.append(helper.make_node("Cast", [f"{value.name}.half"], [value.name], to=TensorProto.FLOAT))
    return casts


def _rename(graph: onnx.GraphProto, old: str, new: str, *, inputs: bool) -> None:
    for node in graph.node:
        names = node.input if inputs else node.output
        for i, name in enumerate(names):
            if name == old:
                names[i] = new
