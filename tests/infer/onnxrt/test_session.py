import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge.errors import DataError, NotFoundError, UnavailableError
from edge.infer.backend import Port
from edge.infer.onnxrt.session import keep_products_exact
from edge.infer.open import open_backend
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


def test_names_that_are_no_text_are_one_clear_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = write_doubler(tmp_path / "d.onnx", [2, 3])
    path.write_bytes(path.read_bytes().replace(b"\x01y", b"\x01\xff"))
    with pytest.raises(DataError, match=r"d\.onnx: expected names of inputs and outputs in UTF-8"):
        open_backend(path)
    assert capfd.readouterr() == ("", "")


def test_a_run_that_fails_is_an_error_from_which_a_ladder_goes_on(tmp_path: Path) -> None:
    shape = helper.make_tensor_value_info("shape", TensorProto.INT64, [2])
    numbers = helper.make_tensor_value_info("numbers", TensorProto.FLOAT, [2, 3])
    six = numpy_helper.from_array(np.arange(6, dtype=np.float32), "six")
    graph = helper.make_graph(
        [helper.make_node("Reshape", ["six", "shape"], ["numbers"])], "g", [shape], [numbers], [six]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, tmp_path / "r.onnx")
    backend = open_backend(tmp_path / "r.onnx")
    backend.inputs["shape"][:] = 2, 3
    backend.run()
    np.testing.assert_array_equal(backend.outputs["numbers"], [[0, 1, 2], [3, 4, 5]])
    backend.inputs["shape"][:] = 4, 3
    with pytest.raises(DataError, match=r"r\.onnx: ONNX Runtime cannot run it: .*Reshape"):
        backend.run()


def test_a_bare_file_is_not_for_tensorrt(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="bare ONNX file"):
        open_backend(tmp_path / "any.onnx", name="tensorrt")


OVERFLOWING = """
import sys
import numpy as np
import onnxruntime
from edge.infer.onnxrt import session
from edge.infer.open import open_backend
from pathlib import Path

session._has_vnni = lambda: False  # /proc/cpuinfo is the host's
backend = open_backend(Path(sys.argv[1]), name="onnxruntime", threads=1)
backend.inputs["x"][...] = 255
backend.run()
plain = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
print(backend.outputs["y"].max(), plain.run(None, {"x": np.full((4, 64), 255, np.uint8)})[0].max())
"""


@pytest.mark.parametrize(
    ("machine", "flags", "exact"),
    [
        ("x86_64", "fpu sse4_1 avx2 fma", True),
        ("x86_64", "fpu avx2 avx512f avx512_vnni", False),  # exact anyway, and the other kernels are slower
        ("x86_64", "fpu avx2 avx_vnni", False),
        ("x86_64", None, True),
        ("aarch64", "asimd", False),
    ],
)
def test_exact_kernels_are_asked_for_only_where_the_fast_ones_overflow(
    monkeypatch: pytest.MonkeyPatch, machine: str, flags: str | None, exact: bool
) -> None:
    def read_text(path: Path, *_: str) -> str:
        assert str(path) == "/proc/cpuinfo"
        if flags is None:
            raise OSError
        return f"model name\t: some\nflags\t\t: {flags}\n"

    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(Path, "read_text", read_text)
    options = onnxruntime.SessionOptions()
    keep_products_exact(options)
    if exact:
        assert options.get_session_config_entry("session.x64quantprecision") == "1"
    else:
        with pytest.raises(RuntimeError):
            options.get_session_config_entry("session.x64quantprecision")


@pytest.mark.slow
def test_products_do_not_overflow_on_x86_without_vnni(tmp_path: Path) -> None:
    """On an EMULATED Haswell: the runtime's session is exact where ONNX Runtime's default is not."""
    qemu = shutil.which("qemu-x86_64-static")
    if qemu is None or platform.machine() != "x86_64":
        pytest.skip("needs qemu-x86_64-static (Debian: qemu-user-static) on an x86-64 machine")
    weights = numpy_helper.from_array(np.full((64, 16), 127, np.int8), "w")
    ports = [
        helper.make_tensor_value_info("x", TensorProto.UINT8, [4, 64]),
        helper.make_tensor_value_info("y", TensorProto.INT32, [4, 16]),
    ]
    node = helper.make_node("MatMulInteger", ["x", "w"], ["y"])
    graph = helper.make_graph([node], "overflowing", ports[:1], ports[1:], [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    (tmp_path / "o.onnx").write_bytes(model.SerializeToString())
    path = os.pathsep.join([str(Path(__file__).parents[3]), *sys.path])
    command = [qemu, "-cpu", "Haswell", os.path.realpath(sys.executable), "-c", OVERFLOWING, str(tmp_path / "o.onnx")]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=True)
    exact, plain = map(int, done.stdout.split())
    assert exact == 64 * 255 * 127
    assert plain == 32 * 32767  # the largest number of 16 bits for every pair: the emulated CPU has no VNNI indeed
