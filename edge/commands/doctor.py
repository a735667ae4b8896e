"""Show what this board can run, what it cannot and why, and the next command to type.

  nanotrack doctor               the board, its software, usable backends
  nanotrack doctor person.pack   the same, every backend tried on that pack
  nanotrack doctor --warm        compiles all kernels, so that no start waits

Warm the cache after installing, as the user who will run the tracker and with the same NUMBA_CACHE_DIR.
"""

import argparse
import importlib
import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from edge import board, modelpack
from edge.console.outgoing import printable
from edge.console.terminal import Terminal
from edge.infer import diagnosis
from edge.infer.diagnosis import Finding, RungState
from edge.infer.ladder import Ladder, Wish

# Modules that compile when they are imported. The tracking methods compile as well.
MODULES = (
    "edge.track.appearance.selection",
    "edge.track.appearance.memory",
    "edge.detect.decode.distributions",
    "edge.detect.decode.lists",
    "edge.detect.decode.nms",
    "edge.detect.decode.rows",
    "edge.detect.preprocess",
    "edge.fleet.assignment",
)

# A letter besides the colour, for terminals and eyes without one.
_MARKS = {"good": ("ok", "green"), "note": ("--", "cyan"), "lacking": ("!", "yellow"), "broken": ("X", "bold red")}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's flags."""
    parser.add_argument("pack", nargs="?", type=Path, metavar="PACK", help="open every rung on this model pack")
    parser.add_argument("--json", action="store_true", help="all of it as JSON")
    parser.add_argument("--warm", action="store_true", help="compile all kernels into the cache, and nothing else")


def run(args: argparse.Namespace) -> None:
    """Look at everything and show it, or fill the cache."""
    if args.warm:
        warm()
        return
    pack = modelpack.read(args.pack) if args.pack else None
    ladder = Ladder(Wish())
    findings = [
        *diagnosis.board_findings(),
        *diagnosis.camera_findings(),
        *diagnosis.software_findings(),
        *diagnosis.cache_findings(kernels()),
        *diagnosis.gpu_findings(ladder),
    ]
    rungs = diagnosis.rung_states(ladder, pack)
    next_command = diagnosis.next_command(findings, rungs, pack)
    if args.json:
        report = {
            "board": board.facts(),
            "findings": [finding.as_dict() for finding in findings],
            "rungs": [rung.as_dict() for rung in rungs],
            "next": next_command,
        }
        sys.stdout.write(json.dumps(report, indent=2) + "\n")
    else:
        show(Terminal(), findings, rungs, next_command)


def show(console: Console, findings: Sequence[Finding], rungs: Sequence[RungState], next_command: str) -> None:
    """The page: a block a section, then the ladder, then the next command. Nothing is explained twice."""
    said: set[str] = set()
    for section in dict.fromkeys(finding.section for finding in findings):
        console.print(Text(f"\n{section}", "bold"))
        grid = _grid()
        for finding in (f for f in findings if f.section == section):
            grid.add_row(*_mark(finding.state), finding.topic, _cell(finding.text, finding.remedy, said))
        console.print(grid)
    console.print(Text("\nladder", "bold").append(" (the first that is ok runs)", "not bold dim"))
    grid = _grid()
    for rung in rungs:
        text = rung.detail if rung.usable else f"{rung.reason}: {rung.detail}"
        text = f"{rung.reason}, as above" if not rung.usable and text in said else text
        grid.add_row(*_mark("good" if rung.usable else "note"), rung.rung, _cell(text, rung.remedy, said))
    console.print(grid)
    console.print(Text("\nnext  ", "bold").append(printable(next_command), "bold green"))


def _grid() -> Table:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=1)
    grid.add_column(width=2)
    grid.add_column(width=18, overflow="fold")
    grid.add_column(overflow="fold")
    return grid


def _mark(state: str) -> tuple[str, Text]:
    return "", Text(*_MARKS[state])


def _cell(text: str, remedy: str, said: set[str]) -> Text:
    cell = Text(printable(text))
    if remedy and remedy not in said:
        cell.append(printable(f"\n-> {remedy}"), "dim")
    said |= {text, remedy}
    return cell


def kernels() -> dict[str, str]:
    """What is compiled, by name: the room of `edge` it lies in, and how its name in the cache begins."""
    from edge.track import registry

    names = {module: f"{module.split('.')[1]}/{module}." for module in MODULES}
    return names | {method.name: f"track/edge.track.method.{method.cache_name}" for method in registry.algorithms()}


def warm() -> None:
    """Fill the cache and show how long each part took."""
    started = time.perf_counter()
    from edge.kernels import cache, jit
    from edge.track import registry

    table = Table("kernels", "seconds", "was")
    table.add_row("numba itself", f"{time.perf_counter() - started:.2f}", "imported")

    def row(name: str, compiled: Callable[[], Iterable[object]]) -> None:
        before = time.perf_counter()
        stored = all(jit.was_stored(function) for function in compiled())
        table.add_row(name, f"{time.perf_counter() - before:.2f}", "read from the cache" if stored else "compiled")

    for name in MODULES:
        row(name, lambda name=name: vars(importlib.import_module(name)).values())  # type: ignore[misc]
    for method in registry.algorithms():
        row(method.name, lambda method=method: [method.frame])  # type: ignore[misc]
    console = Terminal()
    console.print(table)
    console.print(f"all together {time.perf_counter() - started:.1f} s; cache: {cache.cache_folder().parent}")
