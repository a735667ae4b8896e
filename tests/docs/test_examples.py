"""The notebook and the examples run as they stand in the documentation."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from tests.docs.test_snippets import ROOT, place, run, things  # noqa: F401 - fixtures

EXAMPLES = ROOT / "docs" / "examples"


@pytest.mark.slow
def test_the_notebook_runs_cell_by_cell(place: Path) -> None:  # noqa: F811
    notebook = json.loads((EXAMPLES / "first_steps.ipynb").read_text("utf-8"))
    assert notebook["nbformat"] == 4
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(not cell["outputs"] for cell in notebook["cells"] if cell["cell_type"] == "code")
    run([sys.executable, "-W", "error", "-c", "\n".join([*cells, "assert tracks.ids.tolist() == [1]"])], place)


@pytest.mark.parametrize("name", ["rtsp_to_csv", "count_at_a_line", "own_detector"])
def test_an_example_without_arguments_says_how_it_is_called(name: str) -> None:
    done = subprocess.run([sys.executable, EXAMPLES / f"{name}.py"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"\npython {name}.py street.mp4" in done.stderr.replace("rtsp://camera/1", "street.mp4")


@pytest.mark.slow
def test_the_examples_run(place: Path) -> None:  # noqa: F811
    run(["bash", "-c", f"{sys.executable} rtsp_to_csv.py street.mp4 person.pack > tracks.csv"], place)
    rows = list(csv.DictReader((place / "tracks.csv").read_text("utf-8").splitlines()))
    assert len(rows) > 20
    assert {row["frame"] for row in rows} <= {str(n) for n in range(1, 31)}
    run(["bash", "-c", f"{sys.executable} count_at_a_line.py street.mp4 person.pack 200 > count.txt"], place)
    assert "went down across 200" in (place / "count.txt").read_text()
    run(["bash", "-c", f"{sys.executable} own_detector.py street.mp4 > own.txt"], place)
    assert (place / "own.txt").read_text().startswith("30 frames, ")


@pytest.mark.slow
def test_supervisions_annotators_draw_our_tracks(place: Path) -> None:  # noqa: F811
    run([sys.executable, "with_supervision.py", "street.mp4", "person.pack", "drawn.mp4"], place)
    before, after = (cv2.VideoCapture(str(place / name)) for name in ("street.mp4", "drawn.mp4"))
    pictures = [[capture.read()[1] for _ in range(20)][-1] for capture in (before, after)]
    assert cv2.absdiff(*pictures).max() > 100
