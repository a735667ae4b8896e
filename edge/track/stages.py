"""Matching in stages: what takes part, the gain of a pair, and the exact assignment among those still free.

One join a frame finds every pair of track and detection that any stage could want. A stage enrols its tracks and
detections by giving their NODEs a `layer` (0, or a depth band); all others are `OUTSIDE`. Layer k matches what is
enrolled up to k and still free, so whoever fails in one layer tries again in the next.
"""

from typing import Any

from edge.kernels.jit import kernel
from edge.track.lifecycle import are_apart, update
from edge.track.matching.assignment import arrange, solve
from edge.track.matching.boxes import Records, overlapping, sort_spans, span
from edge.track.matching.depth import OUTSIDE, cluster_layers, frame_layers
from edge.track.state import NOWHERE, TRACKED, Work

CONFIRMED, FOLLOWED, NEW = range(3)  # tracks: confirmed (lost ones too), of these seen in the frame before, seen once


@kernel
def span_tracks(work: Work) -> int:
    """Sort the boxes of all tracks into the first row of spans; how many there are."""
    run, table, spans = work.run[0], work.table, work.spans[0]
    for i in range(run["tracks"]):
        span(spans[i], i, table[i]["box"], run["margin"])
    sort_spans(spans, run["tracks"], work.spans[2], run["digits"])
    return run["tracks"]


@kernel
def candidates(work: Work, floor: float) -> Any:
    """All pairs of track and detection with an IoU above `floor`, arranged by (track, detection): (PAIRs, how many).

    Those of two groups of classes are as far apart as can be.
    """
    run, detections, spans = work.run[0], work.detections, work.spans[1]
    tracks = span_tracks(work)
    usable = 0
    for j in range(work.n):
        if detections[j]["pool"] != NOWHERE:
            span(spans[usable], j, detections[j]["box"], run["margin"])
            usable += 1
    sort_spans(spans, usable, work.spans[2], run["digits"])
    pairs, count = overlapping(work.spans[0], tracks, spans, usable, run["margin"], floor, work.pairs[0])
    arrange(pairs, count, work.pairs[1], work.nodes[0], tracks, work.nodes[1], work.n)
    if run["apart"]:
        for p in range(count):
            if are_apart(run, work.table[pairs[p]["row"]], detections[pairs[p]["column"]]):
                pairs[p]["iou"] = -1.0
    return pairs, count


@kernel
def compare_appearance(work: Work, pairs: Records, count: int, similarity: Any) -> None:
    """Set the `similarity` of pairs that overlap well and look alike to their cosine (BoT-SORT's rule).

    `similarity` has a row a track of the frame's start and a column a detection; without any, nothing is known.
    """
    run = work.run[0]
    if similarity.shape[0] == 0:
        return
    for p in range(count):
        pair = pairs[p]
        cosine = similarity[work.table[pair["row"]]["similarity_row"], pair["column"]]
        if (1.0 - cosine) / 2.0 <= run["appearance_limit"] and pair["iou"] >= run["appearance_iou"]:
            pair["similarity"] = min(cosine, 1.0)


@kernel
def forget_appearance(pairs: Records, count: int) -> None:
    """From here on boxes alone decide."""
    for p in range(count):
        pairs[p]["similarity"] = -1.0


@kernel
def enrol_tracks(work: Work, which: int) -> None:
    """Let the CONFIRMED, the FOLLOWED or the NEW tracks take part in the next matching."""
    table, rows = work.table, work.nodes[0]
    for i in range(work.run[0]["tracks"]):
        if which == CONFIRMED:
            wanted = table[i]["confirmed"]
        elif which == FOLLOWED:
            wanted = table[i]["confirmed"] and table[i]["status"] == TRACKED and table[i]["detection"] < 0
        else:
            wanted = not table[i]["confirmed"]
        rows[i]["layer"] = 0 if wanted else OUTSIDE


@kernel
def enrol_detections(work: Work, pool: int) -> None:
    """Let the detections of one pool take part in the next matching."""
    for j in range(work.n):
        work.nodes[1][j]["layer"] = 0 if work.detections[j]["pool"] == pool else OUTSIDE


@kernel
def match(work: Work, pairs: Records, layer: int, limit: float, fused: bool, model: int) -> None:
    """Match the free tracks and detections enrolled up to `layer` at the least total cost, each cost under `limit`.

    The cost of a pair is 1 - IoU, `fused` 1 - IoU * score, or half of 1 - similarity where that is smaller. Matched
    tracks are updated.
    """
    table, detections, rows, columns = work.table, work.detections, work.nodes[0], work.nodes[1]
    run, tracks = work.run[0], work.run[0]["tracks"]
    for i in range(tracks):
        row_open = rows[i]["layer"] <= layer and table[i]["detection"] < 0
        for p in range(rows[i]["start"], rows[i + 1]["start"]):
            pair = pairs[p]
            j = pair["column"]
            if row_open and columns[j]["layer"] <= layer and detections[j]["track"] < 0:
                cost = 1.0 - pair["iou"] * detections[j]["score"] if fused else 1.0 - pair["iou"]
                pair["gain"] = limit - min(cost, (1.0 - pair["similarity"]) / 2.0)
            else:
                pair["gain"] = 0.0
    solve(pairs, rows, tracks, columns, work.n)
    for i in range(tracks):
        j = rows[i]["match"]
        if j >= 0:
            update(run, table[i], i, detections[j], j, model)


@kernel
def cascade(work: Work, pairs: Records, levels: int, limit: float, fused: bool, model: int) -> None:
    """SparseTrack's depth cascade: near tracks and detections first, over the whole frame, leftovers carried on.

    Published: where one side has fewer bands, the farthest bands of the other take no part.
    """
    published = work.run[0]["reference"]
    bands = 1
    if levels > 1:
        bands = min(
            frame_layers(work.table, work.nodes[0], work.run[0]["tracks"], levels, published),
            frame_layers(work.detections, work.nodes[1], work.n, levels, published),
        )
    for layer in range(bands):
        match(work, pairs, layer, limit, fused, model)


@kernel
def cluster_cascade(work: Work, pairs: Records, levels: int, limit: float, fused: bool, model: int) -> None:
    """NanoTrack's cascade: the depth bands are those within each cluster of overlapping boxes."""
    published, tracks = work.run[0]["reference"], work.run[0]["tracks"]
    if levels > 1:
        spans, clusters = work.spans, work.clusters
        # The candidates live in the first row of pairs, or outside it.
        room, digits = work.pairs[1], work.run[0]["digits"]
        cluster_layers(work.table, work.nodes[0], tracks, levels, published, spans, digits, room, clusters)
        cluster_layers(work.detections, work.nodes[1], work.n, levels, published, spans, digits, room, clusters)
    for layer in range(levels):
        match(work, pairs, layer, limit, fused, model)
