"""A report as one HTML file that needs nothing else: no script, no font, no network."""

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from edge.profile import plots
from edge.profile.choices import Comparison
from edge.profile.report import Report, write_text
from edge.profile.show import CHOICE_COLUMNS, about, choice_cells

_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 760px; margin: 2em auto; padding: 0 1em; }
h1 { font-size: 1.5em; margin-bottom: 0; } h2 { font-size: 1.1em; margin-top: 2em; }
.rate { font-size: 2.6em; font-weight: 600; line-height: 1.2; } .dim, dt { opacity: .65; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
td, th { text-align: right; padding: .15em .5em; border-bottom: 1px solid #8883; }
td:first-child, th:first-child, td:nth-child(2), th:nth-child(2) { text-align: left; }
dl { display: grid; grid-template-columns: 9em 1fr; gap: .1em 1em; } dd { margin: 0; overflow-wrap: anywhere; }
.warning { border-left: 4px solid #f59f00; padding-left: .8em; margin: .4em 0; }
.finding { border-left: 4px solid #4c6ef5; padding-left: .8em; margin: .4em 0; }
.wide { overflow-x: auto; font-size: .85em; }
svg { max-width: 100%; height: auto; } svg text { font-size: 12px; fill: currentColor; }
"""


def write(report: Report, path: Path) -> None:
    """Write the page. Raises OutputError."""
    write_text(path, page(report))


def page(report: Report) -> str:
    """The page as text."""
    rate, setup, live = report.rate, report.setup, report.live
    parts = [
        f"<h1>{escape(setup.pack)} on {escape(report.machine.name)}</h1>",
        f'<p class="dim">{escape(report.created)}</p>',
        f'<div class="rate">{rate.fps:.1f} FPS</div>',
        f"<p>as fast as possible: {rate.frames} frames in {rate.seconds:.1f} s, {rate.people:.1f} people a frame,"
        f" {setup.width}x{setup.height}</p>",
        _sentences("warning", report.warnings),
        _sentences("finding", report.findings),
        "<h2>One frame</h2>",
        plots.waterfall(report),
        "<h2>Stages</h2>",
        _stages(report),
        "<h2>How durations are spread</h2>",
        '<p class="dim">Each stage on its own scale of counts; dashed: p50 and p99.</p>',
        plots.distributions(report),
        "<h2>Over the run</h2>",
        '<p class="dim">Median time of a frame in consecutive parts of the run.</p>',
        plots.course(report),
    ]
    if live is not None:
        parts += [
            f"<h2>At a camera's {live.frame_rate:g} FPS</h2>",
            '<p class="dim">The recording is read at this rate, and the newest frame is tracked.</p>',
            _table(
                ("tracked", "dropped", "age p50 ms", "age p99 ms", "age max ms", "jitter ms"),
                [
                    (
                        f"{live.tracked} of {live.offered}",
                        str(live.dropped),
                        *(f"{v:.1f}" for v in (live.age_p50_ms, live.age_p99_ms, live.age_max_ms, live.jitter_ms)),
                    )
                ],
            ),
        ]
    facts = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in about(report))
    parts += ["<h2>Measured on</h2>", f"<dl>{facts}</dl>"]
    return _document(f"nanotrack profile: {setup.pack}", parts)


def write_choices(found: Comparison, path: Path) -> None:
    """Write the page of a comparison. Raises OutputError."""
    write_text(path, choices_page(found))


def choices_page(found: Comparison) -> str:
    """The page of `--compare` as text."""
    software = ", ".join(f"{name} {version}" for name, version in found.machine.versions.items())
    parts = [
        f"<h1>{escape(found.pack)} on {escape(found.machine.name)}</h1>",
        f'<p class="dim">{escape(found.created)}, {escape(found.source)}, {found.width}x{found.height}</p>',
        _sentences("finding", [found.recommendation]),
        _sentences("warning", found.warnings),
        "<h2>Rate and latency</h2>",
        '<p class="dim">Filled: nothing else with the same method and ReID is as good in FPS, p99, energy and'
        " agreement. The numbers are threads.</p>",
        plots.front(found),
        "<h2>All choices</h2>",
        f'<div class="wide">{_table(CHOICE_COLUMNS, map(choice_cells, found.choices))}</div>',
        _sentences("dim", [f"Passed over: {sentence}" for sentence in found.passed_over]),
        '<p class="dim">Each way ran in short turns. Latency: from a decoded frame to its tracks being written.'
        " mJ: energy of the board for one frame. Agrees: the share of boxes with the same identity as float32 with the"
        " same method and ReID; it says how alike they are, not how good.</p>",
        "<h2>Measured on</h2>",
        f"<p>{escape(found.machine.system)}, {escape(software)}</p>",
    ]
    return _document(f"nanotrack profile --compare: {found.pack}", parts)


def _document(title: str, parts: Sequence[str]) -> str:
    title = escape(title)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width">'
        f"<style>{_STYLE}</style></head><body>\n" + "\n".join(parts) + "\n</body></html>\n"
    )


def _sentences(kind: str, sentences: Iterable[str]) -> str:
    return "".join(f'<p class="{kind}">{escape(sentence)}</p>' for sentence in sentences)


def _stages(report: Report) -> str:
    return _table(
        ("stage", "thread", "mean ms", "p50", "p90", "p99", "p99.9", "max"),
        [
            (
                stage.name,
                stage.thread,
                *(
                    f"{ms:.3f}"
                    for ms in (stage.mean_ms, stage.p50_ms, stage.p90_ms, stage.p99_ms, stage.p999_ms, stage.max_ms)
                ),
            )
            for stage in report.stages
        ],
    )


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"
