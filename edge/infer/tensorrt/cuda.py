"""The CUDA layer of the TensorRT backend: one device's primary context, a stream, and buffers, all through pycuda.

TensorRT works in the primary context, and pycuda's context belongs to the thread that pushed it: so it is retained
once, pushed for the length of a call and popped again. `pycuda.autoinit` would make another context on the importing
thread, and is never used. Nothing is allocated after the constructors.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.infer.reasons import Reason, RungError

Array = npt.NDArray[Any]


def driver() -> Any:
    """The module `pycuda.driver`, initialised. Raises RungError when it is missing or does not find a driver."""
    try:
        import pycuda.driver as cuda
    except ImportError as error:
        missing_driver = "libcuda" in str(error)
        raise RungError(Reason.NO_DRIVER if missing_driver else Reason.NO_PYCUDA, str(error)) from error
    try:
        cuda.init()
    except cuda.Error as error:
        raise RungError(Reason.PYCUDA_BROKEN, str(error)) from error
    return cuda


class Device:
    """CUDA device 0 with its primary context, usable from any thread through `current()`."""

    def __init__(self) -> None:
        """Retain the primary context. Raises RungError when pycuda or the driver refuses."""
        self._cuda = driver()
        try:
            device = self._cuda.Device(0)
            self._context = device.retain_primary_context()
            self.is_integrated = bool(device.get_attribute(self._cuda.device_attribute.INTEGRATED))
        except self._cuda.Error as error:
            raise RungError(Reason.PYCUDA_BROKEN, str(error)) from error

    @contextmanager
    def current(self) -> Iterator[Any]:
        """`pycuda.driver` with the context current on this thread; CUDA's errors become RungErrors."""
        try:
            self._context.push()
            try:
                yield self._cuda
            finally:
                self._context.pop()
        except self._cuda.MemoryError as error:
            raise RungError(Reason.OUT_OF_MEMORY, str(error)) from error
        except self._cuda.Error as error:
            raise RungError(Reason.BACKEND_FAILED, str(error)) from error

    def close(self) -> None:
        """Let the primary context go; what was made in it must be freed before.

        Explicitly, since pycuda's destructor would treat a primary context as one of its own making.
        """
        self._context.detach()


class Buffer:
    """One tensor on both sides: `host`, a page-locked array, and `address`, where the GPU sees the same tensor.

    On a Jetson both are one piece of DRAM: the host memory is mapped into the GPU and never copied. Xavier and newer
    keep the CPU's cache coherent with it. Elsewhere the GPU has its own memory, and `upload` and `download` copy on a
    stream.
    """

    def __init__(self, cuda: Any, shape: tuple[int, ...], dtype: npt.DTypeLike, *, mapped: bool) -> None:
        """Allocate; the device's context must be current."""
        self._cuda = cuda
        size_bytes = math.prod(shape) * np.dtype(dtype).itemsize
        self._memory = None if mapped else cuda.mem_alloc(size_bytes)
        flags = cuda.host_alloc_flags.DEVICEMAP if mapped else 0
        self.host: Any = cuda.pagelocked_empty(shape, dtype, mem_flags=flags)
        self.host[...] = 0
        self.address: int = self.host.base.get_device_pointer() if self._memory is None else int(self._memory)

    def upload(self, stream: Any) -> None:
        """Queue the copy from `host` to the GPU; nothing to do where they are one."""
        if self._memory is not None:
            self._cuda.memcpy_htod_async(self.address, self.host, stream)

    def download(self, stream: Any) -> None:
        """Queue the copy from the GPU to `host`; nothing to do where they are one."""
        if self._memory is not None:
            self._cuda.memcpy_dtoh_async(self.host, self.address, stream)

    def free(self) -> None:
        """Give the memory back; the device's context must be current, and nobody may read `host` afterwards."""
        if self._memory is not None:
            self._memory.free()
        self.host.base.free()


class Stream:
    """An ordered queue of GPU work beside the default one, which would synchronise with every other.

    `handle` is the integer for `execute_async_v3`.
    """

    def __init__(self, cuda: Any) -> None:
        """Make it; the device's context must be current."""
        self.queue = cuda.Stream()
        self.handle: int = self.queue.handle
        # Waiting sleeps instead of spinning: the core belongs to the tracker and the sinks meanwhile.
        self._done = cuda.Event(cuda.event_flags.BLOCKING_SYNC | cuda.event_flags.DISABLE_TIMING)

    def mark(self) -> None:
        """Queue the mark that `wait` waits for."""
        self._done.record(self.queue)

    def wait(self) -> None:
        """Return when the GPU has passed the last mark."""
        self._done.synchronize()
