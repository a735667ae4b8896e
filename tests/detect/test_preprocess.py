from dataclasses import replace

import cv2
import numpy as np
import pytest

from edge.detect.preprocess import Preprocess
from edge.modelpack import Colour, ImageInput, Layout, Resize

SPEC = ImageInput("x", 48, 32, "nchw-float32", "bgr", mean=(103.53, 116.28, 123.675), std=(57.375, 57.12, 58.395))
PICTURE = np.random.default_rng(1).integers(0, 256, (90, 160, 3), np.uint8)


def test_normalised_planes_are_the_formula_on_the_resized_picture() -> None:
    tensor = np.zeros((1, 3, 32, 48), np.float32)
    scale = Preprocess(SPEC, tensor)(PICTURE)
    resized = cv2.resize(PICTURE, (48, 32), interpolation=cv2.INTER_LINEAR).astype(np.float32)
    expected = (resized - np.array(SPEC.mean, np.float32)) / np.array(SPEC.std, np.float32)
    np.testing.assert_array_equal(tensor[0], expected.transpose(2, 0, 1))
    assert scale == pytest.approx((160 / 48, 90 / 32, 0, 0))


def test_rgb_swaps_the_colours_and_mean_follows_them() -> None:
    bgr, rgb = np.zeros((1, 3, 32, 48), np.float32), np.zeros((1, 3, 32, 48), np.float32)
    Preprocess(SPEC, bgr)(PICTURE)
    Preprocess(replace(SPEC, colour="rgb", mean=SPEC.mean[::-1], std=SPEC.std[::-1]), rgb)(PICTURE)
    np.testing.assert_array_equal(rgb, bgr[:, ::-1])


@pytest.mark.parametrize("colour", ["bgr", "rgb"])
def test_pixels_are_only_resized(colour: Colour) -> None:
    tensor = np.zeros((1, 32, 48, 3), np.uint8)
    Preprocess(replace(SPEC, layout="nhwc-uint8", colour=colour), tensor)(PICTURE)
    expected = cv2.resize(PICTURE, (48, 32), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_array_equal(tensor[0], expected if colour == "bgr" else expected[:, :, ::-1])


@pytest.mark.parametrize("layout", ["nhwc-uint8", "nchw-float32"])
@pytest.mark.parametrize("size", [(160, 90), (90, 160), (48, 32), (1000, 2), (7, 5)])
def test_letterbox_keeps_the_aspect_and_pads_right_and_bottom(layout: Layout, size: tuple[int, int]) -> None:
    width, height = size
    white = np.full((height, width, 3), 255, np.uint8)
    spec = replace(SPEC, layout=layout, resize="letterbox", pad=114, mean=(0, 0, 0), std=(1, 1, 1))
    tensor = np.zeros((1, 32, 48, 3), np.uint8) if layout == "nhwc-uint8" else np.zeros((1, 3, 32, 48), np.float32)
    scale = Preprocess(spec, tensor)(white)
    pixels = tensor[0] if layout == "nhwc-uint8" else tensor[0].transpose(1, 2, 0)
    assert scale.x == scale.y == max(width / 48, height / 32)
    filled = pixels[..., 0] == 255
    columns, rows = filled.any(0).sum(), filled.any(1).sum()
    ratio = min(48 / width, 32 / height)
    assert (max(1, int(width * ratio)), max(1, int(height * ratio))) == (columns, rows)
    assert filled[:rows, :columns].all()
    assert (pixels[~filled] == 114).all()


@pytest.mark.parametrize("resize", ["letterbox-rounded", "letterbox-centre"])
@pytest.mark.parametrize("size", [(160, 90), (90, 160), (48, 32), (1000, 300), (1000, 2), (333, 517), (7, 5)])
def test_a_letterbox_with_rounded_sides_leads_back_to_the_edges_of_the_picture(
    size: tuple[int, int], resize: Resize
) -> None:
    """A side of 14.4 is resized to 14: boxes are scaled back by that of 14."""
    width, height = size
    white = np.full((height, width, 3), 255, np.uint8)
    tensor = np.zeros((1, 32, 48, 3), np.uint8)
    spec = replace(SPEC, layout="nhwc-uint8", resize=resize, pad=114)
    scale = Preprocess(spec, tensor)(white)
    filled = tensor[0, ..., 0] == 255
    columns, rows = (np.flatnonzero(filled.any(axis)) for axis in (0, 1))
    assert filled[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
    edges = [(columns[0], scale.x, scale.left), (columns[-1] + 1, scale.x, scale.left)]
    edges += [(rows[0], scale.y, scale.top), (rows[-1] + 1, scale.y, scale.top)]
    assert [place * by + shift for place, by, shift in edges] == pytest.approx([0, width, 0, height])
    if resize == "letterbox-rounded":
        assert (columns[0], rows[0]) == (0, 0)
        return
    assert 48 - columns[-1] - 1 - columns[0] in (0, 1)  # an odd one of the rest lies to the lower right
    assert 32 - rows[-1] - 1 - rows[0] in (0, 1)


def test_a_row_of_a_batch_is_written_and_the_others_left_alone() -> None:
    batch = np.zeros((3, 3, 32, 48), np.float32)
    single = np.zeros((1, 3, 32, 48), np.float32)
    Preprocess(SPEC, batch)(PICTURE, row=1)
    Preprocess(SPEC, single)(PICTURE)
    np.testing.assert_array_equal(batch[1], single[0])
    assert not batch[[0, 2]].any()
