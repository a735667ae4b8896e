"""Networks small enough for every test, written as ONNX files to adopt."""

from pathlib import Path

from onnx import TensorProto, helper

from tests import tiny


def write_detector(path: Path) -> Path:
    """A detector of the exporter's own form for pictures of 64x64."""
    tiny.write_network(path)
    return path


def write_reid(path: Path) -> Path:
    """A ReID network: the embedding of a crop is its mean colour."""
    graph = helper.make_graph(
        [
            helper.make_node("GlobalAveragePool", ["input"], ["mean"]),
            helper.make_node("Flatten", ["mean"], ["output"]),
        ],
        "colour",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", 3, 16, 8])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["n", 3])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path
