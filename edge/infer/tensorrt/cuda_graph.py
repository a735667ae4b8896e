"""CUDA graphs: work that was recorded on a stream once, launched again and again as one call.

A small network is bound by the CPU that launches its hundred kernels one by one; a graph is one launch. What that saves
on a board has not been measured.
"""

import contextlib
import ctypes
from collections.abc import Callable

from edge.infer.tensorrt.libcuda import Driver, DriverError

_THREAD_LOCAL = 1  # CU_STREAM_CAPTURE_MODE_THREAD_LOCAL: what other threads do meanwhile on their streams is no mistake


class Graph:
    """`work` recorded on a stream, which does not run meanwhile; `launch` runs it.

    Everything that `work` queues on the stream with the handle `stream` is recorded with its addresses; it may not wait
    for the stream nor allocate. The device's context must be current in every call, and `close` comes before what the
    work uses is freed.
    """

    def __init__(self, stream: int, work: Callable[[], None]) -> None:
        """Record. Raises DriverError where the driver refuses, and what `work` raises; the stream is whole."""
        self._driver = Driver()
        self._stream = ctypes.c_void_p(stream)
        self._runnable = ctypes.c_void_p()
        self._driver.call("cuStreamBeginCapture_v2", self._stream, ctypes.c_int(_THREAD_LOCAL))
        graph = ctypes.c_void_p()
        end = "cuStreamEndCapture", self._stream, ctypes.byref(graph)
        try:
            work()
        except BaseException:  # or the stream would go on recording
            with contextlib.suppress(DriverError):
                self._driver.call(*end)
            raise
        self._driver.call(*end)
        try:
            self._driver.call("cuGraphInstantiateWithFlags", ctypes.byref(self._runnable), graph, ctypes.c_ulonglong(0))
        finally:
            self._driver.call("cuGraphDestroy", graph)

    def launch(self) -> None:
        """Queue the work on its stream. Raises DriverError."""
        self._driver.call("cuGraphLaunch", self._runnable, self._stream)

    def close(self) -> None:
        """Forget the work; a dead GPU has forgotten it."""
        with contextlib.suppress(DriverError):
            self._driver.call("cuGraphExecDestroy", self._runnable)
