"""Video encoders: H.264, which browsers play, by the program ffmpeg where it is installed; MPEG-4 by OpenCV elsewhere.

OpenCV's own FFmpeg has no H.264 encoder, and gives its VP9 encoder no options: half a second a frame at 1920x1080.
"""

import functools
import logging
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import IO, Protocol

import numpy as np

from edge.errors import OutputError
from edge.types import Image
from edge.video.opencv import cv2

logger = logging.getLogger(__name__)

# What H.264 may lie in; an .avi keeps MPEG-4, as old players expect.
_H264_SUFFIXES = (".mp4", ".mov", ".mkv")
# MPEG-4 has 16 bits for the numerator of a rate, which OpenCV writes as a decimal fraction.
_MOST_TICKS = 65535
_STOP_S = 60.0  # for the index of a long video on a slow card


class Encoder(Protocol):
    """Writes pictures of one size to a file. `holds` is how many it may have taken and not written yet."""

    holds: int

    def write(self, picture: Image) -> None:
        """Append a picture (uint8 `[H, W, 3]`, BGR). Raises OutputError where the encoder has failed."""

    def close(self) -> None:
        """Finish the file; harmless when called again. Raises OutputError where the encoder has failed."""


def open_encoder(path: Path, size: tuple[int, int], frame_rate: float) -> Encoder:
    """The best encoder here for `path`; `size` is (width, height), `frame_rate` one of `encodable`.

    Raises OutputError where it refuses.
    """
    if path.suffix.lower() in _H264_SUFFIXES:
        if has_h264():
            return _Ffmpeg(path, size, frame_rate)
        logger.warning("%s: written as MPEG-4, which browsers do not play; apt install ffmpeg brings H.264", path)
    return _OpenCv(path, size, frame_rate)


@functools.cache
def has_h264() -> bool:
    """Whether the program ffmpeg is there and has an H.264 encoder: it is asked to encode one tiny frame."""
    program = shutil.which("ffmpeg")
    if program is None:
        return False
    one_frame = ("-f", "lavfi", "-i", "color=size=64x64:rate=1:duration=1")
    command = [program, *_QUIET, *one_frame, *_H264, "-f", "null", "-"]  # which a build without libx264 refuses
    try:
        return subprocess.run(command, capture_output=True, timeout=_STOP_S, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


_QUIET = ("-hide_banner", "-loglevel", "error", "-nostdin")
# Browsers play 4:2:0 only, which wants even sides. The fastest preset: the processor is for the network.
_H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "23", "-threads", "1", "-pix_fmt", "yuv420p")
_EVEN = ("-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2")


class _Ffmpeg:
    """H.264 by the program ffmpeg, fed through a pipe.

    It has a session of its own, so that Ctrl-C does not reach it, and finishes the file when the pipe ends: also when
    this process is killed.
    """

    holds = 4  # one in the pipe, one in work, the rest for good measure

    def __init__(self, path: Path, size: tuple[int, int], frame_rate: float):
        self._path = path
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  as long as the program runs
        raw = ("-f", "rawvideo", "-pix_fmt", "bgr24", "-s", f"{size[0]}x{size[1]}", "-r", f"{frame_rate:g}")
        target = f"file:{path.absolute()}"
        even = _EVEN if size[0] % 2 or size[1] % 2 else ()
        command = ["ffmpeg", *_QUIET, "-y", *raw, "-i", "pipe:0", *even, *_H264, "-an", target]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=self._said, start_new_session=True
        )

    def write(self, picture: Image) -> None:
        """See `Encoder.write`."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(np.ascontiguousarray(picture).data)
        except OSError as error:  # a broken pipe: it has ended, and says why
            raise self._failure() from error

    def close(self) -> None:
        """See `Encoder.close`."""
        if self._said.closed:
            return
        try:
            assert self._process.stdin is not None
            try:
                self._process.stdin.close()
            except OSError as error:
                raise self._failure() from error
            if self._process.wait(_STOP_S):
                raise self._failure()
        except subprocess.TimeoutExpired as error:
            self._process.kill()
            self._process.wait()
            raise OutputError(
                f"{self._path}: the encoder did not finish within {_STOP_S:g} s; look at the disk"
            ) from error
        finally:
            self._said.close()

    def _failure(self) -> OutputError:
        self._process.wait(_STOP_S)
        self._said.seek(0)
        lines = self._said.read(4000).decode("utf-8", "replace").strip().splitlines() or ["it does not say why"]
        return OutputError(f"{self._path}: ffmpeg ended while writing: {lines[-1]}; free some disk space and run again")


class _OpenCv:
    """MPEG-4 (part 2) by FFmpeg inside OpenCV, which reports no errors while it writes."""

    holds = 1

    def __init__(self, path: Path, size: tuple[int, int], frame_rate: float):
        fourcc = cv2.VideoWriter.fourcc(*"mp4v")
        self._writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, fourcc, frame_rate, size)
        if not self._writer.isOpened():
            raise OutputError(
                f"{path}: the MPEG-4 encoder refuses {size[0]}x{size[1]} at {frame_rate:g} frames a second"
            )

    def write(self, picture: Image) -> None:
        """See `Encoder.write`."""
        self._writer.write(picture)

    def close(self) -> None:
        """See `Encoder.close`."""
        self._writer.release()


def encodable(frame_rate: float) -> float:
    """The rate nearest to `frame_rate` that OpenCV's MPEG-4 encoder takes: 66.667 is too exact, 66.67 is not."""
    for digits in (3, 2, 1):
        rate = round(frame_rate, digits)
        if rate * 10**digits <= _MOST_TICKS:
            return rate
    return float(round(frame_rate))
