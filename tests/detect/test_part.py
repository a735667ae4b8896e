"""What follows a changed part of the picture lies there; what hardly moves shows nothing."""

import numpy as np
import pytest

from edge.detect.cells import centres
from edge.detect.part import is_followed

SIZE, STRIDES = 416, (8, 16, 32)
CELLS = (SIZE // 8) ** 2


def changes(seed: int = 0) -> np.ndarray:
    """Fall with the distance of the cells of all levels from the part, with noise."""
    points, _ = centres(SIZE, SIZE, STRIDES)
    away = np.hypot(points[:, 0] / SIZE - 0.25, points[:, 1] / SIZE - 0.75)
    noise = np.random.default_rng(seed).uniform(0.5, 1.5, len(points))
    return np.asarray(np.exp(-6 * away) * noise, np.float32)


def shuffled(values: np.ndarray) -> np.ndarray:
    return np.random.default_rng(1).permutation(values)


def test_cells_in_their_order_follow_and_in_another_do_not() -> None:
    assert is_followed(changes(), SIZE, SIZE, STRIDES) is True
    assert is_followed(shuffled(changes()), SIZE, SIZE, STRIDES) is False


@pytest.mark.parametrize("anchors", [1, 3])
def test_a_level_that_hardly_moves_says_nothing_and_the_next_one_does(anchors: int) -> None:
    """As scores of trained networks, which see no small object in the pictures at all."""
    moved = changes()
    moved[:CELLS] = 1e-2 * shuffled(moved[:CELLS])
    levels = np.split(moved, np.cumsum([(SIZE // stride) ** 2 for stride in STRIDES])[:-1])
    of_anchors = np.concatenate([np.tile(level, anchors) for level in levels])
    assert is_followed(of_anchors, SIZE, SIZE, STRIDES, anchors) is True
    wrong = np.concatenate([of_anchors[: anchors * CELLS], shuffled(of_anchors[anchors * CELLS :])])
    assert is_followed(wrong, SIZE, SIZE, STRIDES, anchors) is False


def test_scores_that_stay_at_zero_say_nothing() -> None:
    assert is_followed(np.float32(1e-4) * shuffled(changes()), SIZE, SIZE, STRIDES) is None


def test_an_anchor_that_hardly_moves_says_nothing() -> None:
    moved = np.concatenate([changes()[:CELLS], 1e-2 * shuffled(changes()[:CELLS])])
    assert is_followed(moved, SIZE, SIZE, STRIDES[:1], 2) is True


@pytest.mark.parametrize("value", [0.0, 1.0, np.nan, np.inf])
def test_nothing_is_seen_where_all_move_alike_or_not_to_a_number(value: float) -> None:
    assert is_followed(np.full(len(changes()), value, np.float32), SIZE, SIZE, STRIDES) is None


def test_few_cells_show_nothing() -> None:
    assert is_followed(changes()[: 4 * 4], 32, 32, STRIDES[:1]) is None
