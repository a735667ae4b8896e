"""From a picture to a network's input: the one definition of resize, colour order and normalisation.

Calibration, the runtime and every network come through here, so that they see the same pixels. Resizing is OpenCV's
bilinear filter on 8-bit pixels, as in the reference implementations.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import cv2
import numba
import numpy as np
import numpy.typing as npt

from edge.kernels.jit import buffer, entry, given
from edge.modelpack import ImageInput
from edge.types import Image


class Scale(NamedTuple):
    """From the network's input to the picture: coordinates times `x` and `y`, plus `left` and `top` (source pixels)."""

    x: float
    y: float
    left: float = 0.0
    top: float = 0.0


class Preprocess:
    """Fills a network's input tensor with pictures.

    `tensor` is `[B, H, W, 3]` uint8 or `[B, 3, H, W]` float32 as `image_input` says; it stays the caller's, and this
    object writes into it.
    """

    def __init__(self, image_input: ImageInput, tensor: npt.NDArray[Any]):
        self._input = image_input
        self._tensor = tensor
        self._write: Callable[[Image, int], None] = self._write_pixels
        if image_input.layout == "nchw-float32":
            self._pixels = np.empty((image_input.height, image_input.width, 3), np.uint8)
            self._table = _table(image_input)
            self._write = self._write_planes

    def __call__(self, image: Image, row: int = 0) -> Scale:
        """Write `image` (uint8 `[H, W, 3]`, BGR) into row `row` of the tensor and return how it was scaled."""
        height, width = image.shape[:2]
        wanted = self._input
        if wanted.resize == "squash":
            scale = Scale(width / wanted.width, height / wanted.height)
        elif wanted.resize == "centre":
            ratio = max(width, height) / wanted.width
            scale = Scale(ratio, ratio, (width - ratio * wanted.width) / 2, (height - ratio * wanted.height) / 2)
        else:
            scale = Scale(*[max(width / wanted.width, height / wanted.height)] * 2)
        self._write(image, row)
        return scale

    def _write_pixels(self, image: Image, row: int) -> None:
        self._resize(image, self._tensor[row])
        if self._input.colour == "rgb":
            cv2.cvtColor(self._tensor[row], cv2.COLOR_BGR2RGB, dst=self._tensor[row])

    def _write_planes(self, image: Image, row: int) -> None:
        self._resize(image, self._pixels)
        _normalise(self._pixels, self._table, self._input.colour == "rgb", self._tensor[row])

    def _resize(self, image: Image, pixels: Image) -> None:
        wanted = self._input
        if wanted.resize == "centre":
            ratio = wanted.width / max(image.shape[:2])
            left, top = (wanted.width - ratio * image.shape[1]) / 2, (wanted.height - ratio * image.shape[0]) / 2
            move = np.array([[ratio, 0, left], [0, ratio, top]])
            cv2.warpAffine(image, move, (wanted.width, wanted.height), dst=pixels, flags=cv2.INTER_LINEAR)
            return
        if wanted.resize == "letterbox":
            ratio = min(wanted.width / image.shape[1], wanted.height / image.shape[0])
            width = max(1, min(wanted.width, round(image.shape[1] * ratio)))
            height = max(1, min(wanted.height, round(image.shape[0] * ratio)))
            pixels[height:] = wanted.pad
            pixels[:, width:] = wanted.pad
            pixels = pixels[:height, :width]
        cv2.resize(image, (pixels.shape[1], pixels.shape[0]), dst=pixels, interpolation=cv2.INTER_LINEAR)


def _table(image_input: ImageInput) -> npt.NDArray[np.float32]:
    """(pixel - mean) / std of every pixel value, `[3, 256]`: a lookup is exact and faster than the arithmetic."""
    mean, std = (np.array(values, np.float32)[:, None] for values in (image_input.mean, image_input.std))
    return np.ascontiguousarray((np.arange(256, dtype=np.float32) - mean) / std)


@entry(given(np.uint8, 3), given(np.float32, 2), numba.boolean, buffer(np.float32, 3))
def _normalise(pixels: Image, table: npt.NDArray[np.float32], swap: bool, planes: npt.NDArray[np.float32]) -> None:
    """BGR `pixels` [H, W, 3] through the table of each channel into `planes` [3, H, W], blue and red swapped or not."""
    height, width, channels = pixels.shape
    for plane in range(channels):
        channel = 2 - plane if swap else plane
        for y in range(height):
            for x in range(width):
                planes[plane, y, x] = table[plane, pixels[y, x, channel]]
