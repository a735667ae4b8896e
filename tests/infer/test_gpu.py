"""The CUDA layer on a real GPU, with the real pycuda and the real driver: `pytest -m gpu`."""

import shutil
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edge.infer.reasons import Reason, RungError
from edge.infer.tensorrt.cuda_graph import Graph
from edge.infer.tensorrt.libcuda import DriverError
from edge.infer.tensorrt.stopwatch import Stopwatch

pytestmark = pytest.mark.gpu

SIZE = 416 * 416 * 3
KERNEL = """
__global__ void twice_and_one(const unsigned char* in, float* out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) out[i] = in[i] * 2.0f + 1.0f;
}
"""


@pytest.fixture(scope="module")
def device() -> Any:
    """The GPU of this machine."""
    pytest.importorskip("pycuda", reason="pycuda is not installed")
    from edge.infer.tensorrt.cuda import Device

    try:
        return Device()
    except RungError as error:
        pytest.skip(f"no GPU: {error}")


@pytest.fixture(scope="module")
def launch(device: Any) -> Callable[[Any, int, int], None]:
    """Queue a kernel that makes 2 x + 1 of `SIZE` bytes at an address, at another one."""
    if shutil.which("nvcc") is None:
        pytest.skip("no nvcc to compile a kernel with")
    from pycuda.compiler import SourceModule

    with device.current():
        kernel = SourceModule(KERNEL).get_function("twice_and_one")

    def queue(stream: Any, source: int, target: int) -> None:
        grid = ((SIZE + 255) // 256, 1)
        numbers = np.uintp(source), np.uintp(target), np.int32(SIZE)
        kernel(*numbers, block=(256, 1, 1), grid=grid, stream=stream)

    return queue


def round_trips(device: Any, launch: Callable[[Any, int, int], None], mapped: bool, recorded: bool) -> None:
    """Other numbers go through the kernel again and again and come back right, and no memory is taken for it."""
    from edge.infer.tensorrt.cuda import Buffer, Stream

    with device.current() as cuda:
        stream = Stream(cuda)
        source = Buffer(cuda, (SIZE,), np.uint8, mapped=mapped)
        target = Buffer(cuda, (SIZE,), np.float32, mapped=mapped)

        def work() -> None:
            source.upload(stream.queue)
            launch(stream.queue, source.address, target.address)
            target.download(stream.queue)

        work()
        stream.mark()
        stream.wait()
        graph = Graph(stream.handle, work) if recorded else None
        run = graph.launch if graph else work
        for seed in range(5):
            source.host[...] = np.random.default_rng(seed).integers(0, 256, SIZE, np.uint8)
            target.host[...] = np.nan
            run()
            stream.mark()
            stream.wait()
            np.testing.assert_array_equal(target.host, source.host * np.float32(2) + 1)
        free = cuda.mem_get_info()[0]
        for _ in range(3000):
            run()
        stream.mark()
        stream.wait()
        assert cuda.mem_get_info()[0] == free
        if graph:
            graph.close()
        source.free()
        target.free()


@pytest.mark.parametrize("recorded", [False, True], ids=["one by one", "graph"])
@pytest.mark.parametrize("mapped", [False, True], ids=["copied", "mapped"])
def test_numbers_come_back_right_and_memory_is_flat(device: Any, launch: Any, mapped: bool, recorded: bool) -> None:
    round_trips(device, launch, mapped, recorded)


def test_another_thread_works_and_leaves_no_context_behind(device: Any, launch: Any) -> None:
    import pycuda.driver as cuda

    problems: list[str] = []

    def elsewhere() -> None:
        try:
            round_trips(device, launch, mapped=False, recorded=True)
            assert cuda.Context.get_current() is None
        except BaseException as error:  # noqa: BLE001 - whatever it is, this thread's test tells it
            problems.append(repr(error))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert problems == []
    assert cuda.Context.get_current() is None


@pytest.mark.parametrize("recorded", [False, True], ids=["queued", "a graph"])
def test_the_gpu_times_its_own_copies(device: Any, recorded: bool) -> None:
    from edge.infer.tensorrt.cuda import Buffer, Stream

    with device.current() as cuda:
        stream, watch = Stream(cuda), Stopwatch(3)
        small, large = (Buffer(cuda, (size,), np.uint8, mapped=False) for size in (1 << 20, 64 << 20))

        def work() -> None:
            watch.mark(0, stream.handle, recording=recorded)
            small.upload(stream.queue)
            watch.mark(1, stream.handle, recording=recorded)
            large.upload(stream.queue)
            watch.mark(2, stream.handle, recording=recorded)

        graph = Graph(stream.handle, work) if recorded else None
        for _ in range(3):
            if graph:
                graph.launch()
            else:
                work()
            stream.mark()
            stream.wait()
            first_ms, second_ms = watch.between_ms()
            assert 0 < first_ms < second_ms
        if graph:
            graph.close()
        watch.close()
        small.free()
        large.free()


@pytest.mark.parametrize("what", ["allocate", "wait"])
def test_what_no_graph_can_hold_is_refused_and_the_stream_goes_on(device: Any, what: str) -> None:
    from edge.infer.tensorrt.cuda import Buffer, Stream

    with device.current() as cuda:
        stream = Stream(cuda)
        forbidden = {"allocate": lambda: cuda.mem_alloc(1 << 20), "wait": lambda: stream.queue.synchronize()}[what]
        with pytest.raises((DriverError, cuda.Error)):
            Graph(stream.handle, forbidden)
        buffer = Buffer(cuda, (SIZE,), np.uint8, mapped=False)
        buffer.upload(stream.queue)
        stream.mark()
        stream.wait()
        buffer.free()


def test_memory_that_the_card_does_not_have_is_named(device: Any) -> None:
    from edge.infer.tensorrt.cuda import Buffer

    with pytest.raises(RungError) as refused, device.current() as cuda:
        Buffer(cuda, (1 << 42,), np.uint8, mapped=False)
    assert refused.value.reason is Reason.OUT_OF_MEMORY
