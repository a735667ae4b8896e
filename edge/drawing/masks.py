"""Privacy masks: parts of the picture that nobody shall see, made of squares so large that no face is left in them."""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from edge.types import Image

# A picture is so many squares wide or high, whichever is more; a face that fills a tenth of it has 4 of them across.
_SQUARES = 40
_MOST_SIZES = 8  # of pictures that are remembered

# Rows and columns around a polygon, and which pixels of them are inside.
_Region = tuple[slice, slice, npt.NDArray[np.bool_]]


class PrivacyMask:
    """Hides what lies in `polygons`, each points `[N, 2]` in shares of width and height. For any thread."""

    def __init__(self, polygons: Sequence[Sequence[tuple[float, float]]]):
        self._polygons = [np.array(points, np.float64) for points in polygons]
        self._regions: dict[tuple[int, ...], list[_Region]] = {}

    def hide(self, image: Image) -> None:
        """Make the polygons of `image` (uint8 `[H, W, 3]`) unrecognisable, in place."""
        regions = self._regions.get(image.shape)
        if regions is None:
            if len(self._regions) >= _MOST_SIZES:
                self._regions = {}
            regions = self._regions[image.shape] = [_region(points, image) for points in self._polygons]
        square = max(image.shape[:2]) / _SQUARES
        for rows, columns, inside in regions:
            part = image[rows, columns]
            height, width = part.shape[:2]
            if not (height and width):
                continue
            few = max(1, round(width / square)), max(1, round(height / square))
            coarse = cv2.resize(part, few, interpolation=cv2.INTER_AREA)
            part[inside] = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_NEAREST)[inside]


def _region(points: npt.NDArray[np.float64], image: Image) -> _Region:
    height, width = image.shape[:2]
    corners = np.round(points * [width, height]).astype(np.int32)
    (left, top), (right, bottom) = corners.min(axis=0), corners.max(axis=0)
    rows, columns = slice(int(top), min(int(bottom) + 1, height)), slice(int(left), min(int(right) + 1, width))
    inside = np.zeros((rows.stop - rows.start, columns.stop - columns.start), np.uint8)
    cv2.fillPoly(inside, [corners - [left, top]], 1)
    return rows, columns, inside.astype(bool)
