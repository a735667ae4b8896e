"""The frames of a camera, read by a thread of its own: whoever is slower than the camera gets the newest."""

import threading
from collections.abc import Iterator

from edge.errors import NotFoundError
from edge.spans import Spans
from edge.types import Frame
from edge.video.latest import Latest
from edge.video.source import Source

_STOP_S = 5.0


class Newest:
    """The frames of a live source. Iterate once, then close; frames that came too fast are left out and counted.

    A frame's image may be reused once the next frame was asked for. Span `decode` times the thread, span `wait` what
    the consumer waits for it. `name` is for messages. Iterating raises NotFoundError where the camera sends no more,
    and what the source raises.
    """

    def __init__(self, source: Source, spans: Spans, name: str):
        self._source, self._name = source, name
        self._decode, self._wait = spans["decode"], spans["wait"]
        self._ready, self._stop = threading.Event(), threading.Event()
        self._slot = Latest(self._ready)
        self._error: Exception | None = None
        self._is_over = False
        self._thread = threading.Thread(target=self._run, name="decode", daemon=True)

    @property
    def dropped(self) -> int:
        """How many frames were left out so far."""
        return self._slot.dropped

    def __iter__(self) -> Iterator[Frame]:
        self._thread.start()
        while True:
            with self._wait:
                frame = self._next()
            if frame is None:
                break
            yield frame
            self._slot.give_back(frame.image)
        if self._error:
            raise self._error

    def close(self) -> None:
        """Stop the thread and close the source."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(_STOP_S)
        if not self._thread.is_alive():  # one that waits in a driver ends with the process
            self._source.close()

    def _next(self) -> Frame | None:
        while True:
            self._ready.clear()
            is_over = self._is_over  # asked before the last frame is, and after that it is said again
            if (frame := self._slot.take()) is not None or is_over:
                return frame
            self._ready.wait()

    def _run(self) -> None:
        count = 0
        try:
            while not self._stop.is_set():
                with self._decode:
                    frame = self._source.read(self._slot.spare())
                if frame is None:
                    raise NotFoundError(
                        f"{self._name}: sends no more pictures after frame {count}; the results so far are kept, look"
                        " after the camera and the network"
                    )
                count = frame.number
                self._slot.put(frame)
        except Exception as error:  # noqa: BLE001  a thread's edge: the consumer raises it
            self._error = error
        self._is_over = True
        self._ready.set()
