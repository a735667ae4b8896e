"""Slow, obvious versions of the kernels in NumPy and SciPy, and how to hand NumPy boxes to the kernels."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment
from scipy.sparse.csgraph import connected_components

from edge.track.matching.assignment import NODE
from edge.track.matching.boxes import PAIR, SPAN, span
from edge.track.motion.kalman import XYAH

Array = npt.NDArray[Any]


def boxes(max_size: int = 30, *, min_size: int = 0, largest: float = 2.0**70) -> st.SearchStrategy[Array]:
    """Boxes float64 `[N, 4]` with float32 values: on a coarse grid (so that many touch, tie or are equal) or huge."""
    grid = st.integers(-3, 12).map(lambda k: 10.0 * k)
    wide = st.floats(-largest, largest, width=32)
    fine = st.floats(0, 100, width=32)
    number = st.one_of(grid, grid, fine, wide)
    box = st.tuples(number, number, number, number).map(
        lambda b: (min(b[0], b[2]), min(b[1], b[3]), max(b[0], b[2]), max(b[1], b[3]))
    )
    return st.lists(box, min_size=min_size, max_size=max_size).map(
        lambda rows: np.array(rows, np.float64).reshape(-1, 4)
    )


def iou_matrix(a: Array, b: Array, margin: float) -> Array:
    """IoU of every pair, 0 where boxes at most touch, -1 where they do not even touch."""
    width = np.minimum(a[:, None, 2], b[None, :, 2]) - np.maximum(a[:, None, 0], b[None, :, 0]) + margin
    height = np.minimum(a[:, None, 3], b[None, :, 3]) - np.maximum(a[:, None, 1], b[None, :, 1]) + margin
    area_a = (a[:, 2] - a[:, 0] + margin) * (a[:, 3] - a[:, 1] + margin)
    area_b = (b[:, 2] - b[:, 0] + margin) * (b[:, 3] - b[:, 1] + margin)
    both = width * height
    with np.errstate(invalid="ignore", divide="ignore"):
        iou = both / (area_a[:, None] + area_b[None, :] - both)
    return np.where((width < 0) | (height < 0), -1.0, np.where(both == 0, 0.0, iou))


def best_total(gain: Array) -> float:
    """Largest total gain of a one-to-one matching in which rows and columns may stay alone: the padded problem."""
    n, m = gain.shape
    padded = np.zeros((n + m, n + m))
    padded[:n, :m] = -gain
    # A row alone or a column alone costs nothing; a pair of two fillers neither.
    rows, columns = linear_sum_assignment(padded)
    return float(-padded[rows, columns].sum())


def layers_of_frame(boxes_: Array, levels: int, published: bool) -> tuple[list[int], int]:
    """Depth band of every box over the whole set, and how many bands there are."""
    bottoms = boxes_[:, 3]
    depth = 2000.0 - bottoms if published else -bottoms
    low, high = depth.min(), depth.max()
    if not published:
        height = (boxes_[:, 3] - boxes_[:, 1]).mean()
        if high - low <= 0.01 * height:
            return [0] * len(depth), levels
        return [min(levels - 1, math.floor(levels * (d - low) / (high - low))) for d in depth], levels
    if low == high:
        return [0] * len(depth), 1
    edges = [*np.arange(low, high, (high - low + 1) / levels).tolist(), high]
    edges[0], edges[-1] = math.floor(edges[0]), math.ceil(edges[-1])
    bands = len(edges) - 1
    return [next(j for j in range(bands) if d < edges[j + 1] or j == bands - 1) for d in depth], bands


def layers_of_clusters(boxes_: Array, levels: int, published: bool) -> list[int]:
    """Depth band of every box within its cluster of overlapping (or touching) boxes."""
    layers = [0] * len(boxes_)
    _, label = connected_components(iou_matrix(boxes_, boxes_, 0.0) >= 0, directed=False)
    for cluster in range(label.max() + 1):
        members = np.flatnonzero(label == cluster)
        for i, layer in zip(members, layers_of_frame(boxes_[members], levels, published)[0], strict=True):
            layers[i] = layer
    return layers


class Filter8:
    """The published Kalman filter with its full 8x8 matrices, dt frames a step."""

    def __init__(self, z: Array, model: int) -> None:
        self.model = model
        p, v = self._std(z, 2 / 20, 10 / 160, 1e-2, 1e-5)
        self.mean = np.r_[z, np.zeros(4)]
        self.covariance = np.diag(np.r_[p, v] ** 2)

    def _std(self, z: Array, position: float, velocity: float, aspect: float, aspect_velocity: float) -> Any:
        if self.model == XYAH:
            p, v = np.full(4, position * z[3]), np.full(4, velocity * z[3])
            p[2], v[2] = aspect, aspect_velocity
            return p, v
        return position * z[[2, 3, 2, 3]], velocity * z[[2, 3, 2, 3]]

    def predict(self, dt: float) -> None:
        p, v = self._std(self.mean, 1 / 20, 1 / 160, 1e-2, 1e-5)
        motion = np.eye(8) + dt * np.eye(8, k=4)
        self.mean = motion @ self.mean
        self.covariance = motion @ self.covariance @ motion.T + dt * np.diag(np.r_[p, v] ** 2)

    def correct(self, z: Array) -> None:
        r, _ = self._std(self.mean, 1 / 20, 1 / 160, 1e-1, 0)
        see = np.eye(4, 8)
        total = see @ self.covariance @ see.T + np.diag(r**2)
        gain = self.covariance @ see.T @ np.linalg.inv(total)
        self.mean = self.mean + gain @ (z - see @ self.mean)
        self.covariance = self.covariance - gain @ total @ gain.T


def spans_of(boxes_: Array, margin: float) -> Array:
    """The boxes as unsorted SPAN records, with room for one more."""
    spans = np.zeros(len(boxes_) + 1, SPAN)
    for row, box in enumerate(boxes_):
        span(spans[row], row, box, margin)
    return spans


def pairs_of(gain: Array, order: Array | None = None) -> Array:
    """A PAIR for every finite gain of a matrix, in row order or the order given."""
    rows, columns = np.nonzero(np.isfinite(gain))
    pairs = np.zeros(len(rows), PAIR)
    pairs["row"], pairs["column"], pairs["gain"] = rows, columns, gain[rows, columns]
    return pairs if order is None else pairs[order]


def nodes(count: int) -> Array:
    """NODE records for `count` rows or columns."""
    return np.zeros(count + 1, NODE)
