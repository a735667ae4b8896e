"""Pseudo-depth layers against NumPy and SciPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.track.matching.boxes import DIGITS, PAIR, SPAN
from edge.track.matching.depth import CLUSTER, OUTSIDE, cluster_layers, frame_layers
from edge.track.state import DETECTION
from tests.track.twins import Array, boxes, layers_of_clusters, layers_of_frame, nodes

# Published edges are a pixel wide at least, which is lost on larger numbers.
SOME = boxes(20, min_size=1, largest=2.0**19)
BOTH = pytest.mark.parametrize("published", [False, True])


def _source(boxes_: Array) -> Array:
    source = np.zeros(len(boxes_) + 1, DETECTION)
    source["box"][: len(boxes_)] = boxes_
    return source


def _in_clusters(boxes_: Array, levels: int, published: bool, outside: int = 0) -> list[int]:
    n = len(boxes_)
    members = nodes(n)
    members["layer"][n - outside :] = OUTSIDE
    cluster_layers(
        _source(boxes_),
        members,
        n,
        levels,
        published,
        np.zeros((2, n + 1), SPAN),
        np.zeros(DIGITS, np.int64),
        np.zeros(8, PAIR),
        np.zeros(n, CLUSTER),
    )
    return members["layer"][:n].tolist()


@BOTH
@settings(max_examples=150)
@given(some=SOME, levels=st.integers(1, 12))
def test_layers_within_clusters(published: bool, some: Array, levels: int) -> None:
    assert _in_clusters(some, levels, published) == layers_of_clusters(some, levels, published)


@BOTH
@settings(max_examples=150)
@given(some=SOME, levels=st.integers(1, 12))
def test_layers_over_the_frame(published: bool, some: Array, levels: int) -> None:
    members = nodes(len(some))
    bands = frame_layers(_source(some), members, len(some), levels, published)
    assert (members["layer"][: len(some)].tolist(), bands) == layers_of_frame(some, levels, published)


@BOTH
def test_a_chain_and_an_isolated_box(published: bool) -> None:
    bottoms = np.array([300.0, 260.0, 220.0, 900.0])
    some = np.stack([np.array([0, 5, 10, 500.0]), bottoms - 100, np.array([50, 55, 60, 600.0]), bottoms], 1)
    assert _in_clusters(some, 3, published) == [0, 1, 2, 0]
    assert _in_clusters(some, 1, published) == [0, 0, 0, 0]


def test_boxes_outside_the_set_are_left_alone_and_join_nothing() -> None:
    some = np.array([[0, 0, 10, 100.0], [20, 0, 30, 50.0], [0, 0, 40, 75.0]])
    assert _in_clusters(some, 3, True, outside=1) == [0, 0, OUTSIDE]
    assert _in_clusters(some, 3, True) == [0, 2, 1]


@pytest.mark.parametrize(("extent", "bands"), [(0.0, 1), (0.5, 1), (2.0, 2), (2.1, 3), (100.0, 3)])
def test_published_bands_of_three_levels(extent: float, bands: int) -> None:
    some = np.array([[0, 0, 10, 100.0], [0, 0, 10, 100.0 + extent]])
    assert frame_layers(_source(some), nodes(2), 2, 3, True) == bands


def test_hundreds_in_one_cluster() -> None:
    corner = np.random.default_rng(1).uniform(0, 80, (400, 2))
    some = np.concatenate([corner, corner + 100], 1)
    assert _in_clusters(some, 5, False) == layers_of_clusters(some, 5, False)


@BOTH
def test_no_members_make_no_bands(published: bool) -> None:
    assert frame_layers(_source(np.empty((0, 4))), nodes(0), 0, 3, published) == 0
