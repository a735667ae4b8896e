"""Writes what a benchmark measured into its own section of RESULTS.md, with machine, versions and date."""

import datetime
import importlib.metadata
import os
import platform
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

RESULTS = Path(__file__).with_name("RESULTS.md")
_HEAD = """# Results

Written by the commands named in each section; nothing here is copied by hand.
"""


def write_section(
    name: str, title: str, body: str, command: str, packages: Iterable[str], elsewhere: str | None = None
) -> None:
    """Replace the section `name` of RESULTS.md, or add it at the end.

    `elsewhere` names machine, versions and date of figures that come from another machine.
    """
    head, tail = f"<!-- {name} -->", f"<!-- end of {name} -->"
    measured = f"`{command}` on {elsewhere or f'{machine()}, {versions(packages)}, {datetime.date.today()}'}."
    section = f"{head}\n## {title}\n\n{measured}\n\n{body.strip()}\n{tail}"
    text = RESULTS.read_text("utf-8") if RESULTS.exists() else _HEAD
    pattern = re.compile(re.escape(head) + ".*?" + re.escape(tail), re.DOTALL)
    replaced, count = pattern.subn(lambda _: section, text)
    RESULTS.write_text(replaced if count else f"{text.rstrip()}\n\n{section}\n", "utf-8")


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
