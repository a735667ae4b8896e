"""`nanotrack track` with a ReID network: the flags, the counter, and what does not fit together."""

import re
from pathlib import Path

import pytest

from edge.cli import main
from tests import tiny


@pytest.fixture(scope="module")
def reid_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network whose embedding is the mean colour of each of four stripes of the crop."""
    path = tmp_path_factory.mktemp("reid") / "stripes.onnx"
    tiny.write_embedder(path)
    return path


@pytest.mark.parametrize(
    ("flags", "least", "most"),
    [
        (["--tracking-method", "bytetrack"], 0.02, 0.3),  # once and then about once a second
        (["--tracking-method", "bytetrack", "--reid", "always", "--appearance", "sasm"], 1, 1),
        (["--tracking-method", "bytetrack", "--reid", "never"], 0, 0),
        (["--tracking-method", "qdtrack"], 1, 1),
    ],
)
def test_the_share_of_embeddings_computed_is_that_of_the_policy(
    tiny_pack: Path,
    tiny_video: Path,
    reid_model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    flags: list[str],
    least: float,
    most: float,
) -> None:
    out = tmp_path / "out.txt"
    command = ["track", "--path", str(tiny_video), "--model", str(tiny_pack), "--reid-model", str(reid_model)]
    assert main([*command, "--mot", str(out), *flags]) == 0
    assert out.read_text().count("\n") >= 29
    found = re.search(r"(\d+) embeddings computed, (\d+) saved", capsys.readouterr().out)
    assert found
    computed, saved = map(int, found.groups())
    assert computed + saved >= 60  # two squares in 30 frames
    assert least <= computed / (computed + saved) <= most


def test_published_presets_ignore_a_reid_model(
    tiny_pack: Path, tiny_video: Path, reid_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["track", "--path", str(tiny_video), "--model", str(tiny_pack), "--reid-model", str(reid_model)]
    assert main([*command, "--tracking-method", "bytetrack", "--preset", "reference"]) == 0
    assert "embeddings" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--tracking-method", "bytetrack", "--appearance", "ema"], "has no appearance network"),
        (["--tracking-method", "qdtrack"], "has no appearance network"),
        (["--tracking-method", "qdtrack", "--appearance", "none"], "goes by appearance alone"),
        (["--tracking-method", "bytetrack", "--appearance", "ema", "--preset", "reference"], "use preset default"),
        (["--tracking-method", "qdtrack", "--preset", "mot18"], "did you mean 'mot17'"),
        (["--reid-budget-ms", "0"], "--reid-budget-ms"),
    ],
)
def test_what_does_not_fit_is_said(
    tiny_pack: Path, tiny_video: Path, capsys: pytest.CaptureFixture[str], flags: list[str], message: str
) -> None:
    assert main(["track", "--path", str(tiny_video), "--model", str(tiny_pack), *flags]) == 64
    assert message in capsys.readouterr().err


def test_replayed_detections_with_pictures_get_embeddings_too(
    tiny_video: Path, reid_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    detections = tmp_path / "det.txt"
    detections.write_text("".join(f"{frame},-1,8,16,32,32,0.9,-1,-1,-1\n" for frame in range(1, 31)))
    command = ["track", "--detections", str(detections), "--tracking-method", "qdtrack", "--reid-model"]
    assert main([*command, str(reid_model), "--path", str(tiny_video)]) == 0
    assert "30 embeddings computed" in capsys.readouterr().out
    assert main([*command, str(reid_model)]) == 64
    assert "--path" in capsys.readouterr().err
