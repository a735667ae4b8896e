"""Lists of boxes are compared row by row wherever a row stands; anything else in its place."""

from collections.abc import Callable

import numpy as np
import pytest

from edge.infer.agreement import Arrays, relative_error

ROWS = 30


def rows(seed: int = 0) -> np.ndarray:
    """`[N, 6]`: corners, scores that fall, class numbers."""
    random = np.random.default_rng(seed)
    corner = random.uniform(0, 300, (ROWS, 2))
    scores = np.sort(random.uniform(0.3, 0.9, ROWS))[::-1]
    return np.column_stack([corner, corner + random.uniform(20, 80, (ROWS, 2)), scores, random.integers(0, 3, ROWS)])


FORMS: dict[str, Callable[[np.ndarray], Arrays]] = {
    "end to end": lambda t: {"output0": t[None].astype(np.float32)},
    "dfine": lambda t: {"labels": t[None, :, 5].astype(np.int64), "boxes": t[None, :, :4], "scores": t[None, :, 4]},
    "torchvision": lambda t: {"boxes": t[:, :4], "labels": t[:, 5].astype(np.int64), "scores": t[:, 4]},
    "rtmdet": lambda t: {"dets": t[None, :, :5], "labels": t[None, :, 5].astype(np.int64)},
    "tensorflow": lambda t: {
        "detection_boxes": t[None, :, :4] / 400,
        "detection_scores": t[None, :, 4],
        "detection_classes": t[None, :, 5],
        "num_detections": np.array([float(ROWS)]),
    },
}


@pytest.mark.parametrize("form", FORMS)
def test_another_order_of_a_list_is_no_error(form: str) -> None:
    table = rows()
    assert relative_error(FORMS[form](table), FORMS[form](table)) == 0
    assert relative_error(FORMS[form](table[::-1]), FORMS[form](table)) == 0


@pytest.mark.parametrize("form", FORMS)
def test_what_a_list_says_counts(form: str) -> None:
    table, make = rows(), FORMS[form]
    moved, weak, renamed, fewer = (table.copy() for _ in range(4))
    moved[:, :4] *= 1.05
    weak[:, 4] *= 0.8
    renamed[:, 5] += 3
    fewer[0, 5] = 9  # the best one is gone
    assert relative_error(make(moved), make(table)) == pytest.approx(0.05, rel=0.3)
    assert relative_error(make(weak), make(table)) == pytest.approx(0.2, rel=0.01)
    assert relative_error(make(renamed), make(table)) == pytest.approx(1)
    assert relative_error(make(fewer), make(table)) > 0.03
    assert relative_error(make(np.zeros_like(table)), make(table)) > 0.9
    broken = table.copy()
    broken[-1, 4] = np.nan
    assert relative_error(make(broken), make(table)) == np.inf


def test_rows_with_a_low_score_may_be_others() -> None:
    table = rows()
    table[20:, 4] = 0.1
    other = table.copy()
    other[20:, :4] += 100
    assert relative_error(FORMS["dfine"](other), FORMS["dfine"](table)) == 0


def test_cells_stay_in_their_places() -> None:
    """Six columns, but no class numbers in the last; or too many rows for a list."""
    cells = rows()
    cells[:, 5] /= 4
    assert relative_error({"o": cells[None, ::-1]}, {"o": cells[None]}) > 0.1
    many = np.tile(rows(), (40, 1)) * np.linspace(0.5, 1, 40 * ROWS)[:, None]
    assert relative_error({"o": many[None, ::-1]}, {"o": many[None]}) > 0.1
