"""A heat map as a picture."""

import cv2
import numpy as np
import numpy.typing as npt

from edge.types import Image

_WIDTH_PX = 960


def heat_map(values: npt.NDArray[np.float64]) -> Image:
    """`values` `[R, C]`, none below 0, as colours from dark (0) to bright (the most): uint8 `[H, W, 3]`, BGR.

    Brightness goes with the square root, so that a way that few take is seen beside a queue.
    """
    rows, columns = values.shape
    size = _WIDTH_PX, round(_WIDTH_PX * rows / columns)
    shares = np.sqrt(values / max(float(values.max(initial=0.0)), 1e-9)).astype(np.float32)
    smooth = np.clip(cv2.resize(shares, size, interpolation=cv2.INTER_CUBIC), 0, 1)
    return np.asarray(cv2.applyColorMap((255 * smooth).astype(np.uint8), cv2.COLORMAP_INFERNO), np.uint8)


def heat_map_png(values: npt.NDArray[np.float64]) -> bytes:
    """The same as a PNG file."""
    return cv2.imencode(".png", heat_map(values))[1].tobytes()
