"""A window with the annotated pictures, for who sits at the board."""

import os
import subprocess
import sys
from collections.abc import Sequence

from edge.drawing.painter import Painter, Underpaint
from edge.errors import UnavailableError
from edge.events import Event, Observed
from edge.sinks.output import WindowClosed
from edge.video.opencv import cv2

_KEYS = (ord("q"), 27)  # 27: Esc
_TRIAL = "import cv2; cv2.namedWindow('trial'); cv2.destroyAllWindows()"
_TRIAL_S = 30.0


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
    # A process of its own tries it: Qt and GTK end the one they are in where the display does not answer.
    try:
        done = subprocess.run([sys.executable, "-c", _TRIAL], capture_output=True, text=True, timeout=_TRIAL_S)
    except subprocess.TimeoutExpired:
        reason = f"no answer within {_TRIAL_S:.0f} s"
    else:
        if not done.returncode:
            return
        said = [line for line in done.stderr.splitlines() if "display" in line]
        reason = said[0].strip() if said else f"a trial ended with {done.returncode}"
    display = os.environ.get("WAYLAND_DISPLAY") or os.environ["DISPLAY"]
    raise UnavailableError(
        f"--show cannot open a window on the display {display} ({reason}): log in there and try again, or write a"
        " video with --save"
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
        cv2.namedWindow(title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
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
