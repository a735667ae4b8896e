"""One-to-one assignment of newcomers to who they may be, by the solver of the tracker."""

import numba
import numpy as np
import numpy.typing as npt

from edge.kernels.jit import buffer, entry
from edge.track.matching.assignment import NODE, arrange, solve
from edge.track.matching.boxes import PAIR, Records
from edge.types import Int64s


def assign(rows: Int64s, columns: Int64s, gains: npt.NDArray[np.float64], n_rows: int, n_columns: int) -> Int64s:
    """The column of each row, int64 `[n_rows]`, -1 for none, such that the sum of gains is the largest.

    Candidate k is `rows[k]`, `columns[k]` with `gains[k]`; what gains nothing is no candidate. Each row and each column
    is used at most once.
    """
    pairs = np.zeros(max(1, len(gains)), PAIR)
    pairs["row"][: len(rows)], pairs["column"][: len(rows)], pairs["gain"][: len(rows)] = rows, columns, gains
    row_nodes, column_nodes = np.zeros(n_rows + 1, NODE), np.zeros(n_columns + 1, NODE)
    _solve(pairs, len(gains), np.empty_like(pairs), row_nodes, n_rows, column_nodes, n_columns)
    return row_nodes["match"][:n_rows].astype(np.int64)


@entry(buffer(PAIR), numba.int64, buffer(PAIR), buffer(NODE), numba.int64, buffer(NODE), numba.int64)
def _solve(
    pairs: Records, count: int, scratch: Records, rows: Records, n_rows: int, columns: Records, n_columns: int
) -> None:
    arrange(pairs, count, scratch, rows, n_rows, columns, n_columns)
    solve(pairs, rows, n_rows, columns, n_columns)
