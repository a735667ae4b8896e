"""The decoder against a slow NumPy form of the same, on random outputs in every layout that a pack may declare."""

from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.detect.decode.candidates import BROKEN
from edge.detect.decode.distributions import DistributionDecoder
from edge.modelpack import Detector, Head, ImageInput, Source

Scores = Literal["probabilities", "logits"]

WIDTH, HEIGHT, CLASSES, REG_MAX = 96, 64, 5, 7
STRIDES = (8, 16, 32, 64)
CELLS = [(WIDTH + s - 1) // s * ((HEIGHT + s - 1) // s) for s in STRIDES]
IMAGE = ImageInput("x", WIDTH, HEIGHT, "nchw-float32", "bgr", (0, 0, 0), (1, 1, 1))


def description(outputs: tuple[str, ...], scores: Scores = "probabilities", offset: float = 0.0) -> Detector:
    head = Head("nanodet-plus", outputs, STRIDES, REG_MAX, offset, scores)
    return Detector(Source("f", "0", "a"), IMAGE, head, tuple("abcde"), {})


def random_outputs(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    scores = rng.random((sum(CELLS), CLASSES), np.float32) ** 4
    return scores, rng.normal(0, 4, (sum(CELLS), 4 * (REG_MAX + 1))).astype(np.float32)


def twin(scores: np.ndarray, sides: np.ndarray, wanted: list[int], floor: float, offset: float) -> np.ndarray:
    """Rows (x1, y1, x2, y2, score, class) by level, cell and class."""
    rows = []
    cell = 0
    for stride in STRIDES:
        for y in range(-(-HEIGHT // stride)):
            for x in range(-(-WIDTH // stride)):
                logits = sides[cell].reshape(4, REG_MAX + 1).astype(np.float64)
                weights = np.exp(logits - logits.max(1, keepdims=True))
                left, top, right, bottom = stride * (weights @ np.arange(REG_MAX + 1)) / weights.sum(1)
                px, py = (x + offset) * stride, (y + offset) * stride
                box = np.clip([px - left, py - top, px + right, py + bottom], 0, [WIDTH, HEIGHT] * 2)
                rows += [[*box, scores[cell, c], c] for c in wanted if scores[cell, c] >= floor]
                cell += 1
    return np.array(rows).reshape(-1, 6)


def decoded(decoder: DistributionDecoder) -> np.ndarray:
    count = decoder()
    boxes, scores, classes = (array[:count] for array in decoder.candidates)
    return np.column_stack([boxes, scores, classes])


def by_level(table: np.ndarray) -> list[np.ndarray]:
    return np.split(table, np.cumsum(CELLS)[:-1])


@pytest.mark.parametrize("wanted", [[0], [1, 4], list(range(CLASSES))])
@pytest.mark.parametrize("offset", [0.0, 0.5])
def test_one_output(wanted: list[int], offset: float) -> None:
    scores, sides = random_outputs(1)
    outputs = {"o": np.hstack([scores, sides])[None]}
    found = decoded(DistributionDecoder(description(("o",), offset=offset), outputs, wanted, 0.1))
    np.testing.assert_allclose(found, twin(scores, sides, wanted, 0.1, offset), atol=2e-4)
    assert len(found) > 10


def test_two_outputs_of_logits() -> None:
    scores, sides = random_outputs(2)
    scores = np.clip(scores, 1e-6, 1 - 1e-6)
    outputs = {"c": np.log(scores / (1 - scores))[None], "d": sides[None]}
    found = decoded(DistributionDecoder(description(("c", "d"), "logits"), outputs, [0, 2], 0.1))
    np.testing.assert_allclose(found, twin(scores, sides, [0, 2], 0.1, 0.0), atol=2e-4)


def test_outputs_by_level() -> None:
    scores, sides = random_outputs(3)
    names = tuple(f"{kind}{level}" for kind in "cd" for level in range(4))
    outputs = dict(zip(names, (part[None] for part in by_level(scores) + by_level(sides)), strict=True))
    found = decoded(DistributionDecoder(description(names), outputs, [3], 0.05))
    np.testing.assert_allclose(found, twin(scores, sides, [3], 0.05, 0.0), atol=2e-4)


def test_it_looks_at_the_buffers_anew_in_each_call() -> None:
    buffer = np.zeros((1, sum(CELLS), CLASSES + 32), np.float32)
    decoder = DistributionDecoder(description(("o",)), {"o": buffer}, [0], 0.1)
    assert decoder() == 0
    buffer[0, 7, 0] = 0.5
    assert decoder() == 1


def test_the_floor_is_included_and_its_extremes_work() -> None:
    buffer = np.full((1, sum(CELLS), CLASSES), -50, np.float32)
    outputs = {"c": buffer, "d": np.zeros((1, sum(CELLS), 32), np.float32)}
    buffer[0, 0, 0] = 0.0  # a probability of .5
    for floor, count in ((0.5, 1), (0.51, 0), (0.0, sum(CELLS)), (1.0, 0)):
        assert DistributionDecoder(description(("c", "d"), "logits"), outputs, [0], floor)() == count


def test_large_logits_do_not_overflow() -> None:
    outputs = {"o": np.zeros((1, sum(CELLS), CLASSES + 32), np.float32)}
    outputs["o"][0, 20, 0] = 0.9
    outputs["o"][0, 20, CLASSES:] = np.tile([1e4, -1e4, 0, 0, 0, 0, 0, 1e4], 4)
    found = decoded(DistributionDecoder(description(("o",)), outputs, [0], 0.1))
    px, py, reach = 20 % 12 * 8, 20 // 12 * 8, 3.5 * 8
    np.testing.assert_allclose(found[0, :4], np.clip([px - reach, py - reach, px + reach, py + reach], 0, [96, 64] * 2))


@pytest.mark.parametrize(("column", "value"), [(0, np.nan), (CLASSES + 3, np.nan), (CLASSES + 3, np.inf)])
def test_a_broken_network_is_told_from_an_empty_scene(column: int, value: float) -> None:
    outputs = {"o": np.full((1, sum(CELLS), CLASSES + 32), 0.5, np.float32)}
    outputs["o"][0, 30, column] = value
    assert DistributionDecoder(description(("o",)), outputs, [0], 0.1)() == BROKEN


def test_other_numbers_of_bins_and_more_cells_than_are_decoded_at_once() -> None:
    rng = np.random.default_rng(4)
    reg_max, strides = 10, (8,)
    head = Head("nanodet-plus", ("c", "d"), strides, reg_max, 0.0, "probabilities")
    count = CELLS[0]
    scores = np.full((count, 1), 0.5, np.float32)
    sides = rng.normal(0, 2, (count, 4 * (reg_max + 1))).astype(np.float32)
    detector = Detector(Source("f", "0", "a"), IMAGE, head, ("a",), {})
    found = decoded(DistributionDecoder(detector, {"c": scores[None], "d": sides[None]}, [0], 0.5))
    weights = np.exp(sides.reshape(count, 4, -1).astype(np.float64))
    reach = 8 * (weights @ np.arange(reg_max + 1)) / weights.sum(2)
    points = 8.0 * np.stack([np.arange(count) % 12, np.arange(count) // 12], 1)
    expected = np.clip(np.hstack([points - reach[:, :2], points + reach[:, 2:]]), 0, [WIDTH, HEIGHT] * 2)
    np.testing.assert_allclose(found[:, :4], expected, atol=2e-4)
    assert len(found) == count == 96


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.sets(st.integers(0, CLASSES - 1), min_size=1),
    st.sampled_from([0.01, 0.1, 0.5]),
    st.sampled_from([0.0, 0.5]),
    st.booleans(),
)
def test_equals_the_obvious_form(seed: int, chosen: set[int], floor: float, offset: float, logits: bool) -> None:
    scores, sides = random_outputs(seed)
    wanted = sorted(chosen)
    scores = np.clip(scores, 1e-6, 1 - 1e-6)
    scores[np.abs(scores - floor) < 1e-5] = 1e-6  # rounding of logits would decide
    kind: Scores = "logits" if logits else "probabilities"
    outputs = {"c": (np.log(scores / (1 - scores)) if logits else scores)[None], "d": sides[None]}
    found = decoded(DistributionDecoder(description(("c", "d"), kind, offset), outputs, wanted, floor))
    np.testing.assert_allclose(found, twin(scores, sides, wanted, floor, offset), atol=2e-4)
