"""`nanotrack fetch`: the list, the mirror and mistakes."""

import re
from pathlib import Path

import pytest

from edge.cli import main
from edge.weights.catalogue import CATALOGUE

ROOT = Path(__file__).parents[2]


def test_the_list_names_everything(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fetch"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if line.startswith("  ")] == list(CATALOGUE)
    headings = [line for line in lines if not line.startswith("  ")]
    assert len(headings) == len({(w.source, w.licence, w.sha256 is None) for w in CATALOGUE.values()})
    assert headings[0].endswith(": Apache-2.0; sha256 not published")
    assert max(map(len, lines)) <= 80


def test_an_unknown_name_is_a_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fetch", "yolo"]) == 64
    assert "lists them all" in capsys.readouterr().err
    assert main(["fetch", "nanodet-plus-m_416"]) == 64
    assert "did you mean nanodet-plus-m-416?" in capsys.readouterr().err


def test_the_documentation_fetches_what_there_is() -> None:
    pages = "".join(page.read_text("utf-8") for page in (ROOT / "docs").rglob("*.md"))
    named = set(re.findall(r"nanotrack fetch ([\w.-]*\w)", pages)) - {"without"}
    assert named
    assert named <= set(CATALOGUE)


def test_a_mirror_is_copied_and_checked(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["fetch", "nanodet-m-416-zoo", "--output", str(tmp_path), "--mirror", str(data / "models")]
    assert main(arguments) == 0
    assert "sha256 checked" in capsys.readouterr().out
    assert (tmp_path / "object_detection_nanodet_2022nov.onnx").stat().st_size == 3_800_954


@pytest.mark.parametrize("content", [b"", b"not the weights"])
def test_wrong_content_leaves_nothing_behind(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / "object_detection_nanodet_2022nov.onnx").write_bytes(content)
    out = tmp_path / "out"
    assert main(["fetch", "nanodet-m-416-zoo", "-o", str(out), "--mirror", str(mirror)]) == 65
    assert "expected sha256" in capsys.readouterr().err
    assert list(out.iterdir()) == []
