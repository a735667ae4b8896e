"""How long the GPU was at each of its stages, by its own clock.

The host sees when it queued work and when it had all of it back, which says nothing of the stages between. So events of
the driver are queued between them, and are nodes of a CUDA graph like the work itself. pycuda's events cannot be those.
"""

import contextlib
import ctypes

from edge.infer.tensorrt.libcuda import Driver, DriverError

_EXTERNAL = 1  # CU_EVENT_RECORD_EXTERNAL: a node of the graph, recorded anew by each launch


class MarkError(DriverError):
    """A mark that could not be queued; the message says why."""


class Stopwatch:
    """Marks on a stream, by number, and the milliseconds between them. The context must be current in every call."""

    def __init__(self, marks: int) -> None:
        """Make the events. Raises DriverError."""
        self._driver = Driver()
        self._events: list[ctypes.c_void_p] = []
        try:
            for _ in range(marks):
                event = ctypes.c_void_p()
                self._driver.call("cuEventCreate", ctypes.byref(event), ctypes.c_uint(0))
                self._events.append(event)
        except DriverError:
            self.close()
            raise

    def mark(self, number: int, stream: int, *, recording: bool) -> None:
        """Queue mark `number` on the stream with this handle, which may be `recording` a graph. Raises MarkError."""
        event, queue = self._events[number], ctypes.c_void_p(stream)
        try:
            if recording:
                self._driver.call("cuEventRecordWithFlags", event, queue, ctypes.c_uint(_EXTERNAL))
            else:
                self._driver.call("cuEventRecord", event, queue)
        except DriverError as error:
            raise MarkError(str(error)) from error

    def between_ms(self) -> list[float]:
        """The time from each mark to the next, once the stream has passed the last one. Raises DriverError."""
        found, elapsed = [], ctypes.c_float()
        for before, after in zip(self._events, self._events[1:], strict=False):
            self._driver.call("cuEventElapsedTime", ctypes.byref(elapsed), before, after)
            found.append(elapsed.value)
        return found

    def close(self) -> None:
        """Let the events go; a dead GPU has let them go."""
        while self._events:
            with contextlib.suppress(DriverError):
                self._driver.call("cuEventDestroy_v2", self._events.pop())
