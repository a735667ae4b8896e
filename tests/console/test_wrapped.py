"""Help fits a terminal of 80 columns and keeps the commands in it as they are."""

import argparse
import importlib

import pytest

import edge.cli
import export.cli
from edge.console.wrapped import Formatter

PROGRAMS = {"edge.commands": edge.cli.VERBS, "export.commands": export.cli.VERBS}


def test_prose_is_filled_and_commands_stay() -> None:
    text = "Short.\n\nA sentence that is longer\nthan the width.\n\n  nanotrack track --path a b\n  next\nMore."
    parser = argparse.ArgumentParser("x", description=text, formatter_class=lambda prog: Formatter(prog, width=24))
    told = parser.format_help()
    assert "Short.\n\nA sentence that is\nlonger than the width.\n\n" in told
    assert "\n  nanotrack track --path a b\n  next\nMore." in told


@pytest.mark.parametrize(
    ("package", "verb"), [(package, verb) for package, verbs in PROGRAMS.items() for verb in verbs]
)
def test_help_fits_80_columns(package: str, verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    command = importlib.import_module(f"{package}.{verb.replace('-', '_')}")
    program = "nanotrack" if package.startswith("edge") else "nanotrack-export"
    parser = argparse.ArgumentParser(f"{program} {verb}", description=command.__doc__, formatter_class=Formatter)
    command.add_arguments(parser)
    assert [line for line in parser.format_help().splitlines() if len(line) > 80] == []
