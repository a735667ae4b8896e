"""A recording read as if it were a camera: each frame at its time, and the newest when one is asked for."""

import threading
import time
from collections.abc import Iterator

import numpy as np

from edge.spans import Spans
from edge.types import Frame, Image
from edge.video.source import Source

# One frame in use, the newest, one being decoded.
_BUFFERS = 3


class Camera:
    """The frames of an endless `source` at its frame rate, with the moment each was due. Iterate once, then close.

    A frame that was not asked for before the next one came is dropped; so are those for which decoding was too slow.
    `offered` counts the frames that were due, `dropped` those that were not handed out.
    """

    def __init__(self, source: Source, spans: Spans):
        self._source = source
        self._decode, self._wait = spans["decode"], spans["wait"]
        width, height = source.size
        self._free = [np.empty((height, width, 3), np.uint8) for _ in range(_BUFFERS)]
        self._newest: tuple[Frame, Image, float] | None = None
        self._ended = False
        self._error: Exception | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="camera", daemon=True)
        self.offered = 0
        self.dropped = 0

    def __iter__(self) -> Iterator[tuple[Frame, float]]:
        """Frames and when they were due, in seconds of `time.perf_counter`."""
        self._thread.start()
        while True:
            with self._wait, self._changed:
                self._changed.wait_for(lambda: self._newest or self._ended)
                if self._newest is None:
                    break
                (frame, buffer, due_s), self._newest = self._newest, None
            yield frame, due_s
            with self._changed:
                self._free.append(buffer)
        if self._error:
            raise self._error

    def close(self) -> None:
        """Stop the thread and close the source."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()
        self._source.close()

    def _run(self) -> None:
        try:
            period_s, start_s = 1 / self._source.frame_rate, time.perf_counter()
            while self._sleep_until(due_s := start_s + self.offered * period_s):
                with self._changed:
                    buffer = self._free.pop()
                with self._decode:
                    frame = self._source.read(buffer)
                if frame is None:
                    break
                late = int((time.perf_counter() - due_s) / period_s)  # a camera does not wait for its decoder
                with self._changed:
                    self.offered += 1 + late
                    self.dropped += late
                    if self._newest is not None:
                        self.dropped += 1
                        self._free.append(self._newest[1])
                    self._newest = frame, buffer, due_s
                    self._changed.notify_all()
        except Exception as error:  # noqa: BLE001  a thread's edge: the consumer raises it
            self._error = error
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _sleep_until(self, due_s: float) -> bool:
        """Wait; False when it is time to stop."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or time.perf_counter() >= due_s, 0)
            while not self._ended and (rest_s := due_s - time.perf_counter()) > 0:
                self._changed.wait(rest_s)
            return not self._ended
