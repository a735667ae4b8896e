"""`nanotrack doctor --warm` knows every module that compiles, and fills the cache."""

from pathlib import Path

import pytest

import edge
from edge.cli import main
from edge.commands import doctor
from edge.track import registry


def test_every_module_with_an_entry_is_warmed() -> None:
    root = Path(edge.__file__).parent
    compiling = {
        "edge." + ".".join(source.relative_to(root).with_suffix("").parts)
        for source in root.rglob("*.py")
        if "\n@entry(" in source.read_text("utf-8")
    }
    assert compiling == set(doctor.MODULES)
    assert {method.name for method in registry.algorithms()} <= set(doctor.kernels())


def test_warm_reports_every_module(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    assert main(["doctor", "--warm"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in doctor.kernels())
    assert "cache:" in shown
