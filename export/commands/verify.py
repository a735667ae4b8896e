"""Prove that a pack is whole (hashes), sound (ONNX checker), described truly (shapes) and computes what it should.

Every variant runs on ONNX Runtime with the pack's golden input.
"""

import argparse
from pathlib import Path

from rich.table import Table

from edge import modelpack
from edge.console.terminal import Terminal
from edge.errors import DataError
from export import verify


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's flags."""
    parser.add_argument("pack", type=Path, metavar="PACK", help="a model pack")


def run(args: argparse.Namespace) -> None:
    """Print a line for each variant; DataError with all problems where there are any."""
    table = Table("network", "variant", "file", "difference", "verdict", box=None)
    problems: list[str] = []
    for verdict in verify.verify(modelpack.read(args.pack)):
        difference = "not known" if verdict.error is None else f"{verdict.error:.1e}"
        # Without golden arrays there is nothing to agree with.
        word = "fails" if verdict.problems else "runs" if verdict.error is None else "agrees"
        table.add_row(verdict.network, verdict.variant, verdict.file, difference, word)
        problems += verdict.problems
    Terminal().print(table)
    if problems:
        raise DataError(f"{args.pack}: {'; '.join(problems)}; copy the pack again or export it again")
