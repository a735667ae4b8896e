"""The sparse assignment against SciPy's on the padded problem."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.track.matching.assignment import arrange, solve
from tests.track.twins import Array, best_total, nodes, pairs_of


def _solve(gain: Array, order: Array | None = None) -> list[tuple[int, int]]:
    """Matched (row, column) pairs; a gain of -inf is no candidate at all."""
    n, m = gain.shape
    pairs, rows, columns = pairs_of(gain, order), nodes(n), nodes(m)
    arrange(pairs, len(pairs), np.zeros_like(pairs), rows, n, columns, m)
    assert [(p["row"], p["column"]) for p in pairs] == sorted((p["row"], p["column"]) for p in pairs)
    solve(pairs, rows, n, columns, m)
    matched = [(i, int(rows[i]["match"])) for i in range(n) if rows[i]["match"] >= 0]
    assert sorted((int(columns[j]["match"]), j) for j in range(m) if columns[j]["match"] >= 0) == matched
    assert len({j for _, j in matched}) == len(matched)
    assert all(gain[i, j] > 0 for i, j in matched)
    return matched


def _total(gain: Array, matched: list[tuple[int, int]]) -> float:
    return float(sum(gain[i, j] for i, j in matched))


def _best(gain: Array) -> float:
    return best_total(np.maximum(gain, 0))


@st.composite
def gains(draw: st.DrawFn) -> Array:
    """Gain matrices of all shapes, sparse to dense, with many ties or none."""
    n, m = draw(st.integers(0, 12)), draw(st.integers(0, 12))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    gain = random.integers(-1, 4, (n, m)).astype(float) if draw(st.booleans()) else random.uniform(-0.2, 1, (n, m))
    gain[random.random((n, m)) < draw(st.sampled_from([0.0, 0.3, 0.7, 0.9]))] = -np.inf
    return gain


@settings(max_examples=400)
@given(gains())
def test_total_gain_is_the_best_there_is(gain: Array) -> None:
    assert _total(gain, _solve(gain)) == pytest.approx(_best(gain), abs=1e-9)


@settings(max_examples=100)
@given(gains(), st.integers(0, 2**32 - 1))
def test_order_of_the_pairs_does_not_matter(gain: Array, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(pairs_of(gain)))
    assert _solve(gain, order) == _solve(gain)


def test_limit_is_part_of_the_problem_and_not_a_filter_afterwards() -> None:
    # Solving first and dropping pairs above the limit would leave the pairs (0, 1) and (1, 0).
    assert _solve(0.65 - np.array([[0, 0.4], [0.5, 1]])) == [(0, 0)]


def test_ties_go_to_the_lower_row_and_column() -> None:
    assert _solve(np.full((3, 3), 0.5)) == [(0, 0), (1, 1), (2, 2)]
    assert _solve(np.full((3, 1), 0.5)) == [(0, 0)]
    assert _solve(np.full((1, 3), 0.5)) == [(0, 0)]
    assert _solve(np.array([[0.0, 0.5], [-1.0, 0.5]])) == [(0, 1)]  # a gain of nothing is no candidate


@pytest.mark.parametrize("kind", ["random", "ties", "rivals", "band"])
def test_hundreds_in_one_component(kind: str) -> None:
    random = np.random.default_rng(3)
    n = 300
    gain = {
        "random": random.uniform(0, 1, (n, n)),
        "ties": random.integers(1, 4, (n, n)).astype(float),
        "rivals": random.uniform(0.9, 1, n)[None, :] + random.uniform(0, 1e-3, (n, n)),  # all want the same columns
        "band": np.where(
            np.abs(np.subtract.outer(np.arange(n), np.arange(n))) < 9, random.uniform(0, 1, (n, n)), -np.inf
        ),
    }[kind]
    assert _total(gain, _solve(gain)) == pytest.approx(_best(gain), rel=1e-9)
