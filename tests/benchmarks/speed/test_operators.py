"""Where the time of a network goes: the multiply-adds of its operators, and that no operator is lost."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from benchmarks.speed import operators
from benchmarks.speed.operators import Spent, Work


def small() -> onnx.ModelProto:
    """A convolution of 3x3 and stride 2, a depthwise one, and a matrix turned first; named as the exporter does:
    operators as what they write."""
    weights = {"full": (8, 3, 3, 3), "deep": (8, 1, 3, 3), "matrix.b": (8, 5), "bias": (5,)}
    constants = [numpy_helper.from_array(np.zeros(shape, np.float32), name) for name, shape in weights.items()]
    constants.append(numpy_helper.from_array(np.array([8, 16], np.int64), "shape"))
    nodes = [
        helper.make_node("Conv", ["x", "full"], ["first"], "first", strides=[2, 2], pads=[1] * 4, kernel_shape=[3, 3]),
        helper.make_node("Conv", ["first", "deep"], ["second"], "second", group=8, pads=[1] * 4, kernel_shape=[3, 3]),
        helper.make_node("Reshape", ["second", "shape"], ["flat"], "flat"),
        helper.make_node("Gemm", ["flat", "matrix.b", "bias"], ["third"], "third", transA=1),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])],
        [helper.make_tensor_value_info("third", TensorProto.FLOAT, [16, 5])],
        constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_multiply_adds_of_every_kind() -> None:
    assert operators.works(small()) == {
        "first": Work("convolution 3x3", 8 * 4 * 4 * 3 * 9),
        "second": Work("convolution 3x3, depthwise", 8 * 4 * 4 * 9),
        "third": Work("matrix (the last layers)", 16 * 5 * 8),
    }


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_the_engine_tells_of_all_multiply_adds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str) -> None:
    pytest.importorskip(engine)
    monkeypatch.setattr(operators, "RUNS", 3)
    onnx.save(small(), tmp_path / "small.onnx")
    measure = operators.on_onnxruntime if engine == "onnxruntime" else operators.on_openvino
    spent = measure(tmp_path / "small.onnx", np.zeros((1, 3, 8, 8), np.float32))
    assert sum(each.products for each in spent) == sum(work.products for work in operators.works(small()).values())
    assert all(each.ms >= 0 for each in spent)


def test_names_that_onnx_runtime_changed_are_those_of_the_file() -> None:
    assert operators._plain("backbone.stage2.1.branch2.0.act_nchwc") == "backbone.stage2.1.branch2.0"
    assert operators._plain("fpn.a_token_478") == "fpn.a"


def test_the_ceiling_is_an_integer_convolution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operators, "RUNS", 3)
    spent = operators.on_onnxruntime(*operators._written(tmp_path, 32, 8))
    (product,) = [each for each in spent if each.products]
    assert product.products == 32 * 32 * 8 * 8
    assert product.kind == "convolution 1x1"  # and not "convolution 1x1, float"


def test_shares_are_told_beside_the_ceiling() -> None:
    told = operators.text("an engine", [Spent("convolution 1x1", 2.0, 200_000_000), Spent("Concat", 2.0, 0)], 200.0)
    assert "| convolution 1x1 | 1 | 2.00 | 50% | 200 | 100 | 50% |" in told
    assert "| Concat | 1 | 2.00 | 50% |  |  |  |" in told
    assert "would take 1.00 ms, 25% of that" in told
    assert "as it is: 3.00 ms." in told
    assert "published" not in told
    spent = [Spent("convolution 1x1", 2.0, 200_000_000), Spent("convolution 3x3, depthwise", 1.0, 20_000_000)]
    told = operators.text("an engine", spent, 200.0, published_ms=6.0)
    assert "as it is: 2.00 ms. The published file takes 6.00 ms in float32, 2.00 times as long, and 3.00" in told
