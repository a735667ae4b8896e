"""A benchmark replaces its own section of its page and no other."""

from pathlib import Path

import pytest

from benchmarks import results


def test_sections_are_added_in_the_order_of_the_page_and_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    monkeypatch.setattr(results, "PAGES", {"one": ("One", ("a", "b")), "two": ("Two", ("c",))})
    for name, body in (("b", r"second \1"), ("a", "first"), ("c", "other page"), ("a", "third")):
        results.write_section(name, f"Title {name}", body, f"run {name}", ["numpy"])
    text = (tmp_path / "one.md").read_text()
    assert text.startswith("# One\n")
    assert "first" not in text
    assert text.index("third") < text.index(r"second \1")
    assert text.count("## Title a") == text.count("## Title b") == 1
    assert "`run a` on " in text
    assert "numpy " in text
    assert "other page" in (tmp_path / "two.md").read_text()


def test_what_stands_before_the_sections_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    monkeypatch.setattr(results, "PAGES", {"one": ("One", ("a",))})
    (tmp_path / "one.md").write_text("# One\n\nAn introduction.\n")
    for body in ("x", "y"):
        results.write_section("a", "A", body, "run", [])
    assert (tmp_path / "one.md").read_text().startswith("# One\n\nAn introduction.\n\n<!-- a -->\n## A\n")


def test_every_section_that_a_benchmark_writes_has_its_place() -> None:
    placed = {section for _, sections in results.PAGES.values() for section in sections}
    for page in results.PAGES:
        head, sections = results._read(results.RESULTS / f"{page}.md")
        assert head.startswith("# ")
        assert set(sections) <= placed


def test_table() -> None:
    assert results.table(("a", "b", "c"), [("x", "y", "1")]) == "| a | b | c |\n| --- | --- | --: |\n| x | y | 1 |\n"
