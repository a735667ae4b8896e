"""Writes what a benchmark measured into its own section of a page of the results, with machine, versions and date."""

import datetime
import importlib.metadata
import os
import platform
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

RESULTS = Path(__file__).parents[1] / "docs" / "results"  # pages, and the pictures that they show
# The pages with their titles, and the sections of each, the most wanted first.
PAGES = {
    "accuracy": (
        "Accuracy",
        (
            "real",
            "offline",
            "accuracy",
            "interval",
            "reid",
            "appearance",
            "drops",
            "fleet",
            "fleet_real",
        ),
    ),
    "speed": (
        "Speed",
        (
            "end_to_end",
            "engines",
            "operators",
            "classes",
            "memory",
            "cameras",
            "recording",
            "stages",
            "decoders",
            "choices",
            "latency",
            "association",
            "growth",
            "sessions",
            "batch",
            "gpu",
        ),
    ),
    "int8": ("INT8", ("int8", "int8_tracks", "int8_joint", "int8_nanodet_m", "int8_wide", "int8_openvino")),
    "endurance": ("Endurance", ("soak", "kills", "fleet_scale", "fleet_kills", "aarch64")),
    "studies": ("Studies", ("ablation",)),
}


def write_section(
    name: str, title: str, body: str, command: str, packages: Iterable[str], elsewhere: str | None = None
) -> None:
    """Replace the section `name` of its page, or add it where `PAGES` wants it.

    `elsewhere` names machine, versions and date of figures that come from another machine.
    """
    page = next(page for page, (_, sections) in PAGES.items() if name in sections)
    heading, order = PAGES[page]
    measured = f"`{command}` on {elsewhere or f'{machine()}, {versions(packages)}, {datetime.date.today()}'}."
    path = RESULTS / f"{page}.md"
    head, sections = _read(path) if path.exists() else (f"# {heading}\n", {})
    sections[name] = f"## {title}\n\n{measured}\n\n{body.strip()}\n"
    parts = [f"<!-- {key} -->\n{sections[key]}<!-- end of {key} -->\n" for key in order if key in sections]
    path.write_text("\n".join([head, *parts]), "utf-8")


def _read(path: Path) -> tuple[str, dict[str, str]]:
    """What stands before the first section of a page, and its sections by name."""
    text = path.read_text("utf-8")
    found = re.findall(r"<!-- (\w+) -->\n(.*?)<!-- end of \1 -->\n", text, re.DOTALL)
    return text.split("\n<!-- ")[0].rstrip("\n") + "\n", dict(found)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; all columns but the first two are aligned to the right."""
    rule = ["---", "---", *["--:"] * (len(columns) - 2)]
    return "\n".join("| " + " | ".join(row) + " |" for row in (columns, rule, *rows)) + "\n"


def machine() -> str:
    """The processor's name and the number of its cores that this process may use."""
    cpuinfo = Path("/proc/cpuinfo")
    found = re.search(r"^(?:model name|Model)\s*:\s*(.+)$", cpuinfo.read_text() if cpuinfo.exists() else "", re.M)
    name = found[1].strip() if found else platform.processor() or platform.machine()
    return f"{len(os.sched_getaffinity(0))} cores of {name}"


def versions(packages: Iterable[str]) -> str:
    """Python's version and those of the packages."""
    named = (f"{package} {importlib.metadata.version(package)}" for package in packages)
    return ", ".join((f"Python {platform.python_version()}", *named))
