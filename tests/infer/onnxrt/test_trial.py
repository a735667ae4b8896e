"""A network that loops for ever, eats all memory or crashes is given up in a child process, and said so."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge.detect.open import open_detector
from edge.errors import DataError, NotFoundError
from edge.infer import child
from edge.infer.onnxrt import trial
from export import adopted
from tests import tiny


def _model(nodes: list[onnx.NodeProto], **constants: np.ndarray) -> bytes:
    """`images` [1, 3, 64, 64] through `nodes` to the number `m`, put out in the form of a detector."""
    mean = helper.make_node("ReduceMean", ["images"], ["m0"], keepdims=0)
    add = helper.make_node("Add", ["m", "zeros"], ["output"])
    values = {"zeros": np.zeros((1, 85, 33), np.float32), **constants}
    graph = helper.make_graph(
        [mean, *nodes, add],
        "g",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, (1, 3, 64, 64))],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, (1, 85, 33))],
        [numpy_helper.from_array(value, name) for name, value in values.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def _endless() -> bytes:
    kinds = (("i", TensorProto.INT64), ("go", TensorProto.BOOL), ("v", TensorProto.FLOAT))
    inputs = [helper.make_tensor_value_info(name, kind, ()) for name, kind in kinds]
    outputs = [helper.make_tensor_value_info(f"{name}2", kind, ()) for name, kind in kinds[1:]]
    nodes = [helper.make_node("Identity", [name], [f"{name}2"]) for name, _ in kinds[1:]]
    body = helper.make_graph(nodes, "body", inputs, outputs)
    loop = helper.make_node("Loop", ["most", "go_on", "m0"], ["m"], body=body)
    return _model([loop], most=np.array(2**62), go_on=np.array(True))


def _hungry(count: int) -> bytes:
    big = helper.make_node("Expand", ["m0", "size"], ["big"])
    return _model([big, helper.make_node("ReduceMax", ["big"], ["m"], keepdims=0)], size=np.array([count]))


def test_a_loop_without_an_end_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "LEAST_S", 6.0)
    path = tmp_path / "loop.onnx"
    path.write_bytes(_endless())
    for open_it in (adopted.detector, open_detector):
        with pytest.raises(DataError, match=r"loop\.onnx: opening and running it took more than 6 s for a file of"):
            open_it(path)


def test_a_network_that_eats_all_memory_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "_LEAST_BYTES", 500 << 20)
    path = tmp_path / "big.onnx"
    path.write_bytes(_hungry(10**9))
    with pytest.raises(DataError, match=r"big\.onnx: opening and running it took more than 500 MB"):
        trial.attempt(path, [{"images": [1, 3, 64, 64]}])


def test_what_a_sound_network_puts_out(tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    path.write_bytes(_hungry(10))
    (seen,) = trial.attempt(path, [{"images": [1, 3, 64, 64]}])
    assert seen == {"output": trial.Seen((1, 85, 33), "float32", (1, 85, 33))}
    assert trial.attempt(path, []) == []
    trial.require_bearable(path)


def test_a_crash_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    died = child.Outcome([], -11, "")
    monkeypatch.setattr(child, "call", lambda *_, **__: died)
    tiny.write_network(tmp_path / "a.onnx")
    with pytest.raises(DataError, match=r"ONNX Runtime crashed on it \(status -11\)"):
        trial.require_bearable(tmp_path / "a.onnx")


def test_what_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="cannot be read"):
        trial.require_bearable(tmp_path / "a.onnx")
