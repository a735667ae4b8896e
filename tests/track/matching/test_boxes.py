"""IoU and the sweep join against every pair tried by NumPy."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.track.matching.boxes import DIGITS, PAIR, SPAN, iou, overlapping, sort_spans
from tests.track.twins import Array, boxes, iou_matrix, spans_of


def _joined(a: Array, b: Array, margin: float, floor: float, room: int = 4) -> dict[tuple[int, int], float]:
    spans_a, spans_b = spans_of(a, margin), spans_of(b, margin)
    sort_spans(spans_a, len(a), np.zeros(len(spans_a), SPAN), np.zeros(DIGITS, np.int64))
    sort_spans(spans_b, len(b), np.zeros(len(spans_b), SPAN), np.zeros(DIGITS, np.int64))
    pairs, count = overlapping(spans_a, len(a), spans_b, len(b), margin, floor, np.zeros(room, PAIR))
    found = {(int(p["row"]), int(p["column"])): float(p["iou"]) for p in pairs[:count]}
    assert len(found) == count  # none twice
    return found


@pytest.mark.parametrize(
    ("b", "plain", "with_last_pixel"),
    [
        ((5.0, 0.0, 15.0, 10.0), 1 / 3, 0.375),
        ((10.0, 0.0, 20.0, 10.0), 0.0, 11 / 231),
        ((11.0, 0.0, 21.0, 10.0), -1.0, 0.0),
        ((12.0, 0.0, 22.0, 10.0), -1.0, -1.0),
        ((0.0, 0.0, 10.0, 10.0), 1.0, 1.0),
    ],
)
def test_iou_of_known_boxes(b: tuple[float, ...], plain: float, with_last_pixel: float) -> None:
    a = np.array([0.0, 0.0, 10.0, 10.0])
    assert iou(a, np.array(b), 0.0) == pytest.approx(plain)
    assert iou(a, np.array(b), 1.0) == pytest.approx(with_last_pixel)


@settings(max_examples=150)
@given(boxes(), boxes(), st.sampled_from([0.0, 1.0]), st.sampled_from([-1.0, 0.0, 0.1, 0.5, 0.9]))
def test_join_finds_exactly_the_pairs_above_the_floor(a: Array, b: Array, margin: float, floor: float) -> None:
    every = iou_matrix(a, b, margin)
    wanted = {(int(i), int(j)): float(every[i, j]) for i, j in zip(*np.nonzero(every > floor), strict=True)}
    assert _joined(a, b, margin, floor) == wanted


def test_join_of_hundreds_in_one_heap_and_of_empty_sets() -> None:
    corner = np.random.default_rng(0).uniform(0, 30, (300, 2))
    heap = np.concatenate([corner, corner + 100], 1)
    every = iou_matrix(heap, heap, 0.0)
    assert _joined(heap, heap, 0.0, 0.5) == {(i, j): every[i, j] for i, j in zip(*np.nonzero(every > 0.5), strict=True)}
    nothing = np.empty((0, 4))
    assert _joined(nothing, heap, 0.0, 0.0) == _joined(heap, nothing, 0.0, 0.0) == {}


@given(st.lists(st.floats(width=32, allow_nan=False), max_size=80))
def test_spans_are_sorted_by_left_edge_and_keep_the_order_of_equals(lefts: list[float]) -> None:
    some = np.array([[x, 0, x, 1] for x in lefts], np.float64).reshape(-1, 4)
    spans = spans_of(some, 0.0)
    sort_spans(spans, len(some), np.zeros(len(spans), SPAN), np.zeros(DIGITS, np.int64))
    keys = spans["left"][: len(some)]
    assert (np.diff(keys.astype(np.int64)) >= 0).all()
    assert sorted(spans["row"][: len(some)].tolist()) == list(range(len(some)))
    for first, second in itertools.pairwise(spans[: len(some)]):
        assert first["box"][0] <= second["box"][0]
        assert first["left"] < second["left"] or first["row"] < second["row"]
