"""What the camera itself adds to a picture: the blur of its own motion, exposure under passing clouds, and noise."""

import math
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from edge.types import Image

SHUTTER = 0.35  # share of the time between frames in which the sensor sees
NOISE = 2.6  # standard deviation, grey levels
SPARE = 64  # pixels by which the noise is larger than the picture, to be moved about


class Sensor:
    """The sensor of one camera; pictures come out the same for the same `seed`, time and motion.

    `gains_bgr` are its colour cast, None for none.
    """

    def __init__(self, seed: int, width: int, height: int, gains_bgr: Sequence[float] | None = None) -> None:
        self._seed = seed
        self._gains_bgr = gains_bgr
        noise = np.random.default_rng([seed, 8]).standard_normal((height + SPARE, width + SPARE, 3), np.float32)
        # Shifted by four standard deviations, so that it can be added and lifted off again in 8 bits.
        self._noise = np.clip(np.round((noise + 4) * NOISE), 0, 255).astype(np.uint8)

    def expose(self, picture: Image, time_s: float, motion: npt.NDArray[np.float64]) -> Image:
        """The picture as the sensor gives it; `motion` `[2, 3]` is the camera's in the time of a frame."""
        height, width = picture.shape[:2]
        centre = np.array([width / 2, height / 2])
        shift = np.abs(motion[:, :2] @ centre + motion[:, 2] - centre) * SHUTTER
        kernel = np.maximum(1, np.minimum(shift, width / 20)).round().astype(int).tolist()
        if max(kernel) > 1:
            picture = cv2.blur(picture, kernel)
        time_s += 37.0 * (self._seed % 101)
        gain = 1.02 + 0.06 * math.sin(0.31 * time_s) + 0.03 * math.sin(0.83 * time_s + 1)
        picture = cv2.convertScaleAbs(picture, alpha=gain)
        if self._gains_bgr is not None:
            picture = cv2.multiply(picture, (*self._gains_bgr, 0.0))
        y, x = np.random.default_rng([self._seed, 7, round(time_s * 1000)]).integers(0, SPARE, 2)
        noise = self._noise[y : y + height, x : x + width]
        return cv2.subtract(cv2.add(picture, noise), (round(4 * NOISE),) * 3 + (0,))
