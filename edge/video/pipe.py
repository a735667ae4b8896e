"""A video that comes through a pipe: standard input or a FIFO.

As in `ffmpeg ... -f matroska - | nanotrack track --path -`. OpenCV opens one source at a time in the whole process, so
one that blocks would block every other camera. It gets a pipe only once there is something in it, and one that does not
block.
"""

import os
import select
import sys
from pathlib import Path

from edge.errors import NotFoundError, UsageError
from edge.video.file import VideoFile
from edge.video.opencv import cv2

_HEAD_MS = 30_000  # the beginning of a video must come within this time
_PAUSE_MS = 86_400_000  # and the rest of it may pause for a day


class Pipe(VideoFile):
    """The video in the pipe `descriptor`, read once, front to back, and closed with it. See `VideoFile`.

    Containers that need no seeking: Matroska, MPEG-TS, NUT, AVI, FLV.
    """

    def __init__(self, descriptor: int, frame_rate: float | None, name: str):
        self._descriptor = descriptor
        select.select([descriptor], [], [])
        os.set_blocking(descriptor, False)
        limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _HEAD_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, _PAUSE_MS]
        super().__init__(f"pipe:{descriptor}", frame_rate, name=name, limits=limits)

    def close(self) -> None:
        """See `Source.close`."""
        super().close()
        if self._descriptor > 0:
            os.close(self._descriptor)
            self._descriptor = 0


def open_stdin(frame_rate: float | None = None) -> Pipe:
    """The video of standard input. Raises UsageError where it is a terminal, DataError where no video comes."""
    if sys.__stdin__ is None or sys.__stdin__.isatty():
        raise UsageError("-: expected a video on standard input, found a terminal; pipe one into it")
    return Pipe(0, frame_rate, "standard input")


def open_fifo(path: Path, frame_rate: float | None = None) -> Pipe:
    """The video that is written into a FIFO, waited for. Raises NotFoundError, or DataError for no video."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError as error:
        raise NotFoundError(f"{path}: cannot read it: {error.strerror}") from error
    return Pipe(descriptor, frame_rate, str(path))
