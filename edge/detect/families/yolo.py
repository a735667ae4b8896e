"""What YOLO's heads have in common: rows of a box and class scores, recognised by their values."""

from typing import Literal, NamedTuple

import numpy as np

from edge.detect.cells import centres, strides_of
from edge.detect.facts import Columns, Facts
from edge.types import Float32s

# Of letterboxes in all of them.
PAD = 114
ASSUMED = "RGB of 0..1, letterbox with the picture in the middle"
# Middles of decoded boxes lie near their own cells: half of them within so many strides, and far nearer than to others.
_NEAR = 2.0
_NEARER = 0.5


class Rows(NamedTuple):
    """An output of one row a cell. `upright`: rows are columns. `classes` counts those behind `first_class`."""

    output: str
    strides: tuple[int, ...]
    upright: bool
    width: int
    boxes: Literal["grid", "cxcywh"] | None


def rows_of(facts: Facts, anchors: int = 1) -> list[Rows]:
    """The ways to read the only output, or the first one beside raw heads `[1, A, h, w, ...]`, as rows of cells.

    `boxes` is None where the values are neither near their cells nor those of a raw grid: rows in another order, other
    strides, corners in place of middles, or nothing that varies.
    """
    if facts.picture is None or not facts.outputs:
        return []
    (name, tensor), *others = facts.outputs.items()
    if any(len(other.shape) != 5 for _, other in others) or len(tensor.shape) != 3 or tensor.shape[0] != 1:
        return []
    found = []
    for upright in (False, True):
        rows, width = tensor.shape[:0:-1] if upright else tensor.shape[1:]
        for strides in strides_of(facts.picture.width, facts.picture.height, rows, anchors) if width > 4 else []:
            found.append(Rows(name, strides, upright, width, _boxes(facts, name, strides, upright, anchors)))
    return found


def columns(facts: Facts, rows: Rows) -> Columns:
    """The columns of rows, upright or not."""
    if not rows.upright:
        return facts.columns(rows.output)
    table = np.concatenate([sample[rows.output][0] for sample in facts.samples], axis=1)
    return Columns.over(table, axis=1)


def is_out_of_place(facts: Facts, rows: Rows, anchors: int = 1) -> bool:
    """Whether the scores are seen to be of other cells than those of their rows."""
    follows = facts.follows(rows.strides, [rows.output], slice(4, None), upright=rows.upright, anchors=anchors)
    return follows is False


def is_sure_of_objects(facts: Facts, rows: Rows) -> bool:
    """Whether the objectness, in column 4, is 1 in all rows: there is none."""
    return all((sample[rows.output][0][:, 4] == 1).all() for sample in facts.samples)


def _boxes(
    facts: Facts, name: str, strides: tuple[int, ...], upright: bool, anchors: int
) -> Literal["grid", "cxcywh"] | None:
    assert facts.picture is not None
    points, sizes = centres(facts.picture.width, facts.picture.height, strides, anchors)
    elsewhere = np.random.default_rng(0).permutation(points)
    # One sample is enough: values of 0..255 are far from what most networks were trained on.
    forms = set()
    for sample in facts.samples:
        table = sample[name][0].T if upright else sample[name][0]
        if not np.isfinite(table[:, :4]).all() or np.ptp(table[:, :2]) == 0:
            continue
        middles, of_corners = table[:, :2], (table[:, :2] + table[:, 2:4]) / 2
        near = min(_NEAR, _NEARER * _away(middles, elsewhere, sizes), _away(of_corners, points, sizes))
        if _away(middles, points, sizes) <= near and (table[:, 2:4] >= 0).all():
            forms.add("cxcywh")
        elif np.median(np.abs(table[:, :4])) <= 2 * _NEAR and anchors == 1:
            forms.add("grid")
    return "cxcywh" if "cxcywh" in forms else "grid" if forms else None


def _away(middles: Float32s, points: Float32s, strides: Float32s) -> float:
    """How many strides half of the middles are at least away from their points, in x or in y."""
    return float(np.median(np.abs(middles - points) / strides, axis=0).max())
