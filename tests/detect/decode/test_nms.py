import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.detect.decode.nms import survivors


def twin(boxes: np.ndarray, scores: np.ndarray, classes: np.ndarray, limit: float) -> list[int]:
    """The slow, obvious form."""
    kept: list[int] = []
    for row in sorted(range(len(scores)), key=lambda i: (-scores[i], i)):
        if all(classes[row] != classes[k] or iou(boxes[row], boxes[k]) <= limit for k in kept):
            kept.append(row)
    return kept


def iou(a: np.ndarray, b: np.ndarray) -> float:
    inter = max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inter
    return inter / union if union > 0 else 0.0


def assert_same(boxes: np.ndarray, scores: np.ndarray, classes: np.ndarray, limit: float, rows: list[int]) -> None:
    """The kernel puts out `rows`, bit by bit."""
    boxes_out, scores_out, classes_out = survivors(boxes, scores, classes, len(scores), limit, 1.0, 1.0, 0.0, 0.0)
    np.testing.assert_array_equal(boxes_out, boxes[rows])
    np.testing.assert_array_equal(scores_out, scores[rows])
    np.testing.assert_array_equal(classes_out, classes[rows])


# Coordinates and scores on coarse grids: many ties, touching, equal and empty boxes, all exact in float32. No ratio of
# such areas is .55, so rounding cannot decide.
@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(*[st.integers(0, 12)] * 2, *[st.integers(0, 8)] * 2, st.integers(1, 8), st.integers(0, 2)),
        max_size=40,
    )
)
def test_equals_the_obvious_form(rows: list[tuple[int, ...]]) -> None:
    table = np.array(rows, np.float32).reshape(-1, 6)
    boxes = np.column_stack([table[:, :2], table[:, :2] + table[:, 2:4]]).astype(np.float32)
    scores, classes = table[:, 4] / np.float32(8), table[:, 5].astype(np.int32)
    assert_same(boxes, scores, classes, 0.5501, twin(boxes, scores, classes, 0.5501))


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(0, 200))
def test_scores_of_every_size_are_sorted(seed: int, count: int) -> None:
    random = np.random.default_rng(seed)
    scores = random.random(count, np.float32) ** random.integers(1, 30, count).astype(np.float32)
    scores[random.random(count) < 0.2] = random.choice([0.0, 1e-45, 0.5, 1.0])
    boxes = np.zeros((count, 4), np.float32)
    boxes[:, 2:] = 1 + 2 * np.arange(count, dtype=np.float32)[:, None]  # told apart by their size
    classes = np.arange(count, dtype=np.int32)  # each its own: all survive
    assert_same(boxes, scores, classes, 0.5, np.argsort(-scores, kind="stable").tolist())


def test_an_overlap_of_exactly_the_limit_stays() -> None:
    boxes = np.array([[0, 0, 4, 1], [1, 0, 4, 1]], np.float32)  # IoU 3/4
    scores, classes = np.array([0.9, 0.8], np.float32), np.zeros(2, np.int32)
    assert_same(boxes, scores, classes, 0.75, [0, 1])
    assert_same(boxes, scores, classes, 0.7499, [0])


def test_only_the_first_rows_count_and_boxes_are_scaled() -> None:
    boxes = np.tile(np.array([0, 1, 2, 4], np.float32), (3, 1))
    scores = np.array([0.1, 0.2, 0.9], np.float32)
    boxes_out, scores_out, _ = survivors(boxes, scores, np.zeros(3, np.int32), 2, 0.5, 3.0, 0.5, 10.0, -1.0)
    np.testing.assert_array_equal(boxes_out, [[10, -0.5, 16, 1]])
    np.testing.assert_array_equal(scores_out, scores[1:2])
