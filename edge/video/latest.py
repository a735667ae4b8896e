"""Hands frames from a capture thread to the one that tracks: the newest replaces older ones, and nothing is copied."""

import threading

from edge.types import Frame, Image


class Latest:
    """A place for one frame. `put` replaces the frame that waits there, unless `waits`: then it waits for its turn.

    `ready` is set whenever a frame is there; many places may share it. `dropped` counts the frames replaced. Pictures
    circulate: fill `spare()`, `put` it, and `give_back` what was taken; never more than three are in use.
    """

    def __init__(self, ready: threading.Event, *, waits: bool = False):
        self.dropped = 0
        self._ready = ready
        self._waits = waits
        self._frame: Frame | None = None
        self._spare: list[Image] = []
        self._closed = False
        self._changed = threading.Condition()

    def spare(self) -> Image | None:
        """A picture that is not in use, None where a new one is needed."""
        with self._changed:
            return self._spare.pop() if self._spare else None

    def put(self, frame: Frame) -> None:
        """Leave `frame` for the consumer."""
        with self._changed:
            while self._waits and self._frame is not None and not self._closed:
                self._changed.wait()
            if self._frame is not None:
                self.dropped += 1
                self._spare.append(self._frame.image)
            self._frame = frame
        self._ready.set()

    def take(self) -> Frame | None:
        """The newest frame, None where there is none that was not taken yet. Does not wait."""
        with self._changed:
            frame, self._frame = self._frame, None
            self._changed.notify_all()
        return frame

    @property
    def is_empty(self) -> bool:
        """Whether no frame waits."""
        return self._frame is None

    def give_back(self, image: Image) -> None:
        """Return the picture of a frame that was taken, for reuse."""
        with self._changed:
            self._spare.append(image)

    def close(self) -> None:
        """No frame is taken any more: a `put` that waits goes on."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
