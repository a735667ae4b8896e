"""Frames of a video file, decoded by FFmpeg inside OpenCV, with the time stamps of the container."""

from pathlib import Path

from edge.errors import DataError, NotFoundError
from edge.types import Frame, Image
from edge.video.opencv import cv2

# Where the container has no index, its frame count is only duration times mean rate; fewer missing frames than this
# share are not taken for a broken file.
_COUNT_TOLERANCE = 0.02
_FALLBACK_RATE = 30.0


class VideoFile:
    """A video file as a source; see `Source`. Frames are decoded straight into the given buffer.

    Raises NotFoundError or DataError when opened.
    """

    def __init__(self, path: Path, frame_rate: float | None = None):
        try:
            path.open("rb").close()
        except OSError as error:
            raise NotFoundError(
                f"{path}: expected a video file, an image folder or a glob of images, found none: {error.strerror}"
            ) from error
        # One decoding thread: it runs beside inference, which has its own.
        self._capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
        self.path = path
        self.size = (self._whole(cv2.CAP_PROP_FRAME_WIDTH), self._whole(cv2.CAP_PROP_FRAME_HEIGHT))
        if not self._capture.isOpened() or min(self.size) <= 0:
            raise DataError(
                f"{path}: expected a video, found no picture stream that FFmpeg can read; convert it, for example to"
                " H.264 in mp4, or copy it again if the copy was cut short"
            )
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.frame_rate = frame_rate or (rate if 0 < rate < 1000 else _FALLBACK_RATE)
        self._own_clock = frame_rate is not None
        count = self._whole(cv2.CAP_PROP_FRAME_COUNT)
        self.frame_count = count if count > 0 else None
        self._number = 0
        self._time_s = -1.0

    def read(self, buffer: Image) -> Frame | None:
        """The next frame, decoded into `buffer`; None after the last. See `Source.read`."""
        read, image = self._capture.read(buffer)
        if not read:
            self._check_complete()
            return None
        if image.shape[1::-1] != self.size:
            raise DataError(
                f"{self.path}: expected {self.size[0]}x{self.size[1]} throughout, found"
                f" {image.shape[1]}x{image.shape[0]} after frame {self._number}; cut the video there"
            )
        self._number += 1
        self._time_s = self._advance()
        return Frame(image, self._number, self._time_s)

    def close(self) -> None:
        """Release the file."""
        self._capture.release()

    def _advance(self) -> float:
        """The container's time stamp; where it does not advance, one nominal frame after the previous."""
        if self._own_clock:
            return (self._number - 1) / self.frame_rate
        time_s = float(self._capture.get(cv2.CAP_PROP_POS_MSEC)) / 1000
        return time_s if time_s > self._time_s else self._time_s + 1 / self.frame_rate

    def _check_complete(self) -> None:
        if self._number == 0:
            raise DataError(f"{self.path}: expected frames, found none that can be decoded; convert the file")
        count = self.frame_count or 0
        if self._number < count - max(2, _COUNT_TOLERANCE * count):
            raise DataError(
                f"{self.path}: breaks off after frame {self._number} of {count}; the results so far are kept, copy the"
                " file again for the rest"
            )

    def _whole(self, key: int) -> int:
        value = self._capture.get(key)
        return int(value) if 0 < value < 2**53 else 0
