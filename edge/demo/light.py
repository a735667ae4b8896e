"""Sun, sky and haze: what colours become where the sun shines, in the shade and far away."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float64s = npt.NDArray[np.float64]

HAZE_M = 170.0  # distance over which haze takes 63 % of a colour


@dataclass(frozen=True)
class Light:
    """The light of one street, BGR factors. Sky and sun together are about 1 on a white surface.

    `side` `[2]` points to the sun in the picture; `slant` `[2]`: so far in x and y a metre of height casts its shadow.
    """

    sky: Float64s
    sun: Float64s
    haze: Float64s
    side: Float64s
    slant: Float64s

    def on_people(self, colours: Float64s, sunlit: Float64s, y: Float64s) -> tuple[Float64s, Float64s]:
        """Colours `[P, M, 3]` of shaded and of sunny sides, for people with `sunlit` `[P]` sunshine at distance `y`."""
        shine = sunlit[:, None, None] * self.sun
        shaded = colours * (self.sky * 0.82 + 0.22 * shine)
        sunny = colours * (self.sky * 1.08 + 0.8 * shine)
        clear = np.exp(-y / HAZE_M)[:, None, None]
        shaded, sunny = (np.minimum(c * clear + self.haze * (1 - clear), 255) for c in (shaded, sunny))
        return shaded, sunny


def daylight(rng: np.random.Generator) -> Light:
    """A time of day: noon, afternoon, evening or an overcast sky."""
    kind = rng.choice(["noon", "afternoon", "evening", "overcast"], p=[0.3, 0.35, 0.2, 0.15])
    side = float(rng.choice([-1.0, 1.0]))
    sky, sun, length = {
        "noon": ((0.47, 0.42, 0.38), (0.52, 0.58, 0.62), 0.55),
        "afternoon": ((0.46, 0.40, 0.37), (0.46, 0.56, 0.63), 1.0),
        "evening": ((0.44, 0.36, 0.34), (0.32, 0.50, 0.66), 1.7),
        "overcast": ((0.80, 0.78, 0.76), (0.06, 0.07, 0.07), 0.6),
    }[str(kind)]
    azimuth = rng.uniform(0.15, 0.8)
    slant = np.array([-side * math.cos(azimuth), float(rng.choice([-1.0, 1.0], p=[0.65, 0.35])) * math.sin(azimuth)])
    haze = np.array([225.0, 214.0, 205.0]) if kind != "evening" else np.array([190.0, 205.0, 225.0])
    return Light(np.array(sky), np.array(sun), haze, np.array([0.8 * side, -0.6]), slant * length)
