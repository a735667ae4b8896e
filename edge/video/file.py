"""Frames of a video file, decoded by FFmpeg inside OpenCV, with the time stamps of the container."""

from collections.abc import Sequence
from pathlib import Path

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
        self._number = 0
        self._stamp_s = -1.0  # the container's own time of the newest frame, from the first one's on

    def read(self, buffer: Image | None) -> Frame | None:
        """The next frame, decoded into `buffer`; None after the last. See `Source.read`."""
        read, image = self._capture.read(buffer)
        if not read:
            self._check_complete()
            return None
        self._number += 1
        stamp_s = float(self._capture.get(cv2.CAP_PROP_POS_MSEC)) / 1000
        # Where time stamps do not advance, a frame is one nominal frame after the previous.
        self._stamp_s = stamp_s if stamp_s > self._stamp_s else self._stamp_s + 1 / self._rate
        return Frame(image, self._number, (self._number - 1) / self.frame_rate if self._own_clock else self._stamp_s)

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
