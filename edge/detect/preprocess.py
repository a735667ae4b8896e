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

from edge.errors import InputError
from edge.kernels.jit import buffer, entry, given, kernel
from edge.modelpack import ImageInput
from edge.types import Image

# OpenCV keeps coordinates of the source in 16 bits while it resizes.
LARGEST_SIDE_PX = 32_767


def bgr(image: object) -> Image:
    """`image` as uint8 `[H, W, 3]`, BGR: the same array where it is one already.

    Grey (`[H, W]` or `[H, W, 1]`) and BGRA (`[H, W, 4]`) pictures are converted; alpha is dropped. Raises InputError
    for anything else: what 0 and white are in a float or a 16-bit picture is not known here.
    """
    if isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.ndim in (2, 3) and image.size:
        if max(image.shape[:2]) > LARGEST_SIDE_PX:
            raise InputError(
                f"image: expected at most {LARGEST_SIDE_PX} pixels a side, found {image.shape[1]}x{image.shape[0]}"
            )
        channels = image.shape[2] if image.ndim == 3 else 1
        if channels == 3:
            return image
        if channels == 1:
            return np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR))
        if channels == 4:
            return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGRA2BGR))
    raise InputError(
        f"image: expected uint8 [H, W, 3], BGR (grey and BGRA are converted), found {_found(image)};"
        " scale its values to 0..255 and convert it to uint8"
    )


def _found(image: object) -> str:
    if isinstance(image, np.ndarray):
        return f"{image.dtype} {list(image.shape)}"
    return "None" if image is None else type(image).__name__


class Scale(NamedTuple):
    """From the network's input to the picture: coordinates times `x` and `y`, plus `left` and `top` (source pixels)."""

    x: float
    y: float
    left: float = 0.0
    top: float = 0.0


class Place(NamedTuple):
    """Where a picture lies in the network's input, in its pixels."""

    left: int
    top: int
    width: int
    height: int


class Preprocess:
    """Fills a network's input tensor with pictures.

    `tensor` is `[B, H, W, 3]` uint8 or `[B, 3, H, W]` float32 or float16 as `image_input` says; it stays the caller's,
    and this object writes into it.
    """

    def __init__(self, image_input: ImageInput, tensor: npt.NDArray[Any]):
        self._input = image_input
        self._tensor = tensor
        self._write: Callable[[Image, int], Scale] = self._write_pixels
        if image_input.layout != "nhwc-uint8":
            self._pixels = np.empty((image_input.height, image_input.width, 3), np.uint8)
            self._table = _table(image_input)
            self._write = self._write_planes

    def __call__(self, image: Image, row: int = 0) -> Scale:
        """Write `image` (uint8 `[H, W, 3]`, BGR; grey and BGRA are converted) into row `row` of the tensor and return
        how it was scaled. Raises InputError for anything else, see `bgr`.
        """
        return self._write(bgr(image), row)

    def _write_pixels(self, image: Image, row: int) -> Scale:
        scale = self._resize(image, self._tensor[row])
        if self._input.colour == "rgb":
            cv2.cvtColor(self._tensor[row], cv2.COLOR_BGR2RGB, dst=self._tensor[row])
        return scale

    def _write_planes(self, image: Image, row: int) -> Scale:
        scale = self._resize(image, self._pixels)
        swap = self._input.colour == "rgb"
        if self._table.dtype == np.float32:
            _normalise(self._pixels, self._table, swap, self._tensor[row])
        else:
            _normalise_half(self._pixels, self._table.view(np.uint16), swap, self._tensor[row].view(np.uint16))
        return scale

    def _resize(self, image: Image, pixels: Image) -> Scale:
        height, width = image.shape[:2]
        wanted = self._input
        if wanted.resize == "centre":
            return _centred(image, pixels)
        if wanted.resize == "squash":
            place = Place(0, 0, wanted.width, wanted.height)
            scale = Scale(width / wanted.width, height / wanted.height)
        else:
            place, scale = kept_aspect(width, height, wanted)
            _fill_around(pixels, place, wanted.pad)
        part = pixels[place.top : place.top + place.height, place.left : place.left + place.width]
        cv2.resize(image, (place.width, place.height), dst=part, interpolation=cv2.INTER_LINEAR)
        return scale


def kept_aspect(width: int, height: int, wanted: ImageInput) -> tuple[Place, Scale]:
    """Where a picture of `width` x `height` lies in a letterbox, and how its boxes become boxes of the picture.

    Rounded as the published code of each rule does. YOLOX cuts sides down, begins in the corner, and goes back by the
    one ratio. MMDetection (`letterbox-rounded`) and ultralytics (`letterbox-centre`) round sides to the nearest and go
    back by the sides that the resized picture really has: a short side of 124.8 became 125. The first begins in the
    corner, the second gives an odd row or column of the rest to the lower right.
    """
    ratio = min(wanted.width / width, wanted.height / height)
    if wanted.resize == "letterbox":
        return Place(0, 0, max(1, int(width * ratio)), max(1, int(height * ratio))), Scale(1 / ratio, 1 / ratio)
    wide, high = (
        max(1, min(most, round(side * ratio))) for most, side in ((wanted.width, width), (wanted.height, height))
    )
    x, y = width / wide, height / high
    if wanted.resize == "letterbox-rounded":
        return Place(0, 0, wide, high), Scale(x, y)
    left, top = (round((most - side) / 2 - 0.1) for most, side in ((wanted.width, wide), (wanted.height, high)))
    return Place(left, top, wide, high), Scale(x, y, -left * x, -top * y)


def _fill_around(pixels: Image, place: Place, pad: int) -> None:
    right, bottom = place.left + place.width, place.top + place.height
    pixels[: place.top] = pad
    pixels[bottom:] = pad
    pixels[place.top : bottom, : place.left] = pad
    pixels[place.top : bottom, right:] = pad


def _centred(image: Image, pixels: Image) -> Scale:
    height, width = image.shape[:2]
    high, wide = pixels.shape[:2]
    ratio = wide / max(width, height)
    move = np.array([[ratio, 0, (wide - ratio * width) / 2], [0, ratio, (high - ratio * height) / 2]])
    cv2.warpAffine(image, move, (wide, high), dst=pixels, flags=cv2.INTER_LINEAR)
    return Scale(1 / ratio, 1 / ratio, (width - wide / ratio) / 2, (height - high / ratio) / 2)


def _table(image_input: ImageInput) -> npt.NDArray[Any]:
    """(pixel - mean) / std of every pixel value, `[3, 256]`: a lookup is exact and faster than the arithmetic."""
    mean, std = (np.array(values, np.float32)[:, None] for values in (image_input.mean, image_input.std))
    values = (np.arange(256, dtype=np.float32) - mean) / std
    return np.ascontiguousarray(values, np.float16 if image_input.layout == "nchw-float16" else np.float32)


@kernel
def _look_up(pixels: Image, table: npt.NDArray[Any], swap: bool, planes: npt.NDArray[Any]) -> None:
    height, width, channels = pixels.shape
    for plane in range(channels):
        channel = 2 - plane if swap else plane
        for y in range(height):
            for x in range(width):
                planes[plane, y, x] = table[plane, pixels[y, x, channel]]


@entry(given(np.uint8, 3), given(np.float32, 2), numba.boolean, buffer(np.float32, 3))
def _normalise(pixels: Image, table: npt.NDArray[np.float32], swap: bool, planes: npt.NDArray[np.float32]) -> None:
    """BGR `pixels` [H, W, 3] through the table of each channel into `planes` [3, H, W], blue and red swapped or not."""
    _look_up(pixels, table, swap, planes)


@entry(given(np.uint8, 3), given(np.uint16, 2), numba.boolean, buffer(np.uint16, 3))
def _normalise_half(pixels: Image, table: npt.NDArray[np.uint16], swap: bool, planes: npt.NDArray[np.uint16]) -> None:
    """The same for half precision, whose bits are only copied."""
    _look_up(pixels, table, swap, planes)
