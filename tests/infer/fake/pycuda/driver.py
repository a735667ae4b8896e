"""The part of pycuda.driver that the backend uses, on host memory.

As on a GPU, memory copied back arrives only when an event is waited for, and every call wants a current context.
Allocations are counted in `live`.
"""

import ctypes
import os
import threading

import numpy as np


class Error(Exception):
    pass


class MemoryError(Error):  # noqa: A001 - the name that pycuda gave it
    pass


class _Thread(threading.local):
    depth = 0


_thread = _Thread()
_pending = []
live = 0


def _queue(work):
    from tensorrt import queue

    queue(work)


def _require_context():
    if _thread.depth < 1:
        raise Error("invalid device context")


class host_alloc_flags:
    DEVICEMAP = 2


class event_flags:
    BLOCKING_SYNC = 1
    DISABLE_TIMING = 2


class device_attribute:
    INTEGRATED = 18


def init():
    if os.environ.get("FAKE_CUDA_INIT"):
        raise Error(os.environ["FAKE_CUDA_INIT"])


class Context:
    def push(self):
        _thread.depth += 1

    def pop(self):
        _require_context()
        _thread.depth -= 1

    def detach(self):
        pass


class Device:
    def __init__(self, index):
        pass

    def retain_primary_context(self):
        return Context()

    def get_attribute(self, which):
        return int(os.environ.get("FAKE_CUDA_INTEGRATED", "1"))


class _Memory:
    def __init__(self, array):
        global live
        _require_context()
        if array.nbytes > int(os.environ.get("FAKE_CUDA_LARGEST", 1 << 30)):
            raise MemoryError("cuMemAlloc failed: out of memory")
        live += 1
        self.array = array

    def __int__(self):
        return self.array.ctypes.data

    def get_device_pointer(self):
        return self.array.ctypes.data

    def free(self):
        global live
        _require_context()
        live -= 1


class _Pinned(np.ndarray):
    pass


def pagelocked_empty(shape, dtype, mem_flags=0):
    memory = np.full(shape, 99, dtype)
    array = memory.view(_Pinned)
    allocation = _Memory(memory)
    array._allocation = allocation
    return array


_Pinned.base = property(lambda self: self._allocation)


def mem_alloc(count):
    return _Memory(np.full(count, 99, np.uint8))


def _view(address, array):
    return np.frombuffer((ctypes.c_char * array.nbytes).from_address(address), np.uint8)


def memcpy_htod_async(address, array, stream):
    _require_context()

    def copy():
        _view(address, array)[:] = array.reshape(-1).view(np.ndarray).view(np.uint8)

    _queue(copy)


def memcpy_dtoh_async(array, address, stream):
    _require_context()
    _queue(lambda: _pending.append((array, address)))


class Stream:
    def __init__(self):
        _require_context()
        self.handle = id(self)


class Event:
    def __init__(self, flags):
        _require_context()

    def record(self, stream):
        _require_context()

    def synchronize(self):
        _require_context()
        for array, address in _pending:
            np.copyto(array.view(np.ndarray), _view(address, array).view(array.dtype).reshape(array.shape))
        _pending.clear()
