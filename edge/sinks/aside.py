"""An output in a thread of its own behind a short queue that loses nothing: drawing and encoding beside tracking."""

import dataclasses
import queue
import threading
from collections.abc import Callable, Sequence

import numpy as np

from edge.drawing.painter import Underpaint
from edge.errors import OutputError
from edge.events import Event, Observed
from edge.sinks.output import Output
from edge.spans import Span
from edge.types import Image, Tracks

# Pictures that wait at most: enough to bridge a slow frame, 50 MB at 1920x1080.
CAPACITY = 8


class Aside:
    """`output` behind a queue of `CAPACITY` pictures; `write` copies, and waits only where the queue is full.

    `prepare` is called with the copied picture and its tracks before it is queued, for what must be drawn while the
    frame is in hand. `require_room` is called before that with the number of pictures that may wait, and raises
    OutputError where the disk has no room for them: all that was taken can then still be written. `span` times the
    thread. An error of the output is raised by the next `write` or by `close`, after everything before it was written;
    what comes after it is lost.
    """

    def __init__(
        self,
        output: Output,
        span: Span,
        prepare: Underpaint | None = None,
        require_room: Callable[[int], None] | None = None,
    ):
        self._output, self._span, self._prepare, self._require_room = output, span, prepare, require_room
        self._waiting: queue.SimpleQueue[list[Event] | None] = queue.SimpleQueue()
        self._places = threading.Semaphore(CAPACITY)
        self._spare: queue.SimpleQueue[Image] = queue.SimpleQueue()
        self._error: Exception | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="output aside", daemon=True)

    def start(self) -> None:
        """See `Output.start`."""
        self._output.start()
        self._thread.start()

    def write(self, events: Sequence[Event]) -> None:
        """See `Output.write`."""
        self._raise()
        if self._require_room is not None:
            self._require_room(CAPACITY)
        self._waiting.put([self._kept(event) for event in events])

    def close(self) -> None:
        """Write what waits and finish the output. See `Output.close`."""
        if not self._closed:
            self._closed = True
            self._waiting.put(None)
            if self._thread.ident is not None:
                self._thread.join()
        try:
            self._output.close()
        except OutputError:
            if self._error is None:  # the first one is the cause
                raise
        self._raise()

    def _raise(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _kept(self, event: Event) -> Event:
        """The event with arrays of its own, where it has pictures and tracks."""
        if not isinstance(event, Observed) or event.image is None:
            return event
        self._places.acquire()
        try:
            picture = self._spare.get_nowait()
        except queue.Empty:
            picture = np.empty_like(event.image)
        if picture.shape != event.image.shape:
            picture = np.empty_like(event.image)
        np.copyto(picture, event.image)
        tracks = Tracks(*(getattr(event.tracks, name).copy() for name in Tracks.__slots__))
        if self._prepare is not None:
            self._prepare(picture, tracks)
        return dataclasses.replace(event, image=picture, tracks=tracks)

    def _run(self) -> None:
        broken = False
        while (events := self._waiting.get()) is not None:
            if not broken:
                try:
                    with self._span:
                        self._output.write(events)
                except Exception as error:  # noqa: BLE001  a thread's edge: the next write raises it
                    self._error, broken = error, True
            for event in events:
                if isinstance(event, Observed) and event.image is not None:
                    self._spare.put(event.image)
                    self._places.release()
