"""Frames as the daemon leaves them for snapshots and clips."""

import numpy as np

from edge.events import Files, Moment, Observed, Origin
from edge.types import Image
from tests.sinks.tracks import tracks

ORIGIN = Origin("r1", "door", ["person"])
NOON_S = 1_790_000_000.0


def grey(level: int, size: tuple[int, int] = (160, 96)) -> Image:
    return np.full((size[1], size[0], 3), level, np.uint8)


def pictured(time_s: float, image: Image, files: dict[int, Files] | None = None, clip: str = "") -> Observed:
    """A frame with identities 4 and 7."""
    size = image.shape[1], image.shape[0]
    at = Moment(time_s, NOON_S + time_s)
    return Observed(ORIGIN, at, 1, size, tracks(4, 7), [0, 0], image, files or {}, clip)
