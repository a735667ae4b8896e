"""A window with the annotated pictures, for who sits at the board."""

import os
from collections.abc import Sequence

from edge.drawing.painter import Painter, Underpaint
from edge.errors import UnavailableError
from edge.events import Event, Observed
from edge.sinks.output import WindowClosed
from edge.video.opencv import cv2

_KEYS = (ord("q"), 27)  # 27: Esc


def require_window() -> None:
    """Raise UnavailableError where no window can be opened: in this OpenCV, or on this machine."""
    built = next((line for line in cv2.getBuildInformation().splitlines() if line.strip().startswith("GUI:")), "")
    if "NONE" in built.upper() or not hasattr(cv2, "imshow"):
        raise UnavailableError(
            "--show needs an OpenCV that can open windows, and the one that is installed cannot (headless): pip"
            " uninstall opencv-python-headless; pip install opencv-python; or write a video with --save"
        )
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise UnavailableError(
            "--show needs a desktop, and there is none (neither DISPLAY nor WAYLAND_DISPLAY is set): run it on one, or"
            " write a video with --save"
        )


class Window:
    """An `Output` that shows the frames with boxes, labels and trails; raises WindowClosed when it is closed.

    `classes` and `with_scores` are those of `edge.sinks.video.AnnotatedVideo`; `underpaint` draws before the tracks.
    """

    def __init__(
        self,
        title: str,
        frame_rate: float,
        classes: Sequence[str],
        underpaint: Underpaint | None = None,
        *,
        with_scores: bool = False,
    ):
        self._title = title
        self._painter = Painter(frame_rate, classes, with_scores=with_scores)
        self._underpaint = underpaint
        cv2.namedWindow(title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)
        self._is_open = True
        self._sized = False

    def start(self) -> None:
        """See `Output.start`."""

    def write(self, events: Sequence[Event]) -> None:
        """See `Output.write`. Raises WindowClosed after q, Esc or a click on its cross."""
        for event in events:
            if not isinstance(event, Observed) or event.image is None or not self._is_open:
                continue
            canvas = event.image.copy()
            if self._underpaint is not None:
                self._underpaint(canvas, event.tracks)
            self._painter.paint(canvas, event.tracks)
            if not self._sized:
                cv2.resizeWindow(self._title, canvas.shape[1], canvas.shape[0])
                self._sized = True
            cv2.imshow(self._title, canvas)
            pressed = cv2.waitKey(1) & 0xFF
            if pressed in _KEYS or cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) < 1:
                self.close()
                raise WindowClosed

    def close(self) -> None:
        """See `Output.close`."""
        if self._is_open:
            self._is_open = False
            cv2.destroyAllWindows()
