"""The camera of the built-in scene: where a point of the street falls in the picture.

World coordinates are metres: x to the right, y away from the camera, z up; the camera stands at (0, 0, `HEIGHT_M`). It
is a pinhole with a shifted lens (an architect's camera): verticals stay vertical, and whatever stands at one distance
keeps one scale. A moving camera turns and rolls a little around that view, which is an affine map of the picture.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float64s = npt.NDArray[np.float64]

HEIGHT_M = 3.4
FOCAL_WIDTHS = 0.95  # focal length in picture widths: a horizontal view of 56 degrees
HORIZON = 0.25  # of the picture's height, from the top
SWAY = 0.04  # how far a moving camera strays, in picture widths


@dataclass(frozen=True)
class Camera:
    """A camera for pictures of `width` x `height` pixels."""

    width: int
    height: int
    moving: bool = False

    @property
    def focal_px(self) -> float:
        """Pixels per metre at one metre."""
        return FOCAL_WIDTHS * self.width

    @property
    def horizon_px(self) -> float:
        """The picture's row of the horizon."""
        return HORIZON * self.height

    @property
    def margin_px(self) -> int:
        """By how much the painted street exceeds the picture on every side, for a moving camera to look around."""
        return math.ceil(1.6 * SWAY * self.width) if self.moving else 0

    def scale(self, y: Float64s | float) -> Float64s | float:
        """Pixels per metre at distance `y`."""
        return self.focal_px / y

    def project(self, points: Float64s) -> Float64s:
        """Pixels `[..., 2]` of world points `[..., 3]`, before the camera's own motion."""
        scale = self.focal_px / points[..., 1]
        u = self.width / 2 + scale * points[..., 0]
        v = self.horizon_px + scale * (HEIGHT_M - points[..., 2])
        return np.stack([u, v], -1)

    def half_width_m(self, y: Float64s | float) -> Float64s | float:
        """Half of the street's width that is in view at distance `y`."""
        return y / (2 * FOCAL_WIDTHS)

    def view(self, time_s: float) -> Float64s:
        """The camera's own motion at `time_s`: an affine map `[2, 3]` from the resting picture to the seen one."""
        if not self.moving:
            return np.eye(2, 3)
        pan = SWAY * self.width * math.sin(0.55 * time_s)
        pan += 0.0015 * self.width * math.sin(7.1 * time_s)
        tilt = 0.35 * SWAY * self.width * math.sin(0.83 * time_s + 1) + 0.001 * self.width * math.sin(8.3 * time_s)
        roll = 0.008 * math.sin(0.47 * time_s + 2)
        cos, sin = math.cos(roll), math.sin(roll)
        centre = np.array([self.width / 2, self.height / 2])
        turn = np.array([[cos, -sin], [sin, cos]])
        return np.column_stack([turn, centre - turn @ centre + (pan, tilt)])


def between(before: Float64s, after: Float64s) -> Float64s:
    """The affine map `[2, 3]` that takes pixels seen under view `before` to pixels seen under view `after`."""
    inverse = np.linalg.inv(before[:, :2])
    turn = after[:, :2] @ inverse
    return np.column_stack([turn, after[:, 2] - turn @ before[:, 2]])
