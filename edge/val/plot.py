"""A picture of a comparison: for HOTA, MOTA and IDF1 a line for each method, with its sequences and their total."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge.errors import OutputError, UnavailableError, UsageError
from edge.val.bootstrap import METRICS, Interval
from edge.val.score import COMBINED, Scores

SUFFIXES = (".svg", ".png", ".pdf")
_COLOUR, _PALE, _GREY = "#3949ab", "#9fa8da", "#757575"


def require(path: Path) -> None:
    """Raise UsageError for a name of another type, UnavailableError without Matplotlib."""
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"--plot {path}: expected a name that ends in {', '.join(SUFFIXES)}; choose one")
    _figure_class()


def draw(
    path: Path,
    scores: Mapping[str, Mapping[str, Scores]],
    intervals: Mapping[str, Mapping[str, Interval]],
    title: str,
) -> None:
    """Write the picture: dots are sequences, diamonds all of them together, bars their `intervals` where there are any.

    Raises OutputError, and as `require`.
    """
    labels = list(scores)
    longest = max(map(len, labels))
    # A canvas of its own: pyplot would look for a window system.
    figure = _figure_class()(figsize=(7.5 + 0.07 * longest, 1.4 + 0.42 * len(labels)), layout="constrained")
    figure.suptitle(title, fontsize=10)
    panels = figure.subplots(1, len(METRICS), sharey=True, squeeze=False)[0]
    for panel, metric in zip(panels, METRICS, strict=True):
        for row, label in enumerate(labels):
            _line(panel, row, metric, scores[label], intervals.get(label, {}).get(metric))
        panel.set_title(metric, fontsize=9)
        panel.tick_params(labelsize=8, length=0)
        panel.grid(axis="x", alpha=0.3)
        panel.spines[["top", "right", "left"]].set_visible(False)
    panels[0].set_yticks(range(len(labels)), labels)
    panels[0].invert_yaxis()
    panels[0].margins(y=0.35 / len(labels))
    try:
        figure.savefig(path, dpi=150, metadata={"Date": None} if path.suffix.lower() == ".svg" else None)
    except OSError as error:
        raise OutputError(f"{path}: cannot write it: {error.strerror}; choose another place") from error


def _line(panel: Any, row: int, metric: str, of_method: Mapping[str, Scores], interval: Interval | None) -> None:
    names = [name for name in of_method if name != COMBINED]
    panel.plot([of_method[name][metric] for name in names], [row] * len(names), "o", color=_PALE, markersize=4)
    if interval is not None:
        panel.plot(interval, [row, row], "-", color=_COLOUR, linewidth=2, alpha=0.7)
    total = of_method[COMBINED][metric]
    panel.plot([total], [row], "D", color=_COLOUR, markersize=6)
    panel.annotate(
        f"{total:.1f}", (total, row), (0, 7), textcoords="offset points", ha="center", fontsize=8, color=_GREY
    )


def _figure_class() -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise UnavailableError(
            "--plot needs Matplotlib, which is not installed: pip install 'nanotrack-edge[val]'"
        ) from None
    return Figure
