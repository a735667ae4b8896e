"""The contract of a source: where frames come from."""

from typing import Protocol

from edge.types import Frame, Image


class Source(Protocol):
    """A finite or endless row of frames, read by one thread.

    `size` is (width, height) in pixels, that of the first frame where it changes; `frame_rate` the nominal frames a
    second; `frame_count` the expected length, None where it is not known. `is_live`: frames come at a camera's pace and
    are lost where they are not read in time. The others are recordings: nothing is lost, however late they are read.
    """

    @property
    def size(self) -> tuple[int, int]: ...

    @property
    def frame_rate(self) -> float: ...

    @property
    def frame_count(self) -> int | None: ...

    @property
    def is_live(self) -> bool: ...

    def read(self, buffer: Image | None) -> Frame | None:
        """The next frame, None after the last, or where a camera is silent for too long.

        Its picture lies in `buffer` (uint8 `[H, W, 3]`) where that fits, else in a new array. Its time is that of its
        capture: of a live source on the clock that it was opened with, of a recording from 0 on, as it was recorded.
        Raises DataError where the data is broken or ends too early.
        """

    def close(self) -> None:
        """Release what is held open; harmless when called again."""
