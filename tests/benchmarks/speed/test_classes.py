"""A pack of one class beside the whole one: whether both find the same boxes, in words."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from benchmarks.speed.classes import last_products, same
from edge.types import Detections


def found(*lefts: float) -> Detections:
    boxes = np.array([[left, 0, left + 10, 20] for left in lefts], np.float32).reshape(-1, 4)
    return Detections(boxes, np.full(len(lefts), 0.5, np.float32), np.zeros(len(lefts), np.int64))


def test_boxes_are_compared_picture_by_picture() -> None:
    assert same([found(1, 5), found()], [found(1, 5.5), found()]) == "2 in both, at most 0.5 pixels apart"
    assert same([found(1), found()], [found(), found(1)]) == "1 and 1"
    assert same([found()], [found()]) == "0 in both, at most 0 pixels apart"


def test_multiply_adds_of_the_last_layers_and_of_all(tmp_path: Path) -> None:
    weights = {"conv": np.zeros((5, 4, 1, 1), np.float32), "last": np.zeros((20, 3), np.float32)}
    nodes = [
        helper.make_node("Conv", ["x", "conv"], ["y"], "first", kernel_shape=[1, 1]),
        helper.make_node("Reshape", ["y", "shape"], ["rows"], "rows"),
        helper.make_node("Gemm", ["rows", "last"], ["scores"], "scores"),
    ]
    graph = helper.make_graph(
        nodes,
        "two layers",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 4, 2, 2))],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, (1, 3))],
        [numpy_helper.from_array(value, name) for name, value in weights.items()]
        + [numpy_helper.from_array(np.array([1, 20]), "shape")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), tmp_path / "int8.onnx")
    pack: Any = SimpleNamespace(detector=SimpleNamespace(variants={"int8": "int8.onnx"}), path=tmp_path.joinpath)
    assert last_products(pack) == (1 * 3 * 20 / 1e6, (2 * 2 * 5 * 4 + 1 * 3 * 20) / 1e6)
