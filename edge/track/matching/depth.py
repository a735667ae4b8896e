"""Pseudo-depth layers of SparseTrack and NanoTrack: objects near the camera are matched first.

On flat ground seen from above a box is nearer the lower its bottom edge lies. A set of boxes is cut into `levels` bands
of that depth, over the whole frame (SparseTrack) or within every cluster of overlapping boxes (NanoTrack).

A member of the set is a NODE whose `layer` is 0 on entry; its layer is written there. Others keep `OUTSIDE`.
"""

import math
from typing import Any

import numpy as np

from edge.kernels.jit import kernel
from edge.track.matching.boxes import Records, overlapping, sort_spans, span

OUTSIDE = 1 << 30

# A cluster of overlapping boxes: `parent` links to the cluster's first member, which holds the rest.
CLUSTER = np.dtype([("parent", "i8"), ("members", "i8"), ("low", "f8"), ("high", "f8"), ("height", "f8")], align=True)

# A cluster whose depths differ by less than this fraction of its mean box height is one band.
_FLAT = 0.01


@kernel
def frame_layers(source: Records, nodes: Records, n: int, levels: int, published: bool) -> int:
    """Cut the members among the first `n` records of `source` (by their `box`) into bands over the whole frame.

    Returns how many bands there are: `levels`, with the `published` rule sometimes fewer, 0 without members.
    """
    low, high, height, members = math.inf, -math.inf, 0.0, 0
    for i in range(n):
        if nodes[i]["layer"] == 0:
            box = source[i]["box"]
            low = min(low, _depth(box, published))
            high = max(high, _depth(box, published))
            height += box[3] - box[1]
            members += 1
    if members == 0:
        return 0
    for i in range(n):
        if nodes[i]["layer"] == 0:
            nodes[i]["layer"] = _band(
                _depth(source[i]["box"], published), low, high, levels, height / members, published
            )
    return _band(high, low, high, levels, 0.0, True) + 1 if published else levels


@kernel
def cluster_layers(
    source: Records,
    nodes: Records,
    n: int,
    levels: int,
    published: bool,
    spans: Records,
    digits: Any,
    pairs: Records,
    clusters: Records,
) -> None:
    """Cut every cluster of overlapping members into bands. Boxes that only touch overlap.

    `spans` (2 rows), `digits`, `pairs` and `clusters` are working space.
    """
    members = 0
    for i in range(n):
        if nodes[i]["layer"] == 0:
            span(spans[0][members], i, source[i]["box"], 0.0)
            members += 1
            clusters[i]["parent"] = i
    sort_spans(spans[0], members, spans[1], digits)
    found, count = overlapping(spans[0], members, spans[0], members, 0.0, -1.0, pairs)
    for p in range(count):
        _unite(clusters, found[p]["row"], found[p]["column"])
    _measure(source, nodes, n, clusters, published)
    for i in range(n):
        if nodes[i]["layer"] == 0:
            cluster = clusters[_root(clusters, i)]
            nodes[i]["layer"] = _band(
                _depth(source[i]["box"], published),
                cluster["low"],
                cluster["high"],
                levels,
                cluster["height"] / cluster["members"],
                published,
            )


@kernel
def _measure(source: Records, nodes: Records, n: int, clusters: Records, published: bool) -> None:
    for i in range(n):
        cluster = clusters[i]
        cluster["members"] = 0
        cluster["low"] = math.inf
        cluster["high"] = -math.inf
        cluster["height"] = 0.0
    for i in range(n):
        if nodes[i]["layer"] == 0:
            box = source[i]["box"]
            cluster = clusters[_root(clusters, i)]
            cluster["members"] += 1
            cluster["low"] = min(cluster["low"], _depth(box, published))
            cluster["high"] = max(cluster["high"], _depth(box, published))
            cluster["height"] += box[3] - box[1]


@kernel
def _root(clusters: Records, i: int) -> int:
    while clusters[i]["parent"] != i:
        clusters[i]["parent"] = clusters[clusters[i]["parent"]]["parent"]
        i = clusters[i]["parent"]
    return i


@kernel
def _unite(clusters: Records, i: int, j: int) -> None:
    i, j = _root(clusters, i), _root(clusters, j)
    if i < j:
        clusters[j]["parent"] = i
    elif j < i:
        clusters[i]["parent"] = j


@kernel
def _depth(box: Any, published: bool) -> float:
    return 2000.0 - box[3] if published else -box[3]


@kernel
def _band(depth: float, low: float, high: float, levels: int, height: float, published: bool) -> int:
    """The band of a depth within low..high.

    The `published` edges are low, low + s, low + 2s, ... below high with s = (high - low + 1)/levels: a pixel in a
    formula that ought not to know pixels, and fewer bands for shallow sets.
    """
    extent = high - low
    if published:
        if extent == 0.0:
            return 0
        step = (extent + 1.0) / levels
        edges = math.ceil(extent / step)
        band = 0
        while band + 1 < edges and low + (band + 1) * ((low + step) - low) <= depth:
            band += 1
        return band
    if extent <= _FLAT * height:
        return 0
    return min(levels - 1, math.floor(levels * (depth - low) / extent))
