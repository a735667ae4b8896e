"""Exact assignment on sparse candidates: the one-to-one matching with the largest total gain.

A pair's gain is `limit - cost`. A pair without a positive gain can never be part of the best matching, so only the
others are candidates and a row or column may stay alone. This is the optimum of the padded problem that LAPJV solves
under a cost limit, and not the same as solving without limit and dropping expensive pairs afterwards.

The method is successive shortest augmenting paths with prices (Jonker and Volgenant 1987) on the sparse candidates. A
path never leaves the connected component it starts in, so every component is solved on its own; a row whose best
column is still free, the usual case, costs one pass over its candidates. Rows are served in ascending order, and of
equally good choices the free and then the lower column wins: the result does not depend on the order of the pairs.
"""

from typing import Any

import numpy as np

from edge.kernels.jit import kernel
from edge.track.matching.boxes import Records

# A row or a column. `start`: where a row's candidates begin. `match`: its partner or -1. `price`: its dual variable.
# While a path grows, for columns: `distance` from the path's root, `via` the row it was reached from, `root` and
# `closed` the rows it was reached and settled for, `reached` the list of reached columns. `layer` belongs to stages.py,
# `best` to camera_motion.py.
NODE = np.dtype(
    [
        ("start", "i4"),
        ("match", "i4"),
        ("layer", "i4"),
        ("via", "i4"),
        ("root", "i4"),
        ("closed", "i4"),
        ("reached", "i4"),
        ("price", "f8"),
        ("distance", "f8"),
        ("best", "f8"),
    ],
    align=True,
)


@kernel
def arrange(pairs: Records, count: int, scratch: Records, rows: Records, n_rows: int, columns: Records, n: int) -> Any:
    """The PAIRs sorted by (row, column); a row's candidates begin at its `start`, the last row's end at the next one's.

    `rows` and `columns` (n of them) are NODEs, one more than there are rows and columns. The result lies in `pairs`.
    """
    if len(scratch) < count:
        scratch = np.empty_like(pairs)
    _count(pairs, count, columns, n, False)
    for p in range(count):
        node = columns[pairs[p]["column"]]
        scratch[node["start"]] = pairs[p]
        node["start"] += 1
    _count(scratch, count, rows, n_rows, True)
    for p in range(count):
        node = rows[scratch[p]["row"]]
        pairs[node["start"]] = scratch[p]
        node["start"] += 1
    for i in range(n_rows, 0, -1):
        rows[i]["start"] = rows[i - 1]["start"]
    rows[0]["start"] = 0


@kernel
def _count(pairs: Records, count: int, nodes: Records, n: int, by_row: bool) -> None:
    for i in range(n + 1):
        nodes[i]["start"] = 0
    for p in range(count):
        i = pairs[p]["row"] if by_row else pairs[p]["column"]
        nodes[i + 1]["start"] += 1
    for i in range(n):
        nodes[i + 1]["start"] += nodes[i]["start"]


@kernel
def solve(pairs: Records, rows: Records, n_rows: int, columns: Records, n_columns: int) -> None:
    """Set `match` of all rows and columns to the matching with the largest total gain, -1 for those left alone.

    `pairs` are arranged PAIRs with `gain` set; those with a gain of 0 or less are no candidates.
    """
    for j in range(n_columns):
        columns[j]["match"] = -1
        columns[j]["root"] = -1
        columns[j]["closed"] = -1
        columns[j]["price"] = 0.0
    for i in range(n_rows):
        rows[i]["match"] = -1
        rows[i]["price"] = 0.0
        best, cost = -1, 0.0
        for p in range(rows[i]["start"], rows[i + 1]["start"]):
            if pairs[p]["gain"] > 0.0:
                j = pairs[p]["column"]
                reduced = -pairs[p]["gain"] - columns[j]["price"]
                if reduced < cost or (
                    reduced == cost and best >= 0 and columns[best]["match"] >= 0 and columns[j]["match"] < 0
                ):
                    best, cost = j, reduced
        if best < 0:
            continue
        if columns[best]["match"] < 0:
            rows[i]["price"] = cost
            rows[i]["match"] = best
            columns[best]["match"] = i
        else:
            _augment(pairs, rows, columns, i)


@kernel
def _augment(pairs: Records, rows: Records, columns: Records, root: int) -> None:
    """Give row `root` a place by the cheapest chain of exchanges, which ends at a free column or frees some row."""
    n_reached = n_closed = 0  # the list of reached columns begins with those that are settled
    row, at = root, 0.0
    loser, loss = root, 0.0  # the row that would be left alone, and the length of the chain that leads there
    while True:
        n_reached = _reach(pairs, rows, columns, root, row, at, loss, n_reached)
        k = _nearest(columns, n_closed, n_reached)
        best = columns[k]["reached"] if k >= 0 else -1
        if best < 0 or columns[best]["distance"] >= loss:
            end, length = -1, loss
            break
        if columns[best]["match"] < 0:
            end, length = best, columns[best]["distance"]
            break
        columns[best]["closed"] = root
        columns[k]["reached"], columns[n_closed]["reached"] = columns[n_closed]["reached"], best
        n_closed += 1
        row, at = columns[best]["match"], columns[best]["distance"]
        if at - rows[row]["price"] < loss:
            loser, loss = row, at - rows[row]["price"]
    rows[root]["price"] += length
    for k in range(n_closed):
        node = columns[columns[k]["reached"]]
        rows[node["match"]]["price"] += length - node["distance"]
        node["price"] += node["distance"] - length
    if end < 0:
        end = rows[loser]["match"]
        rows[loser]["match"] = -1
        rows[loser]["price"] = 0.0
    while end >= 0:  # exchange along the chain, back to the root
        row = columns[end]["via"]
        columns[end]["match"] = row
        rows[row]["match"], end = end, rows[row]["match"]


@kernel
def _reach(
    pairs: Records, rows: Records, columns: Records, root: int, row: int, at: float, loss: float, n_reached: int
) -> int:
    """Shorten the distances of the columns that can be reached from `row`; how many are reached now."""
    for p in range(rows[row]["start"], rows[row + 1]["start"]):
        if pairs[p]["gain"] <= 0.0:
            continue
        node = columns[pairs[p]["column"]]
        distance = at - pairs[p]["gain"] - rows[row]["price"] - node["price"]
        if node["closed"] == root or distance >= loss:
            continue
        if node["root"] != root:
            node["root"] = root
            columns[n_reached]["reached"] = pairs[p]["column"]
            n_reached += 1
        elif distance >= node["distance"]:
            continue
        node["distance"] = distance
        node["via"] = row
    return n_reached


@kernel
def _nearest(columns: Records, n_closed: int, n_reached: int) -> int:
    """Where in the list of reached columns the nearest open one is, -1 if there is none."""
    nearest, best, distance, free = -1, -1, 0.0, False
    for k in range(n_closed, n_reached):
        j = columns[k]["reached"]
        node = columns[j]
        if nearest >= 0:
            if node["distance"] > distance:
                continue
            if node["distance"] == distance and (free, -best) >= (node["match"] < 0, -j):
                continue
        nearest, best, distance, free = k, j, node["distance"], node["match"] < 0
    return nearest
