"""Scores as a table that fits a terminal of 80 columns: all sequences together first, the best of a group in bold."""

import itertools
import os
import re
from collections.abc import Mapping, Sequence

from rich.table import Table
from rich.text import Text

from edge.console.outgoing import printable
from edge.console.terminal import Terminal
from edge.val.score import COMBINED, COUNTS, Scores

FPS = "FPS"
# Where there is no room these columns are left out, one after another.
_EXPENDABLE = ("Frag", "DetA", "AssA", "FN", "FP")
# Fewer is better.
_LESS = ("IDSW", "FP", "FN", "Frag", "ML")


def show(scores: Mapping[str, Mapping[str, Scores]], rates_fps: Mapping[str, Mapping[str, float]]) -> None:
    """Print `scores` and `rates_fps`, both by label and sequence, a line for each sequence and label."""
    console = Terminal()
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = 1000  # a pipe has no width: nothing is left out
    columns = [*next(iter(next(iter(scores.values())).values())), *([FPS] if any(rates_fps.values()) else [])]
    unbounded = console.options.update(max_width=10_000)
    left_out = []
    table = _table(scores, rates_fps, columns)
    for name in _EXPENDABLE:
        if console.measure(table, options=unbounded).maximum <= console.width:
            break
        if name in columns:
            columns.remove(name)
            left_out.append(name)
            table = _table(scores, rates_fps, columns)
    console.print(table)
    if left_out:
        console.print(f"no room for {', '.join(left_out)}: see --json, or choose --metrics")


def short_names(names: Sequence[str]) -> dict[str, str]:
    """Each name without what all of them begin and end with, as in "02" for MOT17-02-FRCNN; numbers stay whole."""
    if len(names) < 2:
        return {name: name for name in names}
    pieces = {name: re.findall(r"\d+|\D", name) for name in names}
    first = _shared(list(pieces.values()))
    last = _shared([each[first:][::-1] for each in pieces.values()])
    short = {name: "".join(each[first : len(each) - last]) for name, each in pieces.items()}
    return short if all(short.values()) else {name: name for name in names}


def _shared(lists: Sequence[Sequence[str]]) -> int:
    """How many pieces all lists begin with in common."""
    same = [len(set(column)) == 1 for column in zip(*lists, strict=False)]
    return len(list(itertools.takewhile(bool, same)))


def _table(
    scores: Mapping[str, Mapping[str, Scores]], rates_fps: Mapping[str, Mapping[str, float]], columns: Sequence[str]
) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("sequence", no_wrap=True)
    table.add_column("method", overflow="fold")
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    names = [name for name in next(iter(scores.values())) if name != COMBINED]
    short = short_names(names)
    for sequence in (COMBINED, *names):
        group = [scores[label][sequence] | {FPS: rates_fps[label].get(sequence, 0.0)} for label in scores]
        for i, (label, values) in enumerate(zip(scores, group, strict=True)):
            cells = [_cell(name, values[name], [other[name] for other in group]) for name in columns]
            table.add_row(printable(short.get(sequence, sequence)) if i == 0 else "", printable(label), *cells)
        if len(scores) > 1 or sequence == COMBINED:
            table.add_section()
    return table


def _cell(name: str, value: float, group: Sequence[float]) -> Text:
    text = f"{value:.0f}" if name == FPS or name in COUNTS else f"{value:.1f}"
    best = min(group) if name in _LESS else max(group)
    return Text(text, "bold" if value == best and len(group) > 1 else "")
