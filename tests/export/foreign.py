"""ONNX files as exporters elsewhere write them, small enough for every test."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIZE = 64
CELLS = 64 + 16 + 4 + 1
Shape = Sequence[int | str]


def detector(
    *,
    shape: Shape = (1, 3, SIZE, SIZE),
    rows: Shape = (1, CELLS, 33),
    dtype: int = TensorProto.FLOAT,
    opset: int = 13,
    extra: bool = False,
) -> onnx.ModelProto:
    """Every output is the mean of the picture plus a constant of its cell; `extra` adds a feature map as an output."""
    constants = np.linspace(0, 0.5, CELLS * 33).reshape(1, CELLS, 33)
    weights = helper.tensor_dtype_to_np_dtype(dtype)
    nodes = [
        helper.make_node("GlobalAveragePool", ["images"], ["means"]),
        helper.make_node("Conv", ["means", "kernel"], ["grey"]),
        helper.make_node("Reshape", ["grey", "shape"], ["row"]),
        helper.make_node("Add", ["row", "constants"], ["output"]),
    ]
    outputs = [helper.make_tensor_value_info("output", dtype, rows)]
    if extra:
        outputs.append(helper.make_tensor_value_info("means", dtype, ["n", 3, 1, 1]))
    graph = helper.make_graph(
        nodes,
        "foreign",
        [helper.make_tensor_value_info("images", dtype, shape)],
        outputs,
        [
            numpy_helper.from_array(np.full((1, 3, 1, 1), 1 / 3, weights), "kernel"),
            numpy_helper.from_array(np.array([-1, 1, 1], np.int64), "shape"),
            numpy_helper.from_array(constants.astype(weights), "constants"),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8 if opset < 22 else 10)


def with_nms(score: float = 0.0) -> onnx.ModelProto:
    """A network that puts out as many boxes as it finds: rows whose first value is above `score`, `[1, n, 6]`."""
    nodes = [
        helper.make_node("GlobalAveragePool", ["images"], ["means"]),
        helper.make_node("Reshape", ["means", "three"], ["row"]),
        helper.make_node("Greater", ["row", "score"], ["above"]),
        helper.make_node("NonZero", ["above"], ["found"]),
        helper.make_node("Cast", ["found"], ["places"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["places"], ["rows"], perm=[1, 0]),
        helper.make_node("Tile", ["rows", "six"], ["wide"]),
        helper.make_node("Unsqueeze", ["wide", "zero"], ["output"]),
    ]
    constants: dict[str, Any] = {
        "three": np.array([3]),
        "score": np.float32(score),
        "six": np.array([1, 6]),
        "zero": np.array([0]),
    }
    graph = helper.make_graph(
        nodes,
        "nms",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, SIZE, SIZE])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, "found", 6])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def reid(
    *, batch: int | str = "n", wired: int | None = None, size: Shape = (16, 8), dtype: int = TensorProto.FLOAT
) -> onnx.ModelProto:
    """The embedding of a crop is its mean colour; `wired` reshapes to a batch of that size whatever comes in."""
    nodes = [helper.make_node("GlobalAveragePool", ["input"], ["mean"])]
    constants = [numpy_helper.from_array(np.array([wired or -1, 3]), "rows")]
    nodes.append(helper.make_node("Reshape", ["mean", "rows"], ["output"]))
    graph = helper.make_graph(
        nodes,
        "colour",
        [helper.make_tensor_value_info("input", dtype, [batch, 3, *size])],
        [helper.make_tensor_value_info("output", dtype, [batch, 3])],
        constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def save(path: Path, model: onnx.ModelProto) -> Path:
    """`model` as a file; its path."""
    path.write_bytes(model.SerializeToString())
    return path
