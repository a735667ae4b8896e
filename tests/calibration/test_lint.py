"""Everything that NVIDIA's importer refuses is found, by the node's name."""

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from calibration import lint

INT8, UINT8, INT32 = np.int8, np.uint8, np.int32
SCALE = np.float32(0.1)


def _model(
    *,
    opset: int = 17,
    dtype: npt.DTypeLike = INT8,
    zero: int = 0,
    scale: npt.ArrayLike = SCALE,
    bias: npt.DTypeLike = np.float32,
    axis: int = 0,
    weights: bool = True,
    batch: int | str = 1,
    dims: int = 8,
) -> onnx.ModelProto:
    """A convolution with pairs before it; each argument breaks one rule."""
    constants = {
        "x.scale": np.asarray(scale),
        "x.zero": np.array(zero, dtype),
        "w.q": np.ones((4, 4, 1, 1), INT8),
        "w.scale": np.full(4, 0.1, np.asarray(scale).dtype),
        "w.zero": np.zeros(4, INT8),
        "b": np.zeros(4, bias),
        "b.scale": np.float32(0.1),
        "w": np.ones((4, 4, 1, 1), np.float32),
    }
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "x.scale", "x.zero"], ["x.q"], "quantize"),
        helper.make_node("DequantizeLinear", ["x.q", "x.scale", "x.zero"], ["x.dq"], "dequantize"),
        helper.make_node("DequantizeLinear", ["w.q", "w.scale", "w.zero"], ["w.dq"], "weights", axis=axis),
    ]
    floating = "b"
    if bias is INT32:
        nodes.append(helper.make_node("DequantizeLinear", ["b", "b.scale"], ["b.dq"], "bias"))
        floating = "b.dq"
    nodes.append(helper.make_node("Conv", ["x.dq", "w.dq" if weights else "w", floating], ["y"], "convolution"))
    kind = TensorProto.FLOAT16 if np.asarray(scale).dtype == np.float16 else TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "bad",
        [helper.make_tensor_value_info("x", kind, [batch, 4, dims, 8])],
        [helper.make_tensor_value_info("y", kind, [batch, 4, dims, 8])],
        [numpy_helper.from_array(np.asarray(values), name) for name, values in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])


def test_a_legal_graph_has_no_problems() -> None:
    assert lint.problems(_model()) == []
    assert lint.problems(_model(batch="batch")) == []
    assert lint.problems(_model(opset=19, scale=np.float16(0.1))) == []


@pytest.mark.parametrize(
    ("broken", "node", "told"),
    [
        ({"dtype": UINT8, "zero": 128}, "quantize", "UINT8"),
        ({"zero": 3}, "dequantize", "zero point 3"),
        ({"bias": INT32}, "bias", "INT32"),
        ({"bias": INT32}, "convolution", "bias is quantized"),
        ({"scale": np.float32(0)}, "quantize", "positive"),
        ({"scale": np.float16(0.1)}, "quantize", "opset 17"),
        ({"axis": 1}, "weights", "axis 0"),
        ({"weights": False}, "convolution", "only one of"),
        ({"scale": np.full(4, 0.1, np.float32), "zero": [0] * 4}, "quantize", "4 scales"),
        ({"opset": 11}, "", "opset 11"),
        ({"dims": "height"}, "x", "dynamic"),
    ],
)
def test_each_rule_names_the_node(broken: dict[str, Any], node: str, told: str) -> None:
    found = lint.problems(_model(**broken))
    assert any(node in problem and told in problem for problem in found), found


def _joined(operator: str, scales: tuple[float, float], maker: str) -> onnx.ModelProto:
    nodes, constants = [], {"w": np.ones((4, 4, 1, 1), np.float32), "zero": np.array(0, INT8)}
    for i, scale in enumerate(scales):
        source = "conv" if i == 0 and maker == "Conv" else "x"
        constants[f"s{i}"] = np.float32(scale)
        nodes.append(helper.make_node("QuantizeLinear", [source, f"s{i}", "zero"], [f"q{i}"], f"q{i}"))
        nodes.append(helper.make_node("DequantizeLinear", [f"q{i}", f"s{i}", "zero"], [f"d{i}"], f"d{i}"))
    nodes = [helper.make_node("Conv", ["x", "w"], ["conv"], "conv"), *nodes]
    attributes = {"axis": 1} if operator == "Concat" else {}
    nodes.append(helper.make_node(operator, ["d0", "d1"], ["y"], "join", **attributes))
    graph = helper.make_graph(
        nodes,
        "joined",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(values), name) for name, values in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])


def test_a_concat_of_different_scales_is_slow_and_one_of_equal_ones_is_not() -> None:
    assert any("Concat join" in p for p in lint.problems(_joined("Concat", (0.1, 0.2), "x")))
    assert lint.problems(_joined("Concat", (0.1, 0.1), "x")) == []


def test_a_sum_behind_a_convolution_has_pairs_on_one_side_only() -> None:
    assert any("Add join" in p for p in lint.problems(_joined("Add", (0.1, 0.2), "Conv")))
    assert lint.problems(_joined("Add", (0.1, 0.2), "x")) == []
