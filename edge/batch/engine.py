"""What an engine is: it takes recordings, and tells how each one ended."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from edge.batch.recording import Recording
from edge.batch.worker import Outcome


class Ended(NamedTuple):
    """A recording that an engine is done with."""

    recording: Recording
    outcome: Outcome


class Part(NamedTuple):
    """Of a recording in work, the seconds of video that are done, and the share of it, 0..1."""

    recording: Recording
    video_s: float
    share: float


class Engine(Protocol):
    """Workers somewhere. One thread uses it."""

    @property
    def workers(self) -> int:
        """How many recordings can be in work at once."""

    @property
    def is_free(self) -> bool:
        """Whether another recording can be given now."""

    def submit(self, recording: Recording) -> None:
        """Begin with a recording; only where `is_free`."""

    def wait(self, timeout_s: float) -> list[Ended]:
        """Those that ended, as soon as there are some, at the latest after `timeout_s`."""

    def in_work(self) -> Sequence[Part]:
        """What is done of the recordings in work, as far as is known."""

    def rest(self) -> None:
        """No more recordings will come unless one in work fails: what is idle may be given to others."""

    def close(self) -> None:
        """End all workers at once; what is in work is given up."""
