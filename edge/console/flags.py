"""Flags that every command spells alike."""

import argparse
from pathlib import Path
from typing import Any


def add_out(parser: argparse.ArgumentParser, help: str, metavar: str = "DIR", **more: Any) -> None:  # noqa: A002
    """Declare `-o`, `--out`: where the command writes to, as `args.out`, a Path. `more` is `add_argument`'s.

    The name of earlier versions, `--output`, still works, and is not shown.
    """
    action = parser.add_argument("-o", "--out", "--output", type=Path, metavar=metavar, help=help, **more)
    action.option_strings = [name for name in action.option_strings if name != "--output"]
