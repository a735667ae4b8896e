"""How tracks look in a picture: a box, a label and a trail in the identity's own colour."""

import colorsys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import cv2
import numpy as np

from edge.errors import InputError
from edge.types import Image, Tracks

Colour = tuple[int, int, int]
NO_SPEEDS: Mapping[int, float] = MappingProxyType({})
Underpaint = Callable[[Image, Tracks], None]  # draws onto a picture before its tracks are drawn

TRAIL_S = 2.0
_SMOOTH = 0.4  # share of a new point: detectors' boxes tremble, and a trail shows every tremor
_GOLDEN = 0.618033988749895  # steps of the golden ratio keep the hues of neighbouring ids far apart
_FONT = cv2.FONT_HERSHEY_DUPLEX
_SHIFT = 4  # fractional bits of drawn coordinates: boxes do not jump from pixel to pixel


def colour_of(id_: int) -> Colour:
    """The BGR colour of an identity: the same in every run, vivid, and unlike those of the ids around it."""
    hue = id_ * _GOLDEN % 1.0
    red, green, blue = colorsys.hls_to_rgb(hue, (0.56, 0.66, 0.48)[id_ % 3], 0.9)
    return round(255 * blue), round(255 * green), round(255 * red)


class Painter:
    """Draws tracks and remembers where they came from.

    `classes` are the names to show, empty for none; `with_scores` shows the scores as well. `text_scale` makes names
    larger, for pictures that are shown small.
    """

    def __init__(
        self, frame_rate: float, classes: Sequence[str], *, with_scores: bool = False, text_scale: float = 1.0
    ):
        self._classes, self._text_scale = classes, text_scale
        self._with_scores = with_scores
        self._trail_length = max(2, round(TRAIL_S * frame_rate))
        self._trails: dict[int, deque[tuple[float, float]]] = {}

    def paint(self, canvas: Image, tracks: Tracks, speeds_mps: Mapping[int, float] = NO_SPEEDS) -> None:
        """Draw the tracks of the next frame onto `canvas` (uint8 `[H, W, 3]`, BGR), in place.

        Labels tell the `speeds_mps` (metres a second) of the identities in it.
        """
        unit = max(1.0, min(canvas.shape[:2]) / 400)
        self._extend(tracks)
        for id_, trail in self._trails.items():
            _trail(canvas, np.array(trail), colour_of(id_), unit)
        # Nearer people stand lower in the picture: they are drawn last, on top.
        for row in np.argsort(tracks.boxes_xyxy[:, 3], kind="stable").tolist():
            box, colour = tracks.boxes_xyxy[row].tolist(), colour_of(int(tracks.ids[row]))
            _box(canvas, box, colour, unit, predicted=bool(tracks.detection_index[row] < 0))
            _label(canvas, box, self._text(tracks, row, speeds_mps), colour, unit * self._text_scale)

    def _extend(self, tracks: Tracks) -> None:
        """Follow the feet of the tracks shown, a little smoothed, and forget those of all others."""
        trails = {}
        for id_, (x1, _, x2, y2) in zip(tracks.ids.tolist(), tracks.boxes_xyxy.tolist(), strict=True):
            trail = self._trails.get(id_) or deque(maxlen=self._trail_length)
            x, y = trail[-1] if trail else ((x1 + x2) / 2, y2)
            trail.append((x + _SMOOTH * ((x1 + x2) / 2 - x), y + _SMOOTH * (y2 - y)))
            trails[id_] = trail
        self._trails = trails

    def _text(self, tracks: Tracks, row: int, speeds_mps: Mapping[int, float]) -> str:
        id_ = int(tracks.ids[row])
        name = f"{self._classes[tracks.classes[row]]} " if self._classes else ""
        score = f" {tracks.scores[row]:.2f}" if self._with_scores else ""
        speed = f"  {speeds_mps[id_]:.1f} m/s" if id_ in speeds_mps else ""
        return f"{name}{id_}{score}{speed}"


def draw(image: Image, tracks: Tracks, classes: Sequence[str] = ()) -> Image:
    """A copy of `image` (uint8 `[H, W, 3]`, BGR) with the boxes and ids of `tracks`.

    With `classes`, the names by class number as `Pipeline.classes` has them, labels show the class, too. Predicted
    boxes are thin. Raises InputError for another kind of picture, for what are no tracks, and for too few names.
    `edge.drawing.painter.Painter` draws trails as well, from frame to frame.
    """
    if not isinstance(tracks, Tracks):
        raise InputError(f"tracks: expected the Tracks of a tracker, found {type(tracks).__name__}")
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        found = f"{image.dtype} {list(image.shape)}" if isinstance(image, np.ndarray) else type(image).__name__
        raise InputError(f"image: expected uint8 [H, W, 3], BGR, found {found}")
    if classes and len(tracks) and int(tracks.classes.max()) >= len(classes):
        most = int(tracks.classes.max())
        raise InputError(f"classes: expected a name for each class number up to {most}, found {len(classes)} names")
    canvas: Image = image.copy()
    Painter(1.0, classes).paint(canvas, tracks)
    return canvas


def _fixed(points: object) -> np.ndarray:
    """Pixels as OpenCV's fixed-point coordinates, kept inside what they can hold."""
    return np.clip(np.round(np.asarray(points, np.float64) * (1 << _SHIFT)), -(2**30), 2**30).astype(np.int32)


def _trail(canvas: Image, points: np.ndarray, colour: Colour, unit: float) -> None:
    """The way of the feet, thinner and darker the longer ago."""
    fixed = _fixed(points)
    parts = 4
    for part in range(parts):
        piece = fixed[part * len(fixed) // parts : (part + 1) * len(fixed) // parts + 1]
        share = (part + 1) / parts
        faded = tuple(round(value * (0.4 + 0.6 * share)) for value in colour)
        if len(piece) > 1:
            cv2.polylines(canvas, [piece], False, faded, max(1, round(2 * unit * share)), cv2.LINE_AA, _SHIFT)


def _box(canvas: Image, box: list[float], colour: Colour, unit: float, *, predicted: bool) -> None:
    """A frame, thin where the box is only predicted."""
    (x1, y1), (x2, y2) = _fixed([box[:2], box[2:]]).tolist()
    thickness = 1 if predicted else max(1, round(1.3 * unit))
    cv2.rectangle(canvas, (x1, y1), (x2, y2), colour, thickness, cv2.LINE_AA, _SHIFT)


def _label(canvas: Image, box: list[float], text: str, colour: Colour, unit: float) -> None:
    """A chip above the box, inside it where the picture ends."""
    size, weight = 0.36 * unit, max(1, round(0.7 * unit))
    (width, height), _ = cv2.getTextSize(text, _FONT, size, weight)
    pad = round(3 * unit)
    left = round(min(max(box[0], 0), max(0, canvas.shape[1] - width - 2 * pad)))
    bottom = round(box[1])
    if bottom - height - 2 * pad < 0:
        bottom = max(0, bottom) + height + 2 * pad
    cv2.rectangle(canvas, (left, bottom - height - 2 * pad), (left + width + 2 * pad, bottom), colour, cv2.FILLED)
    luminance = 0.114 * colour[0] + 0.587 * colour[1] + 0.299 * colour[2]
    ink = (0, 0, 0) if luminance > 120 else (255, 255, 255)
    cv2.putText(canvas, text, (left + pad, bottom - pad), _FONT, size, ink, weight, cv2.LINE_AA)
