"""The part of pycuda.driver that the backend uses, on host memory.

As on a GPU, memory copied back arrives only when an event is waited for, and every call wants a current context.
Allocations are counted in `live`.
"""

import ctypes
import os
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt


class Error(Exception):
    pass


class MemoryError(Error):  # noqa: A001 - the name that pycuda gave it
    pass


class _Thread(threading.local):
    depth = 0


_thread = _Thread()
_pending: list[tuple[np.ndarray, int]] = []
live = 0


def _queue(work: Callable[[], None]) -> None:
    from tensorrt import queue

    queue(work)


def _require_context() -> None:
    if _thread.depth < 1:
        raise Error("invalid device context")


class host_alloc_flags:
    DEVICEMAP = 2


class event_flags:
    BLOCKING_SYNC = 1
    DISABLE_TIMING = 2


class device_attribute:
    INTEGRATED = 18


def init() -> None:
    if os.environ.get("FAKE_CUDA_INIT"):
        raise Error(os.environ["FAKE_CUDA_INIT"])


class Context:
    def push(self) -> None:
        _thread.depth += 1

    def pop(self) -> None:
        _require_context()
        _thread.depth -= 1

    def detach(self) -> None:
        pass


class Device:
    def __init__(self, index: int) -> None:
        pass

    def retain_primary_context(self) -> Context:
        return Context()

    def get_attribute(self, which: int) -> int:
        return int(os.environ.get("FAKE_CUDA_INTEGRATED", "1"))


class _Memory:
    def __init__(self, array: np.ndarray) -> None:
        global live
        _require_context()
        if array.nbytes > int(os.environ.get("FAKE_CUDA_LARGEST", 1 << 30)):
            raise MemoryError("cuMemAlloc failed: out of memory")
        live += 1
        self.array = array

    def __int__(self) -> int:
        return self.array.ctypes.data

    def get_device_pointer(self) -> int:
        return self.array.ctypes.data

    def free(self) -> None:
        global live
        _require_context()
        live -= 1


class _Pinned(np.ndarray):
    _allocation: "_Memory"


def pagelocked_empty(shape: tuple[int, ...], dtype: npt.DTypeLike, mem_flags: int = 0) -> np.ndarray:
    memory = np.full(shape, 99, dtype)
    array = memory.view(_Pinned)
    allocation = _Memory(memory)
    array._allocation = allocation
    return array


_Pinned.base = property(lambda self: self._allocation)  # type: ignore[method-assign, assignment]


def mem_alloc(count: int) -> _Memory:
    return _Memory(np.full(count, 99, np.uint8))


def _view(address: int, array: np.ndarray) -> np.ndarray:
    memory: Any = (ctypes.c_char * array.nbytes).from_address(address)
    return np.frombuffer(memory, np.uint8)


def memcpy_htod_async(address: int, array: np.ndarray, stream: "Stream") -> None:
    _require_context()

    def copy() -> None:
        _view(address, array)[:] = array.reshape(-1).view(np.ndarray).view(np.uint8)

    _queue(copy)


def memcpy_dtoh_async(array: np.ndarray, address: int, stream: "Stream") -> None:
    _require_context()
    _queue(lambda: _pending.append((array, address)))


class Stream:
    def __init__(self) -> None:
        _require_context()
        self.handle = id(self)


class Event:
    def __init__(self, flags: int) -> None:
        _require_context()

    def record(self, stream: "Stream") -> None:
        _require_context()

    def synchronize(self) -> None:
        _require_context()
        for array, address in _pending:
            np.copyto(array.view(np.ndarray), _view(address, array).view(array.dtype).reshape(array.shape))
        _pending.clear()
