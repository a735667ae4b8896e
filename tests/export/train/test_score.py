"""The scorers against cases worked out by hand."""

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("torch")

from export.train.score import Found, Wanted, average_precision, rank_one

PEOPLE = np.array([[0, 0, 10, 20], [30, 0, 40, 20]], np.float32)


def found(boxes: npt.ArrayLike, scores: list[float]) -> Found:
    return Found(np.array(boxes, np.float32).reshape(-1, 4), np.array(scores, np.float32))


@pytest.mark.parametrize(
    ("detections", "counts", "expected"),
    [
        (found(PEOPLE, [0.9, 0.8]), [True, True], 1.0),  # perfect
        (found([], []), [True, True], 0.0),  # all missed
        (found([[60, 60, 70, 80]], [0.9]), [True, True], 0.0),  # all false
        (found(PEOPLE[:1], [0.9]), [True, True], 0.5),  # half of them
        (found([PEOPLE[0], PEOPLE[0], PEOPLE[1]], [0.9, 0.8, 0.7]), [True, True], 0.5 + 0.5 * 2 / 3),  # one twice
        (found([[60, 60, 70, 80], *PEOPLE], [0.9, 0.8, 0.7]), [True, True], 2 / 3),  # a false one on top
        (found(PEOPLE, [0.9, 0.8]), [True, False], 1.0),  # who does not count is forgiven
        (found(PEOPLE[:1], [0.9]), [True, False], 1.0),  # and not expected
        (found([[30, 0, 40, 9], PEOPLE[0]], [0.9, 0.8]), [True, False], 1.0),  # a part of one who does not count
    ],
)
def test_average_precision(detections: Found, counts: list[bool], expected: float) -> None:
    result = average_precision([(detections, Wanted(PEOPLE, np.array(counts)))])
    assert result == pytest.approx(expected)


def test_average_precision_ranks_over_all_pictures() -> None:
    wanted = Wanted(PEOPLE[:1], np.array([True]))
    good, bad = found(PEOPLE[:1], [0.6]), found([[60, 60, 70, 80]], [0.9])
    assert average_precision([(good, wanted), (bad, wanted)]) == pytest.approx(0.25)


def test_rank_one_compares_with_other_times_and_distances_only() -> None:
    embeddings = np.eye(3, dtype=np.float32)[[0, 0, 1, 1, 2]]
    identities = np.array([1, 1, 2, 2, 3])
    apart, near = np.array([0.0, 10, 0, 10, 0]), np.array([0.0, 1, 0, 10, 0])
    heights = np.array([100, 150, 100, 150, 100])
    assert rank_one(embeddings, identities, apart, heights) == 1.0
    swapped = embeddings[[0, 2, 1, 3, 4]]  # everybody looks like somebody else
    assert rank_one(swapped, identities, apart, heights) == 0.0
    assert rank_one(embeddings, identities, near, heights) == 1.0  # only person 2 is asked for
