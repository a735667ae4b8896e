"""Plots of a report as SVG: where a frame's time goes, how durations are spread, how they vary over the run."""

import math
from html import escape

from edge.profile.choices import Comparison
from edge.profile.measure import WHOLE
from edge.profile.report import Report, Stage

_WIDTH, _LABEL, _ROW = 720, 110, 22
_COLOURS = ("#4c6ef5", "#12b886", "#f59f00", "#e64980", "#7950f2", "#15aabf", "#fa5252", "#82c91e", "#868e96")


def inner(report: Report) -> list[Stage]:
    """The stages that one after another make up a frame."""
    whole = report.stage(WHOLE)
    return [s for s in report.stages if s is not whole and whole and s.thread == whole.thread and s.name != "wait"]


def waterfall(report: Report) -> str:
    """One mean frame: each stage begins where the one before ended."""
    frames = report.rate.frames
    total_ms = sum(stage.total_ms for stage in inner(report)) / frames
    rows, start_ms = [], 0.0
    scale = (_WIDTH - _LABEL - 110) / total_ms
    for index, stage in enumerate(inner(report)):
        mean_ms = stage.total_ms / frames
        x, y, width = _LABEL + start_ms * scale, index * _ROW, max(1.0, mean_ms * scale)
        beside = x + width + 6
        rows.append(
            _text(_LABEL - 8, y + 15, stage.name, "end")
            + f'<rect x="{x:.1f}" y="{y + 3}" width="{width:.1f}" height="{_ROW - 6}" fill="{_colour(report, stage)}"/>'
            + _text(beside, y + 15, f"{mean_ms:.2f} ms, {mean_ms / total_ms:.1%}")
        )
        start_ms += mean_ms
    return _svg(len(rows) * _ROW, rows)


def distributions(report: Report) -> str:
    """A histogram a stage on one logarithmic axis; a mark at p50 and p99."""
    stages = [stage for stage in report.stages if stage.name != "wait"]
    low = min(stage.histogram[0][0] for stage in stages)
    high = max(stage.max_ms for stage in stages)
    first = math.floor(math.log10(max(low, 1e-3)))
    last = max(first + 1, math.ceil(math.log10(high)))
    scale = (_WIDTH - _LABEL - 40) / (last - first)
    height, bars_high = 46, 34

    def at(ms: float) -> float:
        return _LABEL + scale * (math.log10(max(ms, 10**first)) - first)

    bottom = len(stages) * height
    rows = []
    for decade in range(first, last + 1):
        x = at(10**decade)
        rows.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{bottom}" stroke="#8884"/>')
        rows.append(_text(x, bottom + 14, f"{10.0**decade:g} ms", "middle"))
    for index, stage in enumerate(stages):
        base = (index + 1) * height - 4
        rows.append(_text(_LABEL - 8, base - 4, stage.name, "end"))
        columns = _columns(stage)
        most = max(columns.values())
        for column, count in columns.items():
            x, width = at(10 ** (column / 40)), scale / 40
            tall = max(1.0, bars_high * count / most)
            rows.append(
                f'<rect x="{x:.1f}" y="{base - tall:.1f}" width="{width:.1f}" height="{tall:.1f}"'
                f' fill="{_colour(report, stage)}"/>'
            )
        for name, ms in (("p50", stage.p50_ms), ("p99", stage.p99_ms)):
            x = at(ms)
            rows.append(
                f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{base - bars_high}" y2="{base}" stroke="currentColor"'
                f' stroke-dasharray="2 2"><title>{escape(stage.name)} {name} {ms:.3f} ms</title></line>'
            )
    return _svg(bottom + 20, rows)


def _columns(stage: Stage) -> dict[int, int]:
    """The histogram in 40 columns a decade."""
    columns: dict[int, int] = {}
    for edge_ms, count in stage.histogram:
        column = math.floor(40 * math.log10(max(edge_ms, 1e-6)))
        columns[column] = columns.get(column, 0) + count
    return columns


def course(report: Report) -> str:
    """The medians of a whole frame over the parts of the run, from 0 up: flat is good."""
    whole = report.stage(WHOLE)
    medians = whole.block_medians_ms if whole else ()
    if len(medians) < 2:
        return ""
    height, top = 140, 1.15 * max(medians)
    step = (_WIDTH - _LABEL - 20) / (len(medians) - 1)

    def at(index: int, ms: float) -> str:
        return f"{_LABEL + index * step:.1f},{height - height * ms / top:.1f}"

    points = " ".join(at(index, ms) for index, ms in enumerate(medians))
    rows = [f'<polyline points="{points}" fill="none" stroke="{_COLOURS[0]}" stroke-width="2"/>']
    for ms in (0.0, max(medians)):
        y = height - height * ms / top
        rows.append(f'<line x1="{_LABEL}" x2="{_WIDTH - 20}" y1="{y:.1f}" y2="{y:.1f}" stroke="#8884"/>')
        rows.append(_text(_LABEL - 8, y + 4, f"{ms:.1f} ms", "end"))
    rows.append(_text(_LABEL, height + 16, "begin"))
    rows.append(_text(_WIDTH - 20, height + 16, f"{report.rate.seconds:.0f} s", "end"))
    return _svg(height + 22, rows)


def front(found: Comparison) -> str:
    """Latency over rate, a mark for each choice: filled where it is worth choosing, coloured by rung."""
    rungs = list(dict.fromkeys(choice.rung for choice in found.choices))
    left, height, bottom = 60, 300, 340
    fps_most = 1.1 * max(choice.fps for choice in found.choices)
    ms_most = 1.1 * max(choice.p99_ms for choice in found.choices)
    rows = []
    for index in range(5):
        x, y = left + (_WIDTH - left - 20) * index / 4, height - height * index / 4
        rows.append(f'<line x1="{left}" x2="{_WIDTH - 20}" y1="{y:.1f}" y2="{y:.1f}" stroke="#8884"/>')
        rows.append(_text(left - 8, y + 4, f"{ms_most * index / 4:.0f}", "end"))
        rows.append(_text(x, height + 16, f"{fps_most * index / 4:.0f}", "middle"))
    rows.append(_text(left - 8, -10, "p99 ms", "end"))
    rows.append(_text(_WIDTH - 20, height + 32, "FPS", "end"))
    for choice in sorted(found.choices, key=lambda choice: choice.is_worth_it):
        colour = _COLOURS[rungs.index(choice.rung) % len(_COLOURS)]
        x = left + (_WIDTH - left - 20) * choice.fps / fps_most
        y = height - height * choice.p99_ms / ms_most
        named = f"{choice.rung}, {choice.threads} threads, {choice.at_once} at once, {choice.method}, {choice.reid}"
        rows.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" stroke="{colour}" stroke-width="2"'
            f' fill="{colour if choice.is_worth_it else "none"}"><title>{escape(named)}</title></circle>'
        )
        if choice.is_worth_it and choice.tracking == found.choices[0].tracking:
            label = f"{choice.threads}" + (" side by side" if choice.at_once > 1 else "")
            rows.append(_text(x + 9, y + 4, label) if x < 0.8 * _WIDTH else _text(x - 9, y + 4, label, "end"))
    for index, rung in enumerate(rungs):
        rows.append(f'<circle cx="{left + 12}" cy="{14 + 18 * index}" r="5" fill="{_COLOURS[index % len(_COLOURS)]}"/>')
        rows.append(_text(left + 24, 18 + 18 * index, rung))
    return _svg(bottom, rows, top=24)


def _colour(report: Report, stage: Stage) -> str:
    """The same in every plot of a report."""
    return _COLOURS[report.stages.index(stage) % len(_COLOURS)]


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(height: float, rows: list[str], top: float = 4) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 {-top:g} {_WIDTH} {height + top + 4:g}" width="{_WIDTH}">'
        + "\n".join(rows)
        + "</svg>"
    )
