"""Short lists and queries against a slow NumPy form: every form of boxes, labels, logits, rows that are not in use."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.detect.decode.candidates import BROKEN, UNNAMED, Candidates
from edge.detect.decode.lists import Column, ListDecoder, QueryDecoder, table
from edge.modelpack import Detector, Head, ImageInput, Source

WIDTH, HEIGHT = 96, 64
IMAGE = ImageInput("x", WIDTH, HEIGHT, "nchw-float32", "bgr", (0, 0, 0), (1, 1, 1))
FORMS = ("xyxy", "cxcywh", "cxcywh-share", "yxyx-share")


def description(classes: int, boxes: str, scores: str = "probabilities") -> Detector:
    head = Head("list", ("o",), scores=scores, boxes=boxes)  # type: ignore[arg-type]
    return Detector(Source("f", "0", "a"), IMAGE, head, tuple(map(str, range(classes))), {})


def corners(box: np.ndarray, form: str) -> list[float]:
    """One box as xyxy in pixels."""
    a, b, c, d = box.astype(np.float64)
    if form == "yxyx-share":
        a, b, c, d = b, a, d, c
    if form.startswith("cxcywh"):
        c, d = max(c, 0), max(d, 0)
        a, b, c, d = a - c / 2, b - d / 2, a + c / 2, b + d / 2
    x, y = (WIDTH, HEIGHT) if form.endswith("share") else (1, 1)
    return [a * x, b * y, max(a, c) * x, max(b, d) * y]


def compare(decoder: ListDecoder | QueryDecoder, expected: list[list[float]]) -> None:
    count = decoder()
    assert count == len(expected)
    boxes, scores, classes = (array[:count] for array in decoder.candidates)
    found = np.column_stack([boxes, scores, classes])
    np.testing.assert_allclose(found, np.array(expected).reshape(-1, 6), rtol=1e-5, atol=1e-4)


SEED, COUNT, CLASSES = st.integers(0, 2**32 - 1), st.integers(0, 40), st.integers(1, 9)


@settings(max_examples=100, deadline=None)
@given(SEED, COUNT, CLASSES, st.sampled_from(FORMS), st.booleans(), st.sampled_from([0.0, 0.125, 0.5]), st.data())
def test_lists_equal_the_obvious_form(
    seed: int, count: int, classes: int, form: str, together: bool, floor: float, data: st.DataObject
) -> None:
    """In one table of six columns, or in three outputs; some rows are not in use."""
    random = np.random.default_rng(seed)
    wanted = sorted(data.draw(st.sets(st.integers(0, classes - 1), min_size=1)))
    rows = np.zeros((count, 6), np.float32)
    rows[:, :4] = random.normal(0.5, 0.4, (count, 4)) * (1 if form.endswith("share") else 60)
    rows[:, 4] = random.integers(-1, 9, count) / 8
    rows[:, 5] = random.integers(0, classes, count)
    boxes, scores, labels = Column(rows, 0), Column(rows, 4), Column(rows, 5)
    if not together:
        boxes = Column(np.ascontiguousarray(rows[:, :4]), 0)
        scores, labels = (Column(np.ascontiguousarray(rows[:, i : i + 1]), 0) for i in (4, 5))
    expected = [[*corners(row[:4], form), *row[4:]] for row in rows if row[4] >= floor and int(row[5]) in wanted]
    compare(ListDecoder(description(classes, form), boxes, scores, labels, wanted, floor), expected)


@settings(max_examples=100, deadline=None)
@given(SEED, COUNT, CLASSES, st.sampled_from(FORMS), st.booleans(), st.data())
def test_queries_equal_the_obvious_form(
    seed: int, count: int, classes: int, form: str, logits: bool, data: st.DataObject
) -> None:
    random = np.random.default_rng(seed)
    wanted = sorted(data.draw(st.sets(st.integers(0, classes - 1), min_size=1)))
    boxes = random.normal(0.5, 0.4, (count, 4)).astype(np.float32) * np.float32(1 if form.endswith("share") else 60)
    raw = (random.integers(-12, 12, (count, classes)) / 2).astype(np.float32)  # none at the logit of the floor
    probabilities = 1 / (1 + np.exp(-raw.astype(np.float64)))
    kind = "logits" if logits else "probabilities"
    outputs = raw if logits else probabilities.astype(np.float32)
    floor = 0.3
    expected = [
        [*corners(boxes[i], form), probabilities[i, c], c]
        for i in range(count)
        for c in wanted
        if probabilities[i, c] >= floor
    ]
    compare(QueryDecoder(description(classes, form, kind), boxes, outputs, wanted, floor), expected)


def test_queries_beyond_the_room_for_logits() -> None:
    boxes = np.full((300, 4), 0.5, np.float32)
    logits = np.linspace(-3, 3, 600, dtype=np.float32).reshape(300, 2)
    decoder = QueryDecoder(description(2, "cxcywh-share", "logits"), boxes, logits, [0, 1], 0.01)
    assert decoder() == 600
    np.testing.assert_allclose(decoder.candidates.scores, 1 / (1 + np.exp(-logits.ravel())), rtol=1e-6)


@pytest.mark.parametrize(
    ("column", "value", "found"),
    [
        (4, np.nan, BROKEN),
        (5, np.nan, BROKEN),
        (1, np.inf, BROKEN),
        (0, np.nan, BROKEN),
        (5, 3, UNNAMED),
        (5, -1, UNNAMED),
    ],
)
def test_what_cannot_be_is_told(column: int, value: float, found: int) -> None:
    rows = np.array([[1, 2, 3, 4, 0.9, 0], [1, 2, 3, 4, 0.9, 1]], np.float32)
    rows[1, column] = value
    assert (
        ListDecoder(description(3, "xyxy"), Column(rows, 0), Column(rows, 4), Column(rows, 5), [0, 1, 2], 0.1)()
        == found
    )


@pytest.mark.parametrize("broken", ["box", "score"])
def test_a_broken_query_is_told(broken: str) -> None:
    boxes, scores = np.full((2, 4), 0.5, np.float32), np.full((2, 2), 0.5, np.float32)
    (boxes if broken == "box" else scores)[1, 1] = np.nan
    assert QueryDecoder(description(2, "xyxy"), boxes, scores, [0, 1], 0.1)() == BROKEN


@pytest.mark.parametrize(
    ("shape", "rows"), [((1, 7, 6), (7, 6)), ((7, 4), (7, 4)), ((1, 7), (7, 1)), ((7,), (7, 1)), ((1, 0, 5), (0, 5))]
)
def test_outputs_of_any_number_of_dimensions_are_tables(shape: tuple[int, ...], rows: tuple[int, int]) -> None:
    assert table(np.zeros(shape, np.float32)).shape == rows


def test_candidates_have_room_for_every_row() -> None:
    boxes, scores, classes = Candidates.room(3)
    assert (boxes.shape, scores.shape, classes.shape) == ((3, 4), (3,), (3,))
