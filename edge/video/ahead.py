"""Decoding ahead: a source read by its own thread, so that decoding and inference overlap."""

import queue
import threading
from collections import deque
from collections.abc import Iterator

import numpy as np

from edge.spans import Spans
from edge.types import Frame, Image
from edge.video.source import Source

# One waiting, one being decoded; more would only add memory.
_AHEAD = 2
_STOP_S = 5.0


class Ahead:
    """The frames of a recording, decoded by a thread of its own into a few reused buffers. Iterate once, then close.

    A frame's image may be reused once `in_use` more were asked for. Nothing is dropped: the thread waits where the
    consumer is slower. An error of the source is raised where the consumer would have met it, after the frames before
    it.
    Span `decode` times the thread, span `wait` what the consumer waits for it.
    """

    def __init__(self, source: Source, spans: Spans, in_use: int = 1):
        self._source = source
        self._decode, self._wait = spans["decode"], spans["wait"]
        width, height = source.size
        self._free: queue.SimpleQueue[Image | None] = queue.SimpleQueue()
        self._in_use = in_use
        for _ in range(in_use + _AHEAD):
            self._free.put(np.empty((height, width, 3), np.uint8))
        self._ready: queue.SimpleQueue[tuple[Frame, Image] | Exception | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="decode", daemon=True)

    def __iter__(self) -> Iterator[Frame]:
        self._thread.start()
        lent: deque[Image] = deque()
        while True:
            if len(lent) == self._in_use:
                self._free.put(lent.popleft())
            with self._wait:
                item = self._ready.get()
            if item is None:
                return
            if isinstance(item, Exception):
                raise item
            frame, buffer = item
            lent.append(buffer)
            yield frame

    def close(self) -> None:
        """Stop the thread, at most a few frames later, and close the source."""
        self._free.put(None)
        if self._thread.is_alive():
            self._thread.join(_STOP_S)
        if not self._thread.is_alive():  # one that waits for a silent pipe ends with the process
            self._source.close()

    def _run(self) -> None:
        try:
            while (buffer := self._free.get()) is not None:
                with self._decode:
                    frame = self._source.read(buffer)
                if frame is None:
                    break
                self._ready.put((frame, buffer))
            self._ready.put(None)
        except Exception as error:  # noqa: BLE001  a thread's edge: the consumer raises it
            self._ready.put(error)
