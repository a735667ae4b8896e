"""The assembled chains detect what ours does: otherwise the comparison would be of different work."""

import importlib.metadata

import numpy as np
import pytest

from benchmarks.speed import chains, end_to_end
from edge.detect.decode.distributions import DistributionDecoder
from edge.modelpack import Detector, Head, ImageInput, Source


def test_decoding_in_numpy_finds_the_boxes_of_our_decoder() -> None:
    random = np.random.default_rng(3)
    scores = random.random((3598, 80), np.float32) ** 6
    sides = random.normal(0, 3, (3598, 32)).astype(np.float32)
    raw = np.concatenate([scores, sides], 1)
    boxes, found = chains._decoded(raw, chains._points())
    image = ImageInput("data", 416, 416, "nchw-float32", "bgr", (0, 0, 0), (1, 1, 1))
    head = Head("nanodet-plus", ("output",), (8, 16, 32, 64), 7, 0.0, "probabilities")
    detector = Detector(Source("f", "0", "a"), image, head, tuple(map(str, range(80))), {})
    decoder = DistributionDecoder(detector, {"output": raw[None]}, [0], 0.1)
    count = decoder()
    assert count == len(found) > 500
    np.testing.assert_allclose(decoder.candidates.boxes_xyxy[:count], boxes, atol=2e-3)
    np.testing.assert_array_equal(decoder.candidates.scores[:count], found)


def test_the_tensor_is_normalised_bgr() -> None:
    image = np.zeros((20, 30, 3), np.uint8)
    image[:] = 10, 20, 30
    expected = (np.array([10, 20, 30]) - [103.53, 116.28, 123.675]) / [57.375, 57.12, 58.395]
    np.testing.assert_allclose(chains._tensor(image)[0, :, 100, 200], expected, atol=1e-5)


def test_what_is_installed_is_counted_with_all_it_needs() -> None:
    for distribution in ("nanotrack-edge", "numba"):
        try:
            importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            pytest.skip(f"{distribution} is not installed")
    assert end_to_end._installed_mib("nanotrack") > 100  # numba's compiler alone
