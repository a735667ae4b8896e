"""The live view of a camera: its newest picture with boxes, ids, trails, zones and lines, as JPEG.

The tracking loop only leaves its pictures here; they are shrunk, drawn and encoded in another thread, once for all
viewers of one size, at a bounded rate and with a bounded share of one core. Without viewers nothing is drawn.
"""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from concurrent.futures import Executor
from typing import NamedTuple

import numpy as np

from edge.drawing.painter import NO_SPEEDS, Painter
from edge.drawing.scaled import scaled
from edge.service.pictures import privacy_mask
from edge.settings.config import CameraConfig
from edge.types import Image, Tracks
from edge.video.opencv import cv2

RATE = 10.0  # pictures a second, at most
SHARE = 0.25  # of the drawing thread's time that one camera may take
_QUALITY = 80
_WHITE, _DARK = (255, 255, 255), (40, 40, 40)


class Size(NamedTuple):
    """The longer side of what is shown, and how large names are in it, 1 for as in a video."""

    longest_px: int
    text_scale: float


# Names can be read in all of them: in a card among others, as a page has always shown it, and filling a screen.
SIZES = {"small": Size(480, 1.5), "medium": Size(800, 1.2), "large": Size(1280, 1.0)}
DEFAULT = "medium"


class _Picture(NamedTuple):
    """A picture, its tracks, and the speeds of their identities, metres a second."""

    image: Image
    tracks: Tracks
    speeds_mps: Mapping[int, float]


class _Drawn:
    """The newest picture in one size, for those who watch it."""

    def __init__(self, size: Size, classes: Sequence[str]):
        self.size = size
        self.painter = Painter(RATE, classes, text_scale=size.text_scale)
        self.watchers = self.number = 0
        self.jpeg = b""


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
        self._waiting: _Picture | None = None
        self._closed = False
        self._turn = asyncio.Lock()  # one viewer has the picture drawn, the others get the same
        self._drawn: dict[str, _Drawn] = {}  # the sizes that somebody watches
        self._due_s = 0.0

    def offer(
        self, image: Image, tracks: Tracks, speeds_mps: Callable[[], Mapping[int, float]] = lambda: NO_SPEEDS
    ) -> None:
        """Leave the newest picture with its tracks. It belongs to the view from now on.

        `speeds_mps` is only asked where somebody watches.
        """
        with self._lock:
            unused: Image | None = image
            if self._watchers:
                unused = self._waiting.image if self._waiting else None
                self._waiting = _Picture(image, tracks, speeds_mps())
        if unused is not None:
            self._give_back(unused)

    def close(self) -> None:
        """No more pictures come: the views of all viewers end."""
        self._closed = True

    async def jpegs(self, size: str = DEFAULT) -> AsyncGenerator[bytes, None]:
        """The view as often as it changes, each the newest, in one of `SIZES`; ends when the view is closed."""
        drawn = self._drawn.setdefault(size, _Drawn(SIZES[size], self._classes))
        drawn.watchers += 1
        with self._lock:
            self._watchers += 1
        seen = 0
        try:
            while True:
                async with self._turn:
                    if drawn.number == seen:
                        await self._draw()
                if drawn.number == seen:
                    return
                seen = drawn.number
                yield drawn.jpeg
        finally:
            drawn.watchers -= 1
            if not drawn.watchers:  # the next viewer begins without an old picture, and without trails that have a gap
                del self._drawn[size]
            with self._lock:
                self._watchers -= 1
                waiting = None if self._watchers else self._waiting
                if waiting:
                    self._waiting = None
            if waiting:
                self._give_back(waiting.image)

    async def _draw(self) -> None:
        """Wait until the next picture is due and there, and draw it."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(self._due_s - loop.time())
        while (waiting := self._take()) is None:
            if self._closed:
                return
            await asyncio.sleep(1 / RATE)
        began_s = loop.time()
        sizes = list(self._drawn.values())
        jpegs = await loop.run_in_executor(self._drawing, self._encoded, sizes, waiting)
        self._due_s = began_s + max(1 / RATE, (loop.time() - began_s) / SHARE)
        for drawn, jpeg in zip(sizes, jpegs, strict=True):
            drawn.number, drawn.jpeg = drawn.number + 1, jpeg

    def _take(self) -> _Picture | None:
        with self._lock:
            waiting, self._waiting = self._waiting, None
        return waiting

    def _encoded(self, sizes: Sequence[_Drawn], picture: _Picture) -> list[bytes]:
        small = [scaled(picture.image, picture.tracks, drawn.size.longest_px) for drawn in sizes]
        self._give_back(picture.image)
        jpegs = []
        for drawn, (canvas, shown) in zip(sizes, small, strict=True):
            self._privacy.hide(canvas)
            _draw_areas(canvas, self._camera)
            drawn.painter.paint(canvas, shown, picture.speeds_mps)
            _draw_names(canvas, self._camera, drawn.size.text_scale)
            jpegs.append(cv2.imencode(".jpg", canvas, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes())
        return jpegs


def _draw_areas(canvas: Image, camera: CameraConfig) -> None:
    """The outlines of zones, the lines, and which way of crossing them is "in"."""
    size = np.array([canvas.shape[1], canvas.shape[0]])
    for zone in camera.zone:
        _outline(canvas, np.round(np.array(zone.points) * size).astype(np.int32), closed=True)
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


def _draw_names(canvas: Image, camera: CameraConfig, text_scale: float) -> None:
    """The names of zones and lines, above everything else."""
    size = np.array([canvas.shape[1], canvas.shape[0]])
    text = 0.4 * text_scale * max(1.0, float(size.min()) / 400)
    for zone in camera.zone:
        corners = np.array(zone.points) * size
        _name(canvas, zone.name, corners[corners[:, 1].argmin()], text)
    for line in camera.line:
        _name(canvas, line.name, np.array(line.points[0]) * size, text)


def _outline(canvas: Image, points: np.ndarray, *, closed: bool) -> None:
    """A white line with dark edges: to be seen on everything."""
    for colour, width in ((_DARK, 3), (_WHITE, 1)):
        cv2.polylines(canvas, [points], closed, colour, width, cv2.LINE_AA)


def _name(canvas: Image, text: str, at: np.ndarray, size: float) -> None:
    """`text` above `at`, inside the picture."""
    (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, 1)
    x = max(0, min(int(at[0]) + 4, canvas.shape[1] - width))
    y = max(height + 2, int(at[1]) - 5)
    for colour, weight in ((_DARK, 2 + round(2 * size)), (_WHITE, max(1, round(1.5 * size)))):
        cv2.putText(canvas, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, size, colour, weight, cv2.LINE_AA)
