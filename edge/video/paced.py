"""A recording played as if a camera filmed it now."""

import threading
import time
from collections.abc import Callable

from edge.types import Frame, Image
from edge.video.source import Source

# A recording that fell this far behind goes on from now instead of hurrying after its time.
_BEHIND_S = 1.0


class Paced:
    """The frames of `source` one by one when their time has come, with times of `clock`. See `Source`.

    The time between two frames is that of the recording, also where it varies.
    """

    is_live = True

    def __init__(
        self,
        source: Source,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] | None = None,
    ):
        self.size, self.frame_rate, self.frame_count = source.size, source.frame_rate, source.frame_count
        self._source = source
        self._clock = clock
        self._closed = threading.Event()
        self._sleep = sleep or self._closed.wait
        self._began_s: float | None = None  # when the recording's time was 0

    def read(self, buffer: Image | None) -> Frame | None:
        """See `Source.read`."""
        frame = self._source.read(buffer)
        if frame is None:
            return None
        if self._began_s is None:
            self._began_s = self._clock() - frame.time_s
        wait_s = self._began_s + frame.time_s - self._clock()
        if wait_s > 0:
            self._sleep(wait_s)
        elif wait_s < -_BEHIND_S:
            self._began_s -= wait_s
        return Frame(frame.image, frame.number, self._clock())

    def close(self) -> None:
        """See `Source.close`."""
        self._closed.set()
        self._source.close()
