"""Fetch official weights by name, checked by sha256.

Without a name: the list of names, sources and licences. Without a network: --mirror FOLDER with the files in it.
"""

import argparse
import difflib
from pathlib import Path

from edge.console.flags import add_out
from edge.console.outgoing import say
from edge.errors import UsageError
from edge.weights.catalogue import CATALOGUE
from edge.weights.fetch import fetch


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags of `nanotrack fetch`."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="which weights; leave it out for the list")
    add_out(parser, "default: weights", default=Path("weights"))
    parser.add_argument("--mirror", type=Path, metavar="DIR", help="copy from this folder, do not use the network")


def run(args: argparse.Namespace) -> None:
    """Fetch one file, or print the list."""
    if args.name is None:
        _print_list()
        return
    weights = CATALOGUE.get(args.name)
    if weights is None:
        near = difflib.get_close_matches(args.name, CATALOGUE, n=1)
        advice = f"did you mean {near[0]}? " if near else ""
        raise UsageError(f"{args.name}: no such weights; {advice}nanotrack fetch without a name lists them all")
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    from edge.console.terminal import Terminal

    console = Terminal(stderr=True)
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(weights.file, total=None)
        path = fetch(
            weights,
            args.out,
            mirror=args.mirror,
            report=lambda done, total: progress.update(task, completed=done, total=total),
        )
    checked = "sha256 checked" if weights.sha256 else "no published sha256 to check against"
    say(f"{path}: {weights.what}, {weights.licence}, {checked}")


def _print_list() -> None:
    """A table of name and network under each source and licence."""
    width = max(map(len, CATALOGUE))
    shown = ""
    for name, weights in CATALOGUE.items():
        known = "" if weights.sha256 else "; sha256 not published"
        heading = f"{weights.source}: {weights.licence}{known}"
        if heading != shown:
            say(heading)
            shown = heading
        say(f"  {name:{width}}  {weights.what}")
