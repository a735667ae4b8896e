"""Rows of cells against a slow NumPy form: objectness or none, upright or not, pixels or grid, any wanted classes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.detect.cells import cell_counts
from edge.detect.decode.candidates import BROKEN
from edge.detect.decode.rows import RowDecoder
from edge.modelpack import Detector, Head, ImageInput, Source

WIDTH, HEIGHT = 96, 64
STRIDES = (8, 16, 32)
CELLS = sum(cell_counts(WIDTH, HEIGHT, STRIDES))
IMAGE = ImageInput("x", WIDTH, HEIGHT, "nchw-float32", "bgr", (0, 0, 0), (1, 1, 1))


def description(classes: int, *, grid: bool = False, offset: float = 0.0) -> Detector:
    head = Head("rows", ("o",), STRIDES, cell_offset=offset, boxes="grid" if grid else "cxcywh")
    return Detector(Source("f", "0", "a"), IMAGE, head, tuple(map(str, range(classes))), {})


def table(seed: int, classes: int, *, objectness: bool, grid: bool) -> np.ndarray:
    """Rows `[N, W]`; scores on a coarse scale, so that there are equal ones, and many at the floor exactly."""
    random = np.random.default_rng(seed)
    boxes = random.normal(0, 1, (CELLS, 4)) * (1 if grid else 50)
    scores = (
        random.integers(0, 9, (CELLS, classes + objectness)) / 8 * random.choice([0.1, 1], (CELLS, 1), p=[0.7, 0.3])
    )
    return np.hstack([boxes, scores]).astype(np.float32)


def twin(
    rows: np.ndarray, wanted: list[int], floor: float, *, objectness: bool, grid: bool, offset: float
) -> np.ndarray:
    """Candidates x1, y1, x2, y2, score, class, row by row."""
    found = []
    places = [(x, y, s) for s in STRIDES for y in range(-(-HEIGHT // s)) for x in range(-(-WIDTH // s))]
    for row, (x, y, stride) in zip(rows, places, strict=True):
        scores = row[5:] if objectness else row[4:]
        class_ = wanted[int(np.argmax(scores[wanted]))]
        score = scores[class_] * (row[4] if objectness else np.float32(1))
        if score < np.float32(floor):
            continue
        cx, cy, width, height = row[:4].astype(np.float64)
        if grid:
            cx, cy = (cx + x + offset) * stride, (cy + y + offset) * stride
            width, height = np.exp(width) * stride, np.exp(height) * stride
        width, height = max(width, 0), max(height, 0)
        found.append([cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2, score, class_])
    return np.array(found).reshape(-1, 6)


def decoded(decoder: RowDecoder) -> np.ndarray:
    count = decoder()
    assert count >= 0
    boxes, scores, classes = (array[:count] for array in decoder.candidates)
    return np.column_stack([boxes, scores, classes])


LAYOUTS = [(True, False, False), (True, True, False), (False, False, False), (False, True, False), (False, False, True)]


@settings(max_examples=120, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(LAYOUTS),
    st.integers(1, 90),
    st.data(),
    st.sampled_from([0.0, 0.05, 0.125, 0.5, 1.0]),
    st.sampled_from([0.0, 0.5]),
)
def test_equals_the_obvious_form(
    seed: int, layout: tuple[bool, bool, bool], classes: int, data: st.DataObject, floor: float, offset: float
) -> None:
    objectness, grid, upright = layout
    wanted = sorted(data.draw(st.sets(st.integers(0, classes - 1), min_size=1)))
    rows = table(seed, classes, objectness=objectness, grid=grid)
    output = np.ascontiguousarray(rows.T if upright else rows)[None]
    described = description(classes, grid=grid, offset=offset)
    decoder = RowDecoder(described, {"o": output}, wanted, floor, objectness=objectness, upright=upright)
    expected = twin(rows, wanted, floor, objectness=objectness, grid=grid, offset=offset)
    np.testing.assert_allclose(decoded(decoder), expected, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize(("objectness", "upright"), [(True, False), (False, False), (False, True)])
@pytest.mark.parametrize("wanted", [[0, 1, 2, 3], [0, 3]])
@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("column", [0, 3])
def test_a_broken_network_is_told_from_an_empty_scene(
    objectness: bool, upright: bool, wanted: list[int], value: float, column: int
) -> None:
    rows = table(3, 4, objectness=objectness, grid=False)
    rows[17, 4:] = 0.9
    for place, broken in ((column, value), (-1, np.nan)):  # a box that counts, and a score
        one = rows.copy()
        one[17, place] = broken
        output = np.ascontiguousarray(one.T if upright else one)[None]
        decode = RowDecoder(description(4), {"o": output}, wanted, 0.2, objectness=objectness, upright=upright)
        assert decode() == BROKEN
    calm = RowDecoder(
        description(4),
        {"o": np.zeros_like(output)},
        wanted,
        0.2,
        objectness=objectness,
        upright=upright,
    )
    assert calm() == 0


def test_what_is_broken_below_the_floor_does_not_matter() -> None:
    rows = table(4, 2, objectness=True, grid=False)
    rows[:, 4] = 0.01
    rows[5, 0] = np.nan
    assert RowDecoder(description(2), {"o": rows[None]}, [0, 1], 0.2, objectness=True)() == 0


def test_it_looks_at_the_buffers_anew_in_each_call() -> None:
    output = np.zeros((1, CELLS, 6), np.float32)
    decoder = RowDecoder(description(2), {"o": output}, [0, 1], 0.1, objectness=False)
    assert decoder() == 0
    output[0, 7, 4] = 0.5
    assert decoder() == 1
    output[:] = 0
    assert decoder() == 0
