"""The live view of a camera: its newest picture with boxes, ids, trails, zones and lines, as JPEG.

The tracking loop only leaves its pictures here; they are shrunk, drawn and encoded in another thread, once for all
viewers, at a bounded rate and with a bounded share of one core. Without viewers nothing is drawn.
"""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import Executor

import numpy as np

from edge.drawing.painter import Painter
from edge.drawing.scaled import scaled
from edge.service.pictures import privacy_mask
from edge.settings.config import CameraConfig
from edge.types import Image, Tracks
from edge.video.opencv import cv2

RATE = 10.0  # pictures a second, at most
LONGEST_PX = 800  # the longer side of what is shown
SHARE = 0.25  # of the drawing thread's time that one camera may take
_QUALITY = 80
_WHITE, _DARK = (255, 255, 255), (40, 40, 40)


class View:
    """The view of `camera`. `offer` belongs to the tracking loop, `jpegs` to the web server's.

    `classes` are the names to show, empty for none; `give_back` takes pictures that are not needed any more; `drawing`
    is where the work is done.
    """

    def __init__(
        self,
        camera: CameraConfig,
        classes: Sequence[str],
        give_back: Callable[[Image], None],
        drawing: Executor,
    ):
        self._privacy = privacy_mask(camera)
        self._camera, self._classes = camera, classes
        self._give_back, self._drawing = give_back, drawing
        self._lock = threading.Lock()  # of the two below
        self._watchers = 0
        self._waiting: tuple[Image, Tracks] | None = None
        self._closed = False
        self._turn = asyncio.Lock()  # one viewer has the picture drawn, the others get the same
        self._forget()

    def offer(self, image: Image, tracks: Tracks) -> None:
        """Leave the newest picture with its tracks. It belongs to the view from now on."""
        with self._lock:
            unused: Image | None = image
            if self._watchers:
                unused = self._waiting[0] if self._waiting else None
                self._waiting = image, tracks
        if unused is not None:
            self._give_back(unused)

    def close(self) -> None:
        """No more pictures come: the views of all viewers end."""
        self._closed = True

    async def jpegs(self) -> AsyncGenerator[bytes, None]:
        """The view as often as it changes, each the newest; ends when the view is closed."""
        with self._lock:
            self._watchers += 1
        seen = 0
        try:
            while True:
                async with self._turn:
                    if self._number == seen:
                        await self._draw()
                if self._number == seen:
                    return
                seen = self._number
                yield self._jpeg
        finally:
            with self._lock:
                self._watchers -= 1
                if not self._watchers:
                    waiting, self._waiting = self._waiting, None
                    self._forget()
            if not self._watchers and waiting:
                self._give_back(waiting[0])

    def _forget(self) -> None:
        """Begin anew for the next viewer: without an old picture, and without trails that have a gap."""
        self._painter = Painter(RATE, self._classes)
        self._number, self._jpeg, self._due_s = 0, b"", 0.0

    async def _draw(self) -> None:
        """Wait until the next picture is due and there, and draw it."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(self._due_s - loop.time())
        while (waiting := self._take()) is None:
            if self._closed:
                return
            await asyncio.sleep(1 / RATE)
        began_s = loop.time()
        jpeg = await loop.run_in_executor(self._drawing, self._drawn, *waiting)
        self._due_s = began_s + max(1 / RATE, (loop.time() - began_s) / SHARE)
        self._number, self._jpeg = self._number + 1, jpeg

    def _take(self) -> tuple[Image, Tracks] | None:
        with self._lock:
            waiting, self._waiting = self._waiting, None
        return waiting

    def _drawn(self, image: Image, tracks: Tracks) -> bytes:
        canvas, tracks = scaled(image, tracks, LONGEST_PX)
        self._give_back(image)
        self._privacy.hide(canvas)
        _draw_areas(canvas, self._camera)
        self._painter.paint(canvas, tracks)
        return cv2.imencode(".jpg", canvas, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes()


def _draw_areas(canvas: Image, camera: CameraConfig) -> None:
    """The outlines of zones, the lines, and which way of crossing them is "in"; all with their names."""
    size = np.array([canvas.shape[1], canvas.shape[0]])
    for zone in camera.zone:
        corners = np.round(np.array(zone.points) * size).astype(np.int32)
        _outline(canvas, corners, closed=True)
        _name(canvas, zone.name, corners[corners[:, 1].argmin()])
    for line in camera.line:
        start, end = np.round(np.array(line.points) * size)
        _outline(canvas, np.array([start, end], np.int32), closed=False)
        along = (end - start) / max(1.0, float(np.hypot(*(end - start))))
        middle = (start + end) / 2
        tip = middle + 0.03 * size.max() * np.array([-along[1], along[0]])
        for colour, width in ((_DARK, 3), (_WHITE, 1)):
            cv2.arrowedLine(
                canvas, middle.astype(int).tolist(), tip.astype(int).tolist(), colour, width, cv2.LINE_AA, tipLength=0.4
            )
        _name(canvas, line.name, start.astype(np.int32))


def _outline(canvas: Image, points: np.ndarray, *, closed: bool) -> None:
    """A white line with dark edges: to be seen on everything."""
    for colour, width in ((_DARK, 3), (_WHITE, 1)):
        cv2.polylines(canvas, [points], closed, colour, width, cv2.LINE_AA)


def _name(canvas: Image, text: str, at: np.ndarray) -> None:
    x, y = int(at[0]) + 4, max(12, int(at[1]) - 5)
    for colour, width in ((_DARK, 3), (_WHITE, 1)):
        cv2.putText(canvas, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.4, colour, width, cv2.LINE_AA)
