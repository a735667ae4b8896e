"""A benchmark replaces its own section of the results and no other."""

from pathlib import Path

import pytest

from benchmarks import results


def test_sections_are_added_and_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "RESULTS", tmp_path / "RESULTS.md")
    for name, body in (("a", "first"), ("b", r"second \1"), ("a", "third")):
        results.write_section(name, f"Title {name}", body, f"run {name}", ["numpy"])
    text = results.RESULTS.read_text()
    assert text.startswith("# Results\n")
    assert "first" not in text
    assert text.index("third") < text.index(r"second \1")
    assert text.count("## Title a") == text.count("## Title b") == 1
    assert "`run a` on " in text
    assert "numpy " in text


def test_table() -> None:
    assert results.table(("a", "b", "c"), [("x", "y", "1")]) == "| a | b | c |\n| --- | --- | --: |\n| x | y | 1 |\n"
