"""Where tracks go: the contract of a sink."""

from typing import Protocol

from edge.types import Frame, Tracks


class Sink(Protocol):
    """A receiver of every frame's tracks, in order, by one thread.

    What was written stays valid whatever happens next. A frame replayed without a picture has an image of 0 x 0 pixels.
    """

    def write(self, frame: Frame, tracks: Tracks) -> None:
        """Take one frame; arrays and image are only valid during the call. Raises OutputError."""

    def close(self) -> None:
        """Finish the output; harmless when called again. Raises OutputError where it turns out incomplete."""
