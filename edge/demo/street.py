"""A long street that several cameras watch: the same people, seen at one place after the other, with gaps in between.

Each camera has a scene of its own along one axis: its own houses and pavement, light and colour cast. The people walk
the whole street and turn back at its ends, so that nobody is anywhere without having walked there.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge.demo import layout
from edge.demo.layout import Layout

Float64s = npt.NDArray[np.float64]

SPACING_M = 36.0  # of the cameras: of the near side a third is in view, of the far pavement two thirds
BEYOND_M = 18.0  # the street goes on so far behind the middle of the outer cameras' views
# How differently two cameras show white: of each colour, and of all together.
CAST, EXPOSURE = 0.08, 0.12


@dataclass(frozen=True)
class Street:
    """A street of `cameras` cameras, of which number `view`, from 1, is looked through."""

    cameras: int
    view: int

    @property
    def x_m(self) -> float:
        """Where this camera stands along the street, whose middle is 0."""
        return self._x_m(self.view)

    @property
    def half_length_m(self) -> float:
        """From the middle of the street to either end."""
        return (self.cameras - 1) / 2 * SPACING_M + BEYOND_M

    def rngs(self, seed: int, view: int | None = None) -> list[np.random.Generator]:
        """What differs between the cameras is drawn from these, by subject as in `edge.demo.stage`."""
        return [np.random.default_rng([seed, k, self.view if view is None else view]) for k in range(7)]

    def whole(self, seed: int) -> Layout:
        """What people walk around in all of the street; they cross the road in front of the camera in the middle."""
        plans = [(self._x_m(view), layout.plan(self.rngs(seed, view)[0])) for view in range(1, self.cameras + 1)]
        x_m, middle = plans[self.cameras // 2]
        obstacles = [plan.obstacles + np.array([x, 0.0, 0.0]) for x, plan in plans]
        return Layout(x_m + middle.crossing_x, (), (), (), np.concatenate(obstacles))

    def gains_bgr(self, seed: int) -> Sequence[float]:
        """How bright this camera shows blue, green and red: its colour cast and its exposure."""
        rng = self.rngs(seed)[6]
        gains = rng.uniform(1 - CAST, 1 + CAST, 3) * rng.uniform(1 - EXPOSURE, 1 + EXPOSURE)
        return [float(gain) for gain in gains]

    def _x_m(self, view: int) -> float:
        return (view - 1 - (self.cameras - 1) / 2) * SPACING_M
