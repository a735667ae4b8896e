"""Multiply-adds of networks whose count is known, and sentences on made-up figures."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge.profile import bounds
from edge.profile.bounds import Best, Work
from tests.profile.samples import stage


def test_convolutions_and_products_are_counted(tmp_path: Path) -> None:
    weights = [
        numpy_helper.from_array(np.zeros((6, 3, 3, 3), np.float32), "plain"),
        numpy_helper.from_array(np.zeros((6, 1, 5, 5), np.float32), "each"),
        numpy_helper.from_array(np.zeros((4, 7), np.float32), "matrix"),
    ]
    nodes = [
        helper.make_node("Conv", ["x", "plain"], ["a"], pads=[1] * 4),
        helper.make_node("Conv", ["a", "each"], ["b"], group=6, pads=[2] * 4, strides=[2, 2]),
        helper.make_node("Relu", ["b"], ["c"]),
        helper.make_node("MatMul", ["c", "matrix"], ["y"]),
    ]
    ports = [helper.make_tensor_value_info(*port) for port in (("x", TensorProto.FLOAT, [1, 3, 8, 8]),)]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 6, 4, 7])]
    graph = helper.make_graph(nodes, "g", ports, outputs, weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), tmp_path / "n.onnx")
    expected = 6 * 64 * 27 + 6 * 16 * 25 + 6 * 4 * 7 * 4
    assert bounds.multiply_adds(tmp_path / "n.onnx") == expected


def test_the_published_network_has_the_published_number(data: Path) -> None:
    # 1.52 G floating point operations, two to a multiply-add (RangiLyu/nanodet, README).
    assert bounds.multiply_adds(data / "models" / "nanodet-plus-m_416.onnx") == pytest.approx(0.76e9, rel=0.01)


def test_the_best_is_measured_and_plausible() -> None:
    best = bounds.best()
    assert 1e8 < best.multiply_adds < 1e13
    assert 1e8 < best.bytes < 1e13


def test_the_sentences_compare_with_what_was_measured() -> None:
    work, best = Work(800_000_000, 1_000_000, 500_000), Best(40e9, 10e9)
    infer, preprocess = bounds.sentences(work, best, (stage("infer", 50.0), stage("preprocess", 0.3)), 2)
    assert infer == (
        "infer: 800 million multiply-adds are 10.0 ms at the 80 billion a second of float32 matrix products here,"
        " 2 cores; 50.0 ms were measured, 20% of that speed: narrow layers and memory take the rest"
    )
    assert preprocess == (
        "preprocess: 1.5 MB read and written are 0.15 ms at the 10 GB a second of a copy here; 0.30 ms were measured"
    )
    assert "smaller network" in bounds.sentences(work, best, (stage("infer", 12.0),), 2)[0]
