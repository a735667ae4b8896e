"""Built-in pictures, to try a network on."""

import numpy as np

from edge.types import Image


def built_in(width: int, height: int, seed: int) -> Image:
    """A synthetic scene `[H, W, 3]`: a sky-to-ground gradient, upright figures of head and body, and sensor noise."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float64)
    shade = 90 + 120 * rows / height
    image = np.stack([shade, shade - 15, shade - 30 * columns / width], axis=2)
    for _ in range(6):
        tall = height * random.uniform(0.25, 0.7)
        x, feet = random.uniform(0.1, 0.9) * width, height * random.uniform(0.75, 0.98)
        body = (abs(columns - x) < tall * 0.14) & (rows < feet) & (rows > feet - 0.82 * tall)
        head = np.hypot(columns - x, rows - feet + 0.9 * tall) < tall * 0.08
        image[body] = random.uniform(20, 200, 3)
        image[head] = (110, 140, 190)
    image += random.normal(0, 4, image.shape)
    return np.asarray(np.clip(np.rint(image), 0, 255), np.uint8)
