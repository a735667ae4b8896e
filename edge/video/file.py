"""Frames of a video file, decoded by FFmpeg inside OpenCV, with the time stamps of the container."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from edge.errors import DataError, NotFoundError
from edge.types import Frame, Image
from edge.video.container import promised_s
from edge.video.opencv import cv2

# A video breaks off where its last time stamp falls short of what the file promises by more than this share, and more
# than a few frames: some containers only estimate their length, and the last frame may be shown for longer.
_TOLERANCE = 0.02
_LAST_FRAMES = 2.5
_FALLBACK_RATE = 30.0


class VideoFile:
    """A video file, or `address`, another thing that FFmpeg reads front to back, as a source; see `Source`.

    `name` is for messages, `limits` are more of OpenCV's parameters. Frames are decoded straight into the given buffer.
    FFmpeg inside OpenCV scales all pictures to the size of the first. Raises NotFoundError or DataError when opened.
    """

    is_live = False

    def __init__(
        self, address: str | Path, frame_rate: float | None = None, *, name: str = "", limits: Sequence[int] = ()
    ):
        self.name = name or str(address)
        if not name:
            _check_file(Path(address))
        # One decoding thread: it runs beside inference, which has its own.
        self._capture = cv2.VideoCapture(str(address), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1, *limits])
        self.size = (self._whole(cv2.CAP_PROP_FRAME_WIDTH), self._whole(cv2.CAP_PROP_FRAME_HEIGHT))
        if not self._capture.isOpened() or min(self.size) <= 0:
            raise DataError(
                f"{self.name}: expected a video, found no picture stream that FFmpeg can read; convert it, for example"
                " to H.264 in mp4, or copy it again if the copy was cut short"
            )
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self._rate = rate if 0 < rate < 1000 else _FALLBACK_RATE
        self.frame_rate = frame_rate or self._rate
        self._own_clock = frame_rate is not None
        count = self._whole(cv2.CAP_PROP_FRAME_COUNT)
        self._promised_s = 0.0 if name or rate <= 0 else promised_s(Path(address), count / rate)
        shown = min(count, round(self._promised_s * self._rate)) if self._promised_s else count
        self.frame_count = shown if shown > 0 else None
        self._is_looked_at: Callable[[float], bool] | None = None
        self._number = 0
        self._stamp_s = -1.0  # the container's own time of the newest frame, from the first one's on

    def look_at(self, wanted: Callable[[float], bool]) -> None:
        """Leave out the pictures, black without memory, of frames at whose time `wanted` is false; asked once for each.

        They are decoded nevertheless, since others are made of them, but not turned into BGR pixels.
        """
        self._is_looked_at = wanted

    def read(self, buffer: Image | None) -> Frame | None:
        """The next frame, decoded into `buffer`; None after the last. See `Source.read`."""
        if not self._capture.grab():
            self._check_complete()
            return None
        stamp_s = float(self._capture.get(cv2.CAP_PROP_POS_MSEC)) / 1000
        # Where time stamps do not advance, a frame is one nominal frame after the previous.
        stamp_s = stamp_s if stamp_s > self._stamp_s else self._stamp_s + 1 / self._rate
        time_s = self._number / self.frame_rate if self._own_clock else stamp_s
        if self._is_looked_at is None or self._is_looked_at(time_s):
            read, image = self._capture.retrieve(buffer)
            if not read:
                self._check_complete()
                return None
        else:
            width, height = self.size
            image = np.broadcast_to(np.zeros(3, np.uint8), (height, width, 3))
        self._number, self._stamp_s = self._number + 1, stamp_s
        return Frame(image, self._number, time_s)

    def close(self) -> None:
        """Release the file."""
        self._capture.release()

    def _check_complete(self) -> None:
        if self._number == 0:
            raise DataError(f"{self.name}: expected frames, found none that can be decoded; convert the file")
        missing_s = self._promised_s - (self._stamp_s + 1 / self._rate)
        if missing_s > max(_LAST_FRAMES / self._rate, _TOLERANCE * self._promised_s):
            raise DataError(
                f"{self.name}: breaks off after frame {self._number} of {self.frame_count}; the results so far are"
                " kept, copy the file again for the rest"
            )

    def _whole(self, key: int) -> int:
        value = self._capture.get(key)
        return int(value) if 0 < value < 2**53 else 0


def _check_file(path: Path) -> None:
    """Raise NotFoundError where nothing can be read, DataError for an empty file.

    A file system that is away blocks here, and no other.
    """
    try:
        with path.open("rb") as file:
            is_empty = not file.read(1)
    except OSError as error:
        raise NotFoundError(
            f"{path}: expected a video file, an image folder or a glob of images, found none: {error.strerror}"
        ) from error
    if is_empty:
        raise DataError(f"{path}: expected a video, found an empty file; copy it again")
