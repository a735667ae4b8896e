"""The annotated video: what was seen, with boxes, labels and trails drawn on it."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from edge.drawing.painter import Painter
from edge.errors import OutputError
from edge.events import Event, Observed
from edge.types import Image, Tracks
from edge.video.opencv import cv2

Underpaint = Callable[[Image, Tracks], None]

SUFFIXES = (".mp4", ".mov", ".mkv", ".avi")
# An mp4 file can only be played once its index is written at the end. So this much space is kept free for it: the
# index of a frame (about 20 bytes in FFmpeg's files) and what encoder and file buffers may still hold.
_INDEX_BYTES = 64
_BUFFERED_BYTES = 1 << 18


class AnnotatedVideo:
    """An `Output` that writes an MPEG-4 video of constant rate to `path`, playable after every orderly or forced stop.

    `size` is (width, height), `classes` the names to show, empty for none; `underpaint` draws onto the picture before
    the tracks are drawn. Raises OutputError where it cannot be written, also before the disk is full, so that the video
    so far can still be finished.
    """

    def __init__(
        self,
        path: Path,
        size: tuple[int, int],
        frame_rate: float,
        classes: Sequence[str],
        underpaint: Underpaint | None = None,
    ):
        if path.suffix.lower() not in SUFFIXES:
            raise OutputError(f"{path}: expected a name that ends in {', '.join(SUFFIXES)}; choose one")
        try:
            path.open("wb").close()
        except OSError as error:
            raise OutputError(f"{path}: cannot write it: {error.strerror}; choose another place") from error
        self._path = path
        self._painter = Painter(frame_rate, classes)
        self._underpaint = underpaint
        self._canvas = np.empty((size[1], size[0], 3), np.uint8)
        self._frames = 0
        self._writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"mp4v"), frame_rate, size)
        if not self._writer.isOpened():
            raise OutputError(
                f"{path}: the MPEG-4 encoder refuses {size[0]}x{size[1]} at {frame_rate:g} frames a second"
            )

    def start(self) -> None:
        """See `Output.start`."""

    def write(self, events: Sequence[Event]) -> None:
        """See `Output.write`; frames without a picture are left out."""
        for event in events:
            if isinstance(event, Observed) and event.image is not None:
                self._draw(event.image, event.tracks)

    def _draw(self, image: Image, tracks: Tracks) -> None:
        self._require_free_space()
        np.copyto(self._canvas, image)
        if self._underpaint is not None:
            self._underpaint(self._canvas, tracks)
        self._painter.paint(self._canvas, tracks)
        self._writer.write(self._canvas)
        self._frames += 1

    def close(self) -> None:
        """Finish the video and count its frames, for the encoder reports no errors. See `Output.close`."""
        if not self._writer.isOpened():
            return
        self._writer.release()
        capture = cv2.VideoCapture(str(self._path), cv2.CAP_FFMPEG)
        found = int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) if capture.isOpened() else 0
        capture.release()
        if found < self._frames:
            raise OutputError(
                f"{self._path}: expected {self._frames} frames, found {found} after writing; make room on the disk"
                " and run again"
            )

    def _require_free_space(self) -> None:
        disk = os.statvfs(self._path.parent)
        needed = _INDEX_BYTES * self._frames + _BUFFERED_BYTES + self._canvas.nbytes // 8
        free = disk.f_bavail * disk.f_frsize
        if free < needed:
            raise OutputError(
                f"{self._path}: disk almost full, expected at least {needed >> 10} KiB free, found {free >> 10}; the"
                f" {self._frames} frames so far are kept, free some space or choose another place"
            )
