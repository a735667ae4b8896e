"""The pictures of the results are files of their own."""

from xml.etree import ElementTree

from benchmarks.speed.profiles import standalone
from edge.profile import plots
from tests.profile.samples import choice, comparison, report


def test_a_plot_stands_alone() -> None:
    for plot in (plots.waterfall(report()), plots.front(comparison(choice(), choice(fps=30.0)))):
        root = ElementTree.fromstring(standalone(plot))
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        style, ground, *rest = root
        assert "sans-serif" in (style.text or "")
        assert ground.get("fill") == "#fff"
        assert len(rest) > 3
