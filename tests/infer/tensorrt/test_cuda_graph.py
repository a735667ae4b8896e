"""CUDA graphs on a SIMULATED driver (host_cuda.c): recorded once, replayed right, refused with a reason.

Nothing here says what a graph saves on a GPU.
"""

import ctypes
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edge.infer.reasons import Reason, RungError
from edge.infer.tensorrt import libcuda
from edge.infer.tensorrt.cuda_graph import Graph
from edge.infer.tensorrt.libcuda import DriverError
from edge.infer.tensorrt.session import TensorRT
from tests.infer.tensorrt.test_session import expected, live, plan

WORK = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


@pytest.fixture
def driver(host_graphs: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ctypes.CDLL]:
    """The driver of host memory, used by graphs and by the simulated TensorRT and pycuda; all graphs closed after."""
    path = str(host_graphs)
    monkeypatch.setattr(libcuda, "_LIBRARY", path)
    monkeypatch.setenv("FAKE_CUDA_DRIVER", path)
    library = ctypes.CDLL(path)
    library.host_cuda_graphs.restype = library.host_cuda_events.restype = ctypes.c_long
    library.cuCtxPushCurrent_v2(None)  # the simulated pycuda keeps its contexts to itself
    yield library
    library.cuCtxPopCurrent_v2(ctypes.byref(ctypes.c_void_p()))
    assert library.host_cuda_graphs() == 0
    assert library.host_cuda_events() == 0


def test_work_is_recorded_and_not_done_until_it_is_launched(driver: ctypes.CDLL) -> None:
    done: list[int] = []
    kernel = WORK(lambda _: done.append(len(done)))
    recorded = Graph(7, lambda: driver.host_cuda_queue(kernel, None))
    assert done == []
    for _ in range(3):
        recorded.launch()
    assert done == [0, 1, 2]
    recorded.close()


def test_a_driver_that_refuses_says_why(driver: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOST_CUDA_CAPTURE", "801")
    with pytest.raises(DriverError, match=r"cuStreamBeginCapture_v2: an error .* \(801\)"):
        Graph(7, lambda: None)


def test_work_that_waits_for_the_gpu_is_refused_and_the_stream_works_on(driver: ctypes.CDLL) -> None:
    with pytest.raises(DriverError, match=r"cuStreamEndCapture: .* \(901\)"):
        Graph(7, driver.cuCtxSynchronize)
    done: list[int] = []
    driver.host_cuda_queue(WORK(lambda _: done.append(1)), None)
    assert done == [1]


def test_work_that_fails_leaves_a_stream_that_does_not_record(driver: ctypes.CDLL) -> None:
    def fails() -> None:
        raise RungError(Reason.BACKEND_FAILED, "ours")

    with pytest.raises(RungError, match="ours"):
        Graph(7, fails)
    done: list[int] = []
    driver.host_cuda_queue(WORK(lambda _: done.append(1)), None)
    assert done == [1]


def test_a_launch_that_fails_says_why(driver: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = Graph(7, lambda: None)
    monkeypatch.setenv("HOST_CUDA_LAUNCH", "719")
    with pytest.raises(DriverError, match="719"):
        recorded.launch()
    recorded.close()


@pytest.mark.parametrize("name", ["libno-such-driver.so", "libc.so.6"], ids=["no driver", "no graphs in it"])
def test_a_machine_without_graphs_says_so(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(libcuda, "_LIBRARY", name)
    with pytest.raises(DriverError, match=r"cannot open shared object|no cuStreamBeginCapture_v2"):
        Graph(7, lambda: None)


@pytest.mark.usefixtures("fake_tensorrt")
class TestBackend:
    """The TensorRT backend with graphs."""

    @pytest.fixture(params=["1", "0"], ids=["shared memory", "own memory"], autouse=True)
    def _memory(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FAKE_CUDA_INTEGRATED", request.param)

    def test_every_bucket_is_one_launch_with_the_same_results(self, driver: ctypes.CDLL) -> None:
        backend = TensorRT({1: plan(1), 4: plan(4)})
        assert backend.unrecorded == {}
        assert driver.host_cuda_graphs() == 2
        enqueued = _count_enqueues()
        for seed in range(3):
            crops = np.random.default_rng(seed).integers(0, 256, backend.inputs["crops"].shape, np.uint8)
            for rows in (1, 3, 4):
                backend.inputs["crops"][:rows] = crops[:rows]
                backend.outputs["embedding"][...] = np.nan
                backend.run(rows)
                np.testing.assert_array_equal(backend.outputs["embedding"][:rows], expected(crops[:rows]))
        assert enqueued == []
        backend.close()
        assert live() == 0

    @pytest.mark.parametrize("engine", ["", "waits"], ids=["a graph", "no graph"])
    def test_the_gpu_says_how_long_each_stage_took(
        self, driver: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch, engine: str
    ) -> None:
        monkeypatch.setenv("FAKE_TENSORRT", engine)
        backend = TensorRT({1: plan(1)})
        assert bool(backend.unrecorded) == bool(engine)
        for _ in range(2):
            backend.run()  # a millisecond for every piece of work, says the simulated driver
            copies = {"gpu copy in": 1.0, "gpu copy out": 1.0} if os.environ["FAKE_CUDA_INTEGRATED"] == "0" else {}
            assert backend.stages_ms == {"gpu infer": 1.0, **copies}
        backend.close()

    @pytest.mark.parametrize(("setting", "status"), [("HOST_CUDA_EVENT", "2"), ("HOST_CUDA_MARK", "801")])
    def test_a_driver_without_such_events_runs_the_network_all_the_same(
        self, driver: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch, setting: str, status: str
    ) -> None:
        monkeypatch.setenv(setting, status)
        backend = TensorRT({1: plan(1)})
        backend.run()
        assert backend.unrecorded == {}
        assert backend.stages_ms == {}
        backend.close()

    def test_an_engine_that_waits_is_launched_kernel_by_kernel(
        self, driver: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("FAKE_TENSORRT", "waits")
        backend = TensorRT({1: plan(1)})
        assert list(backend.unrecorded) == [1]
        assert "cuStreamEndCapture" in backend.unrecorded[1]
        enqueued = _count_enqueues()
        crops = np.random.default_rng(1).integers(0, 256, backend.inputs["crops"].shape, np.uint8)
        backend.inputs["crops"][...] = crops
        backend.run()
        np.testing.assert_array_equal(backend.outputs["embedding"], expected(crops))
        assert len(enqueued) == 1
        backend.close()

    def test_a_launch_that_fails_is_a_failed_backend(
        self, driver: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        backend = TensorRT({1: plan(1)})
        monkeypatch.setenv("HOST_CUDA_LAUNCH", "719")
        with pytest.raises(RungError, match="cuGraphLaunch") as caught:
            backend.run()
        assert caught.value.reason is Reason.BACKEND_FAILED
        backend.close()

    def test_what_nobody_closes_frees_its_graphs(self, driver: ctypes.CDLL) -> None:
        backend = TensorRT({1: plan(1)})
        assert driver.host_cuda_graphs() == 1
        del backend
        assert driver.host_cuda_graphs() == 0


def _count_enqueues() -> list[int]:
    """A list that grows with every network enqueued outside of a graph."""
    calls: list[int] = []
    context = sys.modules["tensorrt"]._Context
    original = context.execute_async_v3

    def counted(self: object, handle: int) -> bool:
        calls.append(handle)
        return bool(original(self, handle))

    context.execute_async_v3 = counted
    return calls
