"""README says nothing that nobody measured, and links to what is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text("utf-8")
# What the authors' own code reaches was measured once and stands in a file beside the benchmark.
MEASURED = [*(ROOT / "docs" / "results").glob("*.md"), ROOT / "benchmarks" / "accuracy" / "authors.json"]
RESULTS = "\n".join(path.read_text("utf-8") for path in MEASURED)


def test_every_figure_stands_in_the_results() -> None:
    (part,) = re.findall(r"## How good, how fast\n(.*?)\n## ", TEXT, re.DOTALL)
    rows = [line.strip("|").split("|")[1:] for line in part.splitlines() if line.startswith("|")]
    figures = {figure for row in rows for cell in row for figure in re.findall(r"\d+\.\d+", cell)}
    assert len(figures) > 10
    missing = [figure for figure in figures if not re.search(rf"(?<![\d.]){re.escape(figure)}(?!\d)", RESULTS)]
    assert missing == []


@pytest.mark.parametrize("page", sorted(ROOT.glob("*.md")), ids=lambda page: page.name)
def test_every_link_leads_to_a_file(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text("utf-8")):
        assert (ROOT / target).exists(), f"{page.name}: {target}"


def test_it_is_read_in_five_minutes() -> None:
    assert len(TEXT.split()) < 1000
