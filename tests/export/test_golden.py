"""Golden inputs look the same on every day and in every layout."""

import io

import numpy as np
import pytest

from edge.detect.pictures import built_in
from edge.modelpack import Colour, ImageInput, Layout
from export import golden


def _input(layout: Layout, colour: Colour) -> ImageInput:
    return ImageInput("x", 48, 32, layout, colour, (10.0, 20.0, 30.0), (2.0, 4.0, 5.0))


def test_a_picture_depends_on_its_seed_alone_and_shows_something() -> None:
    one, same, other = (built_in(48, 32, seed) for seed in (1, 1, 2))
    assert one.shape == (32, 48, 3)
    assert one.dtype == np.uint8
    np.testing.assert_array_equal(one, same)
    assert (one != other).mean() > 0.2
    assert one.std() > 20


def test_raw_pixels_are_fed_as_they_are() -> None:
    picture = built_in(48, 32, 1)
    np.testing.assert_array_equal(golden.feed(_input("nhwc-uint8", "bgr"), [picture]), picture[None])
    np.testing.assert_array_equal(golden.feed(_input("nhwc-uint8", "rgb"), [picture]), picture[None, ..., ::-1])


@pytest.mark.parametrize(("colour", "channels"), [("bgr", [0, 1, 2]), ("rgb", [2, 1, 0])])
def test_planes_are_normalised_by_hand(colour: Colour, channels: list[int]) -> None:
    picture = built_in(48, 32, 1)
    found = golden.feed(_input("nchw-float32", colour), [picture, picture])
    assert found.shape == (2, 3, 32, 48)
    assert found.dtype == np.float32
    for plane, (mean, std) in enumerate([(10, 2), (20, 4), (30, 5)]):
        expected = (picture[..., channels[plane]].astype(float) - mean) / std
        np.testing.assert_allclose(found[1, plane], expected, rtol=1e-6)


def test_packed_arrays_come_back_and_their_order_does_not_matter() -> None:
    arrays: dict[str, np.ndarray] = {"b": np.arange(5, dtype=np.float32), "a": np.zeros((2, 3), np.uint8)}
    content = golden.packed(arrays)
    assert content == golden.packed(dict(reversed(arrays.items())))
    with np.load(io.BytesIO(content), allow_pickle=False) as found:
        assert sorted(found.files) == ["a", "b"]
        np.testing.assert_array_equal(found["b"], arrays["b"])
