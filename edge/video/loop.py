"""A recording without an end: a source that is opened again where it ends."""

from collections.abc import Callable

from edge.types import Frame, Image
from edge.video.source import Source


class Looped:
    """What `open_one` opens, again and again; frame numbers and times go on. See `Source`.

    `read` gives None only where an opened source has no frame at all. Raises what `open_one` raises.
    """

    is_live = False

    def __init__(self, open_one: Callable[[], Source]):
        self._open_one = open_one
        self._source = open_one()
        self.size, self.frame_rate, self.frame_count = self._source.size, self._source.frame_rate, None
        self._number = 0
        self._time_s = self._start_s = 0.0

    def read(self, buffer: Image | None) -> Frame | None:
        """The next frame, after the last one the first again. See `Source.read`."""
        frame = self._source.read(buffer)
        if frame is None:
            self._source.close()
            self._source = self._open_one()
            self._start_s = self._time_s + 1 / self.frame_rate
            frame = self._source.read(buffer)
        if frame is None:
            return None
        self._number += 1
        self._time_s = self._start_s + frame.time_s
        return Frame(frame.image, self._number, self._time_s)

    def close(self) -> None:
        """Close what is open."""
        self._source.close()
