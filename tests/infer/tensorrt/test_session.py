"""The runner on a simulated TensorRT: right addresses, right order, right memory, and failures with a name."""

import json
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.infer.reasons import Reason, RungError
from edge.infer.tensorrt.session import TensorRT, load_engine
from tests.infer import packs

pytestmark = pytest.mark.usefixtures("fake_tensorrt")


def plan(batch: int) -> bytes:
    head = {"shapes": {"crops": [batch, packs.SIZE, packs.SIZE, 3]}, "flags": [], "network": 2, "level": 3}
    return json.dumps(head).encode() + b"\n" + packs.network("crops", {"embedding": 4}, "N", "fp32", 0.0)


def expected(crops: np.ndarray) -> np.ndarray:
    import onnxruntime

    content = packs.network("crops", {"embedding": 4}, "N", "fp32", 0.0)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return session.run(None, {"crops": crops})[0]


def live() -> int:
    return sys.modules["pycuda.driver"].live


@pytest.fixture(params=["1", "0"], ids=["shared memory", "own memory"])
def integrated(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setenv("FAKE_CUDA_INTEGRATED", request.param)
    return request.param == "1"


def test_outputs_are_those_of_the_network_on_both_kinds_of_memory(integrated: bool) -> None:
    backend = TensorRT({1: plan(1)})
    buffer, output = backend.inputs["crops"], backend.outputs["embedding"]
    for seed in (1, 2):
        buffer[...] = np.random.default_rng(seed).integers(0, 256, buffer.shape)
        backend.run()
        np.testing.assert_array_equal(output, expected(np.array(buffer)))
    assert backend.inputs["crops"] is buffer
    assert backend.outputs["embedding"] is output
    backend.close()


def test_shared_memory_is_not_copied_and_own_memory_is(integrated: bool) -> None:
    backend = TensorRT({1: plan(1)})
    assert live() == (2 if integrated else 4)
    backend.close()
    assert live() == 0


def test_a_batch_runs_in_the_smallest_bucket_that_holds_it(integrated: bool) -> None:
    backend = TensorRT({4: plan(4), 1: plan(1), 8: plan(8)})
    assert backend.inputs["crops"].shape == (8, packs.SIZE, packs.SIZE, 3)
    assert [str(port) for port in backend.input_ports] == ["crops uint8[?,16,16,3]"]
    assert [str(port) for port in backend.output_ports] == ["embedding float32[?,4,4]"]
    crops = np.random.default_rng(1).integers(0, 256, backend.inputs["crops"].shape, np.uint8)
    for rows in (1, 2, 4, 5, 8):
        backend.inputs["crops"][:rows] = crops[:rows]
        backend.outputs["embedding"][...] = np.nan
        backend.run(rows)
        np.testing.assert_array_equal(backend.outputs["embedding"][:rows], expected(crops[:rows]))
    for rows in (0, 9):
        with pytest.raises(ValueError, match="expected 1 to 8"):
            backend.run(rows)
    backend.close()


def test_a_network_without_buckets_has_a_fixed_batch() -> None:
    backend = TensorRT({1: plan(1)})
    assert str(backend.input_ports[0]) == "crops uint8[1,16,16,3]"
    backend.close()


def test_what_nobody_closes_is_freed_with_the_object() -> None:
    backend = TensorRT({1: plan(1)})
    assert live() > 0
    del backend
    assert live() == 0


def test_closing_twice_is_closing_once() -> None:
    backend = TensorRT({1: plan(1)})
    backend.close()
    backend.close()
    assert live() == 0


def test_any_thread_may_run_it_with_the_context_pushed_and_popped() -> None:
    backend = TensorRT({1: plan(1)})
    failures: list[BaseException] = []

    def work() -> None:
        try:
            backend.run()
        except RungError as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert failures == []
    assert sys.modules["pycuda.driver"]._thread.depth == 0
    backend.close()


def test_no_memory_is_asked_for_while_running(integrated: bool) -> None:
    backend = TensorRT({1: plan(1), 4: plan(4)})
    before = live()
    for rows in (1, 3, 4):
        backend.run(rows)
    assert live() == before
    backend.close()


@pytest.mark.parametrize(
    ("script", "reason", "detail"),
    [("no_engine", Reason.ENGINE_STALE, "Serialization assertion failed")],
)
def test_an_engine_that_tensorrt_refuses_is_stale_with_its_words(
    monkeypatch: pytest.MonkeyPatch, script: str, reason: Reason, detail: str
) -> None:
    monkeypatch.setenv("FAKE_TENSORRT", script)
    with pytest.raises(RungError) as caught:
        TensorRT({1: plan(1)})
    assert (caught.value.reason, caught.value.detail) == (reason, detail)
    assert live() == 0


def test_a_null_runtime_is_a_broken_tensorrt(monkeypatch: pytest.MonkeyPatch) -> None:
    import tensorrt as trt

    def refuse(logger: Any) -> None:
        raise TypeError("pybind11::init(): factory function returned nullptr")

    monkeypatch.setattr(trt, "Runtime", refuse)
    with pytest.raises(RungError, match="Runtime: pybind11") as caught:
        TensorRT({1: plan(1)})
    assert caught.value.reason is Reason.TENSORRT_BROKEN
    assert live() == 0


def test_a_context_that_died_is_a_failed_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = TensorRT({1: plan(1)})
    cuda = sys.modules["pycuda.driver"]

    def refuse(self: Any) -> None:
        raise cuda.Error("cuCtxPushCurrent failed: context is destroyed")

    monkeypatch.setattr(cuda.Context, "push", refuse)
    with pytest.raises(RungError, match="context is destroyed") as caught:
        backend.run()
    assert caught.value.reason is Reason.BACKEND_FAILED
    backend.close()  # and closing what is gone is no error


def test_a_driver_that_is_too_old_is_the_drivers_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    import tensorrt as trt

    def refuse(self: Any, plan: bytes) -> None:
        text = "Error Code 1: Cuda Runtime (cudaError 35: CUDA driver version is insufficient for CUDA runtime version)"
        self.logger.log(trt.ILogger.Severity.ERROR, text)

    monkeypatch.setattr(trt.Runtime, "deserialize_cuda_engine", refuse)
    with pytest.raises(RungError) as caught:
        load_engine(b"plan")
    assert caught.value.reason is Reason.NO_DRIVER


def test_memory_that_is_not_there_is_given_back_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_CUDA_INTEGRATED", "0")
    monkeypatch.setenv("FAKE_CUDA_LARGEST", "500")  # the input needs 768 bytes
    with pytest.raises(RungError) as caught:
        TensorRT({1: plan(1)})
    assert caught.value.reason is Reason.OUT_OF_MEMORY
    assert live() == 0


def test_a_run_that_fails_is_a_failed_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = TensorRT({1: plan(1)})
    monkeypatch.setenv("FAKE_TENSORRT", "fail_run")
    with pytest.raises(RungError) as caught:
        backend.run()
    assert caught.value.reason is Reason.BACKEND_FAILED
    backend.close()


def test_the_module_named_tensorrt_does_not_shadow_nvidias() -> None:
    import tensorrt

    assert Path(tensorrt.__file__).parent.name == "fake"
