"""Parts of the picture in which nothing is detected: a road beyond the fence, a screen, a poster."""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from edge.types import Detections

Polygon = Sequence[tuple[float, float]]


class Exclusion:
    """Leaves out detections whose feet, the middle of the lower edge, lie in one of `polygons`.

    A polygon is points `[N, 2]` in shares of width and height. Feet below the picture count as on its lower border.
    """

    def __init__(self, polygons: Sequence[Polygon]):
        self._polygons = polygons
        self._excluded = np.zeros((0, 0), np.bool_)

    def __call__(self, found: Detections, size: tuple[int, int]) -> Detections:
        """The others of those `found` in a picture of `size` (width, height); all where it has no size."""
        width, height = size
        if not (self._polygons and height and width and len(found)):
            return found
        if self._excluded.shape != (height, width):
            self._excluded = _drawn(self._polygons, width, height)
        boxes = found.boxes_xyxy
        columns = np.clip((boxes[:, 0] + boxes[:, 2]) / 2, 0, width - 1).astype(np.int64)
        rows = np.clip(boxes[:, 3], 0, height - 1).astype(np.int64)
        return found.where(~self._excluded[rows, columns])


def _drawn(polygons: Sequence[Polygon], width: int, height: int) -> npt.NDArray[np.bool_]:
    """Which pixels lie in the polygons, `[H, W]`."""
    canvas = np.zeros((height, width), np.uint8)
    for points in polygons:
        cv2.fillPoly(canvas, [np.round(np.array(points) * [width, height]).astype(np.int32)], 1)
    return canvas.astype(np.bool_)
