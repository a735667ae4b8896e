"""CUDA graphs: work that was recorded on a stream once, launched again and again as one call.

A small network is bound by the CPU that launches its hundred kernels one by one; a graph is one launch. pycuda 2026.1
has no binding for recording, so these are calls of the driver itself, which pycuda has loaded, by their names and
numbers in cuda.h. What that saves on a board has not been measured.
"""

import ctypes
from collections.abc import Callable

_LIBRARY = "libcuda.so.1"
_THREAD_LOCAL = 1  # CU_STREAM_CAPTURE_MODE_THREAD_LOCAL: what other threads do meanwhile on their streams is no mistake


class NotRecordedError(Exception):
    """Work that cannot become a graph; the message says why."""


class LaunchError(Exception):
    """A graph that could not be launched; the message says why."""


class Graph:
    """`work` recorded on a stream, which does not run meanwhile; `launch` runs it.

    Everything that `work` queues on the stream with the handle `stream` is recorded with its addresses; it may not wait
    for the stream nor allocate. The device's context must be current in every call, and `close` comes before what the
    work uses is freed.
    """

    def __init__(self, stream: int, work: Callable[[], None]) -> None:
        """Record. Raises NotRecordedError where the driver refuses, and what `work` raises; the stream is whole."""
        self._stream = ctypes.c_void_p(stream)
        self._runnable = ctypes.c_void_p()
        try:
            self._driver = ctypes.CDLL(_LIBRARY)
        except OSError as error:
            raise NotRecordedError(str(error)) from error
        self._do("cuStreamBeginCapture_v2", self._stream, ctypes.c_int(_THREAD_LOCAL))
        graph = ctypes.c_void_p()
        try:
            work()
        finally:  # or the stream would go on recording
            ended = self._driver.cuStreamEndCapture(self._stream, ctypes.byref(graph))
        if ended:
            raise NotRecordedError(f"cuStreamEndCapture: {self._words(ended)}")
        try:
            self._do("cuGraphInstantiateWithFlags", ctypes.byref(self._runnable), graph, ctypes.c_ulonglong(0))
        finally:
            self._driver.cuGraphDestroy(graph)

    def launch(self) -> None:
        """Queue the work on its stream. Raises LaunchError."""
        status = self._driver.cuGraphLaunch(self._runnable, self._stream)
        if status:
            raise LaunchError(f"cuGraphLaunch: {self._words(status)}")

    def close(self) -> None:
        """Forget the work."""
        self._driver.cuGraphExecDestroy(self._runnable)

    def _do(self, name: str, *arguments: object) -> None:
        try:
            function = getattr(self._driver, name)
        except AttributeError as error:
            raise NotRecordedError(f"this driver has no {name}") from error
        status = function(*arguments)
        if status:
            raise NotRecordedError(f"{name}: {self._words(status)}")

    def _words(self, status: int) -> str:
        text = ctypes.c_char_p()
        self._driver.cuGetErrorString(ctypes.c_int(status), ctypes.byref(text))
        return f"{text.value.decode() if text.value else 'unknown'} ({status})"
