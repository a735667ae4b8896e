"""The page is well formed, needs nothing from elsewhere, and shows what the report says."""

import dataclasses
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from edge.profile import plots
from edge.profile.page import choices_page, page
from edge.profile.report import Report
from tests.profile.samples import choice, comparison, rate, report, setup, stage

VOID = {"meta"}


class Balance(HTMLParser):
    """Fails on a tag that is closed without being open; collects the text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("found", [report(), report(live=None, warnings=("a < b",)), report(rate=rate(20))])
def test_the_page_is_well_formed_and_self_contained(found: Report) -> None:
    text = page(found)
    reader = Balance()
    reader.feed(text)
    assert reader.open == []
    assert "20.0 FPS" in reader.text
    assert all(warning in reader.text for warning in found.warnings)
    assert not re.search(r"<(script|link|img|iframe)|url\(|@import|src=", text)
    assert all("w3.org" in address for address in re.findall(r"https?://\S+", text))


def test_names_are_text_and_never_markup() -> None:
    found = report(setup=setup(pack="<b>&", source="<script>x"))
    assert "<b>&" not in page(found)
    assert "<script>" not in page(found)


def test_the_waterfall_is_as_long_as_the_stages_together() -> None:
    root = ElementTree.fromstring(plots.waterfall(report()))
    bars = [(float(r.get("x", 0)), float(r.get("width", 0))) for r in root.iter() if r.tag.endswith("rect")]
    (first_x, first_width), (second_x, _) = bars
    assert second_x == pytest.approx(first_x + first_width, abs=0.2)
    assert first_width == pytest.approx((720 - 110 - 110) * 40 / 40.1, abs=0.2)


def test_all_bars_of_the_distributions_lie_inside() -> None:
    wide = dataclasses.replace(stage("infer", 40.0), histogram=((0.002, 3), (900.0, 1)), max_ms=910.0)
    found = report(stages=(wide, stage("frame", 45.0)))
    root = ElementTree.fromstring(plots.distributions(found))
    for bar in (r for r in root.iter() if r.tag.endswith("rect")):
        assert 100 <= float(bar.get("x", 0)) <= 720
        assert float(bar.get("height", 0)) <= 34


def test_a_run_of_one_part_has_no_course() -> None:
    assert plots.course(report(stages=(stage("frame", 45.0, medians=(45.0,)),))) == ""


def test_the_page_of_a_comparison() -> None:
    found = comparison(
        choice(rung="onnxruntime-int8", fps=40.0, p99_ms=30.0, agreement=0.97),
        choice(),
        choice(threads=2, fps=10.0, p99_ms=90.0),
        warnings=("a < b",),
    )
    text = choices_page(found)
    reader = Balance()
    reader.feed(text)
    assert reader.open == []
    for said in (found.recommendation, "a < b", "tensorrt-int8: no_driver", "0.970", "n/a"):
        assert said in reader.text
    circles = ElementTree.fromstring(plots.front(found)).findall(".//{*}circle")
    marks = [circle for circle in circles if circle.find("{*}title") is not None]
    assert sorted(mark.get("fill") == "none" for mark in marks) == [False, False, True]
    assert all(0 <= float(mark.get("cx", "-1")) <= 720 and 0 <= float(mark.get("cy", "-1")) <= 300 for mark in marks)
