"""Painting in metres: polygons, ellipses and lines on transparent patches, and patches on pictures.

A patch is uint8 `[H, W, 4]`, BGR already multiplied by its opacity, which is the fourth channel. OpenCV's smooth edges
on an empty patch give exactly that.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from edge.types import Image

Float64s = npt.NDArray[np.float64]
Colour = tuple[float, float, float]  # BGR, 0..255
SHIFT = 4  # binary places of sub-pixel coordinates


def rgb(code: str) -> Colour:
    """BGR of a colour written as in HTML, without the hash.

    >>> rgb("ff8000")
    (0.0, 128.0, 255.0)
    """
    return float(int(code[4:6], 16)), float(int(code[2:4], 16)), float(int(code[:2], 16))


def tone(colour: Sequence[float], factor: float) -> Colour:
    """A colour made lighter (`factor` above 1) or darker."""
    b, g, r = (min(255.0, max(0.0, c * factor)) for c in colour)
    return b, g, r


def mix(first: Sequence[float], second: Sequence[float], share: float) -> Colour:
    """A colour between two; `share` 0 gives the first, 1 the second."""
    b, g, r = (a + (c - a) * share for a, c in zip(first, second, strict=True))
    return b, g, r


class Pen:
    """Paints on a patch that shows `left_m`..`right_m` by 0..`top_m`, z up, `scale` pixels a metre."""

    def __init__(self, scale: float, left_m: float, right_m: float, top_m: float, bottom_m: float = 0.0) -> None:
        self.scale = scale
        self.left_m, self.top_m = left_m, top_m
        shape = (max(1, round((top_m - bottom_m) * scale)), max(1, round((right_m - left_m) * scale)), 4)
        self.patch = np.zeros(shape, np.uint8)

    def _pixels(self, points: Iterable[Sequence[float]]) -> npt.NDArray[np.int32]:
        x, z = np.asarray(points, np.float64).T
        pixels = np.stack([(x - self.left_m) * self.scale, (self.top_m - z) * self.scale], 1)
        return np.round(pixels * (1 << SHIFT)).astype(np.int32)

    def polygon(self, points: Iterable[Sequence[float]], colour: Sequence[float]) -> None:
        """A filled polygon of (x, z) corners."""
        cv2.fillPoly(self.patch, [self._pixels(points)], (*colour, 255), cv2.LINE_AA, SHIFT)

    def rectangle(self, x0: float, z0: float, x1: float, z1: float, colour: Sequence[float]) -> None:
        """A filled rectangle."""
        self.polygon([(x0, z0), (x1, z0), (x1, z1), (x0, z1)], colour)

    def ellipse(self, x: float, z: float, rx: float, rz: float, colour: Sequence[float], angle: float = 0.0) -> None:
        """A filled ellipse."""
        (centre,) = self._pixels([(x, z)]).tolist()
        axes = [max(1, round(r * self.scale * (1 << SHIFT))) for r in (rx, rz)]
        cv2.ellipse(self.patch, centre, axes, angle, 0, 360, (*colour, 255), -1, cv2.LINE_AA, SHIFT)

    def line(self, points: Sequence[Sequence[float]], width_m: float, colour: Sequence[float]) -> None:
        """A polyline of the given width, at least one pixel."""
        width = max(1, round(width_m * self.scale))
        cv2.polylines(self.patch, [self._pixels(points)], False, (*colour, 255), width, cv2.LINE_AA, SHIFT)


@dataclass(frozen=True)
class Sprite:
    """A patch with its place in the picture (`left`, `top`, pixels) and its distance `y` in metres."""

    patch: Image
    left: int
    top: int
    y: float

    @property
    def extent(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom."""
        return self.left, self.top, self.left + self.patch.shape[1], self.top + self.patch.shape[0]

    def meets(self, extent: tuple[int, int, int, int]) -> bool:
        """Whether the two share pixels."""
        x0, y0, x1, y1 = self.extent
        return x0 < extent[2] and extent[0] < x1 and y0 < extent[3] and extent[1] < y1


def place(pen: Pen, u: float, v: float, y: float) -> Sprite:
    """The pen's patch with its origin (x = 0, z = 0) at pixel (u, v)."""
    return Sprite(pen.patch, round(u + pen.left_m * pen.scale), round(v - pen.top_m * pen.scale), y)


def seen_patch(patch: Image, corner: tuple[float, float], view: Float64s, y: float) -> Sprite:
    """A patch whose upper left corner is at a point of the resting picture, as `view` `[2, 3]` shows it."""
    height, width = patch.shape[:2]
    corners = np.array([[0, 0], [width, 0], [0, height], [width, height]], float)
    seen = (corners + corner) @ view[:, :2].T + view[:, 2]
    low, high = np.floor(seen.min(0)).astype(int), np.ceil(seen.max(0)).astype(int) + 1
    shift = np.column_stack([view[:, :2], view[:, :2] @ corner + view[:, 2] - low])
    size = int(high[0] - low[0]), int(high[1] - low[1])
    return Sprite(cv2.warpAffine(patch, shift, size, flags=cv2.INTER_LINEAR), int(low[0]), int(low[1]), y)


class Meeting(NamedTuple):
    """Where a patch and a picture overlap: rows and columns of either."""

    rows: slice
    columns: slice
    patch_rows: slice
    patch_columns: slice


def compose(picture: Image, patch: Image, left: int, top: int) -> Meeting | None:
    """Lay a patch over a picture in place and return where they met, None where they do not meet."""
    height, width = picture.shape[:2]
    x0, y0 = max(0, left), max(0, top)
    x1, y1 = min(width, left + patch.shape[1]), min(height, top + patch.shape[0])
    if x0 >= x1 or y0 >= y1:
        return None
    met = Meeting(slice(y0, y1), slice(x0, x1), slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))
    part = patch[met.patch_rows, met.patch_columns]
    under = picture[met.rows, met.columns]
    clear = cv2.cvtColor(cv2.bitwise_not(part[..., 3]), cv2.COLOR_GRAY2BGR)
    cv2.add(cv2.multiply(under, clear, scale=1 / 255), cv2.cvtColor(part, cv2.COLOR_BGRA2BGR), dst=under)
    return met
