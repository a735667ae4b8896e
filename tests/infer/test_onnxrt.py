from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edge.errors import DataError, NotFoundError, UnavailableError
from edge.infer.backend import Port, open_backend
from tests import tiny


def write_doubler(path: Path, shape: list[int | str]) -> Path:
    """A network that doubles its input."""
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Add", ["x", "x"], ["y"])], "doubler", ports[:1], ports[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    return path


def test_ports_and_buffers_are_those_of_the_network(tmp_path: Path) -> None:
    tiny.write_network(tmp_path / "net.onnx")
    backend = open_backend(tmp_path / "net.onnx")
    assert backend.input_ports == (Port("image", (1, 64, 64, 3), "uint8"),)
    assert {name: (a.shape, a.dtype.name) for name, a in backend.outputs.items()} == {
        "class_logits": ((1, 85, 1), "float32"),
        "distances": ((1, 85, 32), "float32"),
    }


def test_a_run_writes_into_the_same_buffers_every_time(tmp_path: Path) -> None:
    backend = open_backend(write_doubler(tmp_path / "d.onnx", [2, 3]))
    x, y = backend.inputs["x"], backend.outputs["y"]
    for value in (1.0, 2.5, -3.0):
        x[:] = value
        backend.run()
        assert (y == 2 * value).all()
    assert backend.outputs["y"] is y
    assert backend.inputs["x"] is x


def test_a_dynamic_batch_computes_only_the_rows_asked_for(tmp_path: Path) -> None:
    backend = open_backend(write_doubler(tmp_path / "d.onnx", ["n", 3]), max_batch=4)
    assert backend.input_ports[0].shape == (None, 3)
    x, y = backend.inputs["x"], backend.outputs["y"]
    assert x.shape == (4, 3)
    x[:] = np.arange(12).reshape(4, 3)
    backend.run(2)
    np.testing.assert_array_equal(y, [[0, 2, 4], [6, 8, 10], [0, 0, 0], [0, 0, 0]])
    backend.run()
    np.testing.assert_array_equal(y, 2 * x)
    with pytest.raises(ValueError, match="batch 5: expected 1 to 4"):
        backend.run(5)


def test_it_computes_what_onnx_runtime_computes_without_binding(data: Path) -> None:
    import onnxruntime

    path = data / "models/nanodet-plus-m_416.onnx"
    backend = open_backend(path)
    image = np.random.default_rng(0).normal(size=(1, 3, 416, 416)).astype(np.float32)
    backend.inputs["data"][:] = image
    backend.run()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    plain = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    np.testing.assert_array_equal(backend.outputs["output"], plain.run(None, {"data": image})[0])


def test_only_the_batch_may_be_dynamic(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected fixed sizes .* x float32\[2,\?\]"):
        open_backend(write_doubler(tmp_path / "d.onnx", [2, "width"]))


def test_files_that_are_no_network(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"none\.onnx"):
        open_backend(tmp_path / "none.onnx")
    (tmp_path / "text.onnx").write_text("hello\n" * 50)
    with pytest.raises(DataError, match=r"text\.onnx: expected an ONNX network"):
        open_backend(tmp_path / "text.onnx")
    tiny.write_network(tmp_path / "net.onnx")
    (tmp_path / "cut.onnx").write_bytes((tmp_path / "net.onnx").read_bytes()[:-700])
    with pytest.raises(DataError, match=r"cut\.onnx: expected an ONNX network"):
        open_backend(tmp_path / "cut.onnx")


def test_a_bare_file_is_not_for_tensorrt(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="bare ONNX file"):
        open_backend(tmp_path / "any.onnx", name="tensorrt")
