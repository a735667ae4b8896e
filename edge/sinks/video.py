"""The annotated video: the frames with boxes, labels and trails drawn on them."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edge.drawing.painter import Painter
from edge.errors import OutputError
from edge.events import Event, Observed
from edge.sinks.encoder import encodable, open_encoder
from edge.types import Image, Tracks
from edge.video.opencv import cv2

SUFFIXES = (".mp4", ".mov", ".mkv", ".avi")
# An mp4 file can only be played once its index is written at the end. So this much space is kept free for it: the
# index of a frame (about 20 bytes in FFmpeg's files) and what encoder and file buffers may still hold.
_INDEX_BYTES = 64
_BUFFERED_BYTES = 1 << 18
_LONGEST_STILL_S = 10.0  # a longer pause is shortened to this


class AnnotatedVideo:
    """An `Output` that writes a video of constant rate to `path`, playable after every orderly or forced stop.

    It is H.264 where the program ffmpeg is there, see `edge.sinks.encoder`. It keeps the time of its frames: where one
    is late the picture before it stays, and of two in one place of the video the first is shown. Pictures of another
    size are fitted in. `size` is (width, height), `classes` the names to show, empty for none, and `with_scores` shows
    scores. Raises OutputError where it cannot be written, also before the disk is full, so that the video so far can
    still be finished.
    """

    def __init__(
        self, path: Path, size: tuple[int, int], frame_rate: float, classes: Sequence[str], *, with_scores: bool = False
    ):
        if path.suffix.lower() not in SUFFIXES:
            raise OutputError(f"{path}: expected a name that ends in {', '.join(SUFFIXES)}; choose one")
        try:
            path.open("wb").close()
        except OSError as error:
            raise OutputError(f"{path}: cannot write it: {error.strerror}; choose another place") from error
        self._path = path
        self._painter = Painter(frame_rate, classes, with_scores=with_scores)
        self._canvas = np.empty((size[1], size[0], 3), np.uint8)
        self._frames = 0
        self._rate = rate = encodable(frame_rate)
        self._began_s: float | None = None
        self._encoder = open_encoder(path, size, rate)
        self._closed = False

    def start(self) -> None:
        """See `Output.start`."""

    def write(self, events: Sequence[Event]) -> None:
        """See `Output.write`; frames without a picture are left out."""
        for event in events:
            if isinstance(event, Observed) and event.image is not None:
                self._wait_for(event.at.time_s)
                if self._place(event.at.time_s) >= self._frames:
                    self._draw(event.image, event.tracks)

    def _place(self, time_s: float) -> int:
        """Which frame of the video is shown at that time."""
        if self._began_s is None:
            self._began_s = time_s
        return round((time_s - self._began_s) * self._rate)

    def _wait_for(self, time_s: float) -> None:
        """Repeat the last picture until the video has come to that time."""
        missing = self._place(time_s) - self._frames
        if missing > _LONGEST_STILL_S * self._rate and self._began_s is not None:
            shortened = missing - round(_LONGEST_STILL_S * self._rate)
            self._began_s += shortened / self._rate
            missing -= shortened
        for _ in range(missing if self._frames else 0):
            self._write()

    def _draw(self, image: Image, tracks: Tracks) -> None:
        fits = image.shape == self._canvas.shape
        canvas = self._canvas if fits else np.empty_like(image)
        np.copyto(canvas, image)
        self._painter.paint(canvas, tracks)
        if not fits:
            _fit(canvas, self._canvas)
        self._write()

    def _write(self) -> None:
        self.require_room()
        self._encoder.write(self._canvas)
        self._frames += 1

    def close(self) -> None:
        """Finish the video and count its frames, for not every encoder reports errors. See `Output.close`."""
        if self._closed:
            return
        self._closed = True
        self._encoder.close()
        capture = cv2.VideoCapture(str(self._path), cv2.CAP_FFMPEG)
        found = int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) if capture.isOpened() else 0
        capture.release()
        if found < self._frames:
            raise OutputError(
                f"{self._path}: expected {self._frames} frames, found {found} after writing; free some disk space"
                " and run again"
            )

    def require_room(self, ahead: int = 0) -> None:
        """Return when the disk has room for the index, what the encoder still holds, and `ahead` more frames.

        Raises OutputError.
        """
        disk = os.statvfs(self._path.parent)
        so_far = self._path.stat().st_size if self._path.exists() else 0
        frame_bytes = max(self._canvas.nbytes // 8, so_far // max(1, self._frames))
        frames = ahead + self._encoder.holds
        needed = _INDEX_BYTES * (self._frames + frames) + _BUFFERED_BYTES + frames * frame_bytes
        free = disk.f_bavail * disk.f_frsize
        if free < needed:
            raise OutputError(
                f"{self._path}: disk almost full, expected at least {needed >> 10} KiB free, found {free >> 10}; the"
                f" {self._frames} frames so far are kept, free some space or choose another place"
            )


def _fit(picture: Image, canvas: Image) -> None:
    """Put `picture` into the middle of `canvas`, as large as it fits in, on black."""
    scale = min(canvas.shape[0] / picture.shape[0], canvas.shape[1] / picture.shape[1])
    height, width = (max(1, round(scale * side)) for side in picture.shape[:2])
    top, left = (canvas.shape[0] - height) // 2, (canvas.shape[1] - width) // 2
    canvas[:] = 0
    canvas[top : top + height, left : left + width] = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
