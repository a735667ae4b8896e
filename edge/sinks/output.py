"""Where results go: the contract of an output, for the files of `nanotrack track` and the daemon's outputs alike."""

from collections.abc import Sequence
from typing import Protocol

from edge.errors import OutputError
from edge.events import Event


class LossError(OutputError):
    """An output took some events and lost `lost` of them, perhaps ones that it took earlier."""

    def __init__(self, text: str, lost: int):
        super().__init__(text)
        self.lost = lost


class WindowClosed(Exception):
    """Somebody closed the window in which a run is shown: a wish to end it."""


class Output(Protocol):
    """A receiver of events, in order, by one thread.

    What was written stays valid whatever happens next.
    """

    def start(self) -> None:
        """Called once before anything is written, when an output that this one replaces has ended."""

    def write(self, events: Sequence[Event]) -> None:
        """Take the events; pictures and arrays in them are only valid during the call. There are none where nothing has
        come for a while: time to tidy up.

        Raises OutputError where all of them are lost, LossError where some are.
        """

    def close(self) -> None:
        """Finish the output; harmless when called again. Raises OutputError where it turns out incomplete."""
