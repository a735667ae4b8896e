"""Agreement of two runs on cases whose answer is known."""

import numpy as np
import pytest

from edge.profile.agreement import Shown, agreement


def frame(*people: tuple[int, float]) -> Shown:
    """People as (id, left edge): boxes of 10 x 20."""
    lefts = np.array([left for _, left in people], np.float32)
    boxes = np.stack([lefts, 0 * lefts, lefts + 10, 0 * lefts + 20], 1).reshape(-1, 4)
    return np.array([identity for identity, _ in people], np.int64), boxes


def run(*people: tuple[int, float], frames: int = 10) -> list[Shown]:
    return [frame(*people)] * frames


def test_other_numbers_for_the_same_people_agree() -> None:
    assert agreement(run((1, 0), (2, 100)), run((7, 101), (9, 1))) == 1.0


def test_nothing_agrees_with_nothing_and_with_nobody_else() -> None:
    assert agreement(run(), run()) == 1.0
    assert agreement(run((1, 0)), run()) == 0.0
    assert agreement(run((1, 0)), run((1, 100))) == 0.0
    assert agreement([], []) == 1.0


def test_a_person_that_one_run_misses() -> None:
    assert agreement(run((1, 0), (2, 100)), run((1, 0))) == pytest.approx(2 * 10 / 30)


def test_an_identity_that_changes_counts_by_its_longer_part() -> None:
    other = run((1, 0), frames=7) + run((2, 0), frames=3)
    assert agreement(run((1, 0)), other) == pytest.approx(0.7)


def test_boxes_that_overlap_too_little_are_two() -> None:
    assert agreement(run((1, 0)), run((1, 3))) == 1.0  # IoU 7/13
    assert agreement(run((1, 0)), run((1, 4))) == 0.0  # 6/14


def test_of_two_boxes_on_one_the_better_counts() -> None:
    assert agreement(run((1, 0)), run((1, 2), (2, 0))) == pytest.approx(2 * 10 / 30)


def test_the_longer_run_is_cut() -> None:
    assert agreement(run((1, 0), frames=5), run((1, 0), frames=9)) == 1.0
