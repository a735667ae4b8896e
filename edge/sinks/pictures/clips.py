"""Clips: some seconds before and after an event, as a video that browsers play (WebM with VP8).

The seconds before are kept as JPEG, in memory and bounded. Which frames belong to which clip is decided where frames
come from, see `edge.service.pictures`.
"""

import contextlib
import os
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from edge.console.native import native_messages
from edge.drawing.painter import Painter
from edge.errors import OutputError
from edge.events import CameraChanged, Event, FileSaved, Moment, Observed, Origin
from edge.settings.config import Clips as Settings
from edge.sinks.pictures.folder import PictureFolder
from edge.types import Image
from edge.video.opencv import cv2

RATE = 5.0  # frames a second
LONGEST_PX = 640  # the longer side of the picture
_RING_BYTES = 16 << 20
_QUALITY = 80
_LONGEST_STILL_S = 5.0  # a longer pause is shortened to this


class Clips:
    """An `Output` of the frames that the daemon leaves for clips; `emit` is told of each file that was written.

    Pictures come as they shall be seen, reduced and with masks; boxes are in their pixels. Raises OutputError.
    """

    def __init__(self, settings: Settings, emit: Callable[[Event], None]):
        self._settings, self._emit = settings, emit
        self._folder = PictureFolder(
            Path(settings.folder), "webm", settings.keep_days, settings.max_mib, settings.free_mib
        )
        self._cameras: dict[str, _Camera] = {}

    def start(self) -> None:
        """See `Output.start`. Raises OutputError."""
        self._folder.open()

    def write(self, events: Sequence[Event]) -> None:
        """See `Output.write`."""
        self._folder.tidy()
        for event in events:
            camera = self._cameras.get(event.origin.run)
            if isinstance(event, Observed) and event.image is not None:
                if camera is None:
                    camera = self._cameras[event.origin.run] = _Camera(event.origin, self._folder, self._emit)
                camera.add(event, event.image, self._settings.before_s)
            elif isinstance(event, CameraChanged) and camera is not None:  # no more frames come
                del self._cameras[event.origin.run]
                camera.finish()

    def close(self) -> None:
        """See `Output.close`. Raises OutputError."""
        with contextlib.ExitStack() as stack:
            for camera in self._cameras.values():
                stack.callback(camera.finish)
        self._cameras.clear()


class _Camera:
    """The last seconds of one camera, and the clip that is being written."""

    def __init__(self, origin: Origin, folder: PictureFolder, emit: Callable[[Event], None]):
        self._origin, self._folder, self._emit = origin, folder, emit
        self._painter = Painter(RATE, origin.classes)
        self._ring: deque[tuple[float, bytes]] = deque()
        self._ring_bytes = 0
        self._clip: _Clip | None = None
        self._at = Moment(0.0, None)

    def add(self, event: Observed, image: Image, before_s: float) -> None:
        """The next frame; it belongs to clip `event.clip`, "" for none. Raises OutputError."""
        canvas = image.copy()
        self._painter.paint(canvas, event.tracks)
        self._at = event.at
        if self._clip is not None and (self._clip.name != event.clip or self._clip.shape != canvas.shape):
            self.finish()
        if event.clip and self._clip is None:
            self._clip = self._begun(event.clip, canvas)
        if self._clip is not None:
            self._clip.write(event.at.time_s, canvas)
        self._remember(event.at.time_s, canvas, before_s)

    def finish(self) -> None:
        """End the clip, where there is one. Raises OutputError where it did not become whole."""
        clip, self._clip = self._clip, None
        if clip is not None:
            clip.finish(self._folder)
            self._emit(FileSaved(self._origin, self._at, None, clip.name, b""))

    def _begun(self, name: str, canvas: Image) -> "_Clip":
        clip = _Clip(name, self._folder.begin(name), canvas)
        for time_s, jpeg in self._ring:
            picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
            if picture is not None and picture.shape == canvas.shape:
                clip.write(time_s, picture)
        return clip

    def _remember(self, time_s: float, canvas: Image, before_s: float) -> None:
        jpeg = cv2.imencode(".jpg", canvas, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes()
        self._ring.append((time_s, jpeg))
        self._ring_bytes += len(jpeg)
        while self._ring and (self._ring_bytes > _RING_BYTES or self._ring[0][0] < time_s - before_s):
            self._ring_bytes -= len(self._ring.popleft()[1])


class _Clip:
    """A video of constant rate: where a frame is late the one before it stays."""

    def __init__(self, name: str, path: Path, canvas: Image):
        self.name, self.shape = name, canvas.shape
        self._began_s: float | None = None
        self._frames = 0
        self._last = canvas
        # OpenCV tells the format by the end of the name.
        self._path = path
        self._working = path.with_name(f".{path.name}.webm")
        size = canvas.shape[1], canvas.shape[0]
        code = cv2.VideoWriter.fourcc(*"VP80")
        with native_messages():  # OpenCV remarks that WebM has no such codes, and takes the right codec
            self._writer = cv2.VideoWriter(str(self._working), cv2.CAP_FFMPEG, code, RATE, size)
        if not self._writer.isOpened():
            raise OutputError(f"{path}: this OpenCV cannot write VP8 videos; leave [clips] out")

    def write(self, time_s: float, picture: Image) -> None:
        """A frame."""
        if self._began_s is None:
            self._began_s = time_s
        missing = round((time_s - self._began_s) * RATE) - self._frames
        if missing > _LONGEST_STILL_S * RATE:
            shortened = missing - round(_LONGEST_STILL_S * RATE)
            self._began_s += shortened / RATE
            missing -= shortened
        for _ in range(missing):
            self._writer.write(self._last)
        if missing >= 0:
            self._writer.write(picture)
            self._frames += missing + 1
        self._last = picture

    def finish(self, folder: PictureFolder) -> None:
        """Close the file and count its frames, for the encoder reports no errors. Raises OutputError."""
        self._writer.release()
        capture = cv2.VideoCapture(str(self._working), cv2.CAP_FFMPEG)
        is_whole = capture.isOpened() and capture.read()[0]
        capture.release()
        if not is_whole:
            self._working.unlink(missing_ok=True)
            raise OutputError(f"{self._path}: the clip did not become whole; is the disk full?")
        os.replace(self._working, self._path)
        folder.finish(self.name)
