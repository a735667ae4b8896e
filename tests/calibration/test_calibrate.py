"""`nanotrack-export pack --calibrate` from the outside: what is in the pack, what is beside it, and when nothing is."""

import json
import re
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

from calibration import lint, search
from edge import modelpack
from edge.infer.ladder import Ladder, Wish
from edge.infer.reasons import Reason, RungError
from edge.infer.tensorrt.available import Gpu
from export import cli
from tests import tiny
from tests.calibration import toy

VARIANTS = ("int8", "qdq", "fp16", "qdq_fp16")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a toy detector and varied pictures."""
    folder = tmp_path_factory.mktemp("calibration")
    (folder / "toy.onnx").write_bytes(toy.detector())
    (folder / "pictures").mkdir()
    random = np.random.default_rng(0)
    for i in range(24):
        coarse = random.integers(0, 255, (6, 6, 3)).astype(np.uint8)
        cv2.imwrite(str(folder / f"pictures/{i}.png"), cv2.resize(coarse, (96, 80)))
    return folder


def _export(folder: Path, target: Path, *flags: str) -> int:
    pictures = str(folder / "pictures")
    return cli.main(
        ["pack", "--detector", str(folder / "toy.onnx"), "--calibrate", pictures, "-o", str(target), *flags]
    )


@pytest.fixture(scope="module")
def exported(folder: Path) -> Path:
    """An exported pack with its report beside it."""
    target = folder / "toy.pack"
    assert _export(folder, target) == 0
    return target


def _files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_the_pack_holds_every_form_with_its_verdict(exported: Path) -> None:
    pack = modelpack.read(exported)
    assert set(pack.detector.variants) == {"fp32", *VARIANTS}
    accuracy = json.loads((exported / "accuracy.json").read_text())
    for variant in VARIANTS:
        verdict = accuracy["detector"][variant]
        limits = accuracy["limits"]
        assert verdict["passed"] == (verdict["ap50"] >= limits["ap50"] and verdict["ap"] >= limits["ap"])
        assert pack.detector.variants[variant].passed == verdict["passed"]
        assert verdict["truths"] > 10
    assert accuracy["detector"]["fp16"]["ap50"] > 0.97
    assert accuracy["detector"]["int8"]["ap50"] > 0.7
    for variant in ("qdq", "qdq_fp16"):
        assert lint.problems(onnx.load(exported / f"detector.{variant}.onnx")) == []


def test_how_it_came_about_is_written_down(exported: Path) -> None:
    told = json.loads((exported / "calibration.json").read_text())
    assert told["frames"]["calibrated_on"] == told["frames"]["held_out"] == 12
    assert re.fullmatch("[0-9a-f]{64}", told["frames"]["sha256"])
    form = told["detector"]["forms"]["int8"]
    assert form["errors_of_alternatives"]["equalisation none"] > 0
    assert "first.0" in form["float_layers"]
    assert all(low <= 0 <= high for low, high in form["ranges"].values())
    assert {"body.0", "head.0"} <= {unit["name"] for unit in told["detector"]["sensitivity"]}


def test_the_same_input_gives_the_same_bytes(exported: Path, folder: Path, tmp_path: Path) -> None:
    assert _export(folder, tmp_path / "toy.pack") == 0
    assert _files(tmp_path / "toy.pack") == _files(exported)


def test_the_report_is_one_file_that_loads_nothing(exported: Path) -> None:
    page = exported.with_name("toy.report.html").read_text()
    assert "<svg" in page
    assert "data:image/jpeg;base64," in page
    assert not re.search(r"(?:src|href)=['\"](?!data:)", page)
    assert not re.search(r"https?://|@import|<script", page)


def test_what_fails_the_gate_is_never_automatic(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _export(folder, tmp_path / "strict.pack", "--limits", "ap50=1.1") == 0
    pack = modelpack.read(tmp_path / "strict.pack")
    assert not any(pack.detector.variants[variant].passed for variant in VARIANTS)

    def no_gpu() -> Gpu:
        raise RungError(Reason.NO_DRIVER, "none here")

    backend = Ladder(Wish(backend="onnxruntime"), tmp_path, no_gpu).open(pack, "detector")
    assert backend.running.rung == "onnxruntime-fp32"
    assert [skip.reason for skip in backend.running.passed_over] == [Reason.GATE_FAILED]
    backend.close()


def test_an_interrupted_export_leaves_nothing(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(search, "best", interrupted)
    assert _export(folder, tmp_path / "toy.pack") == 130
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("flags", "code", "told"),
    [
        (["--limits", "ap50=high"], 64, "expected NAME=NUMBER"),
        (["--limits", "ap5=0.9"], 64, "ap50"),
        (["--calibrate", "nowhere"], 66, "found none"),
    ],
)
def test_mistakes_are_one_sentence(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], code: int, told: str
) -> None:
    assert _export(folder, tmp_path / "toy.pack", *flags) == code
    assert told in capsys.readouterr().err
    assert not (tmp_path / "toy.pack").exists()


def test_a_network_without_convolutions_is_told_so(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny.write_network(tmp_path / "tiny.onnx")
    target = str(tmp_path / "tiny.pack")
    flags = ["--detector", str(tmp_path / "tiny.onnx"), "--calibrate", str(folder / "pictures"), "-o", target]
    assert cli.main(["pack", *flags]) == 65
    assert "found none" in capsys.readouterr().err


def test_labels_judge_every_form(folder: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels"
    labels.mkdir()
    for i in range(24):
        (labels / f"{i}.txt").write_text("0 0.5 0.5 0.4 0.6\n1 0.2 0.3 0.1 0.1\n7 0.5 0.5 0.1 0.1\n" if i % 3 else "")
    assert _export(folder, tmp_path / "toy.pack", "--labels", str(labels)) == 0
    told = json.loads((tmp_path / "toy.pack/accuracy.json").read_text())["detector"]["against_labels"]
    assert set(told) == {"fp32", *VARIANTS}
    assert all(0 <= entry["ap"] <= entry["ap50"] <= 1 for entry in told.values())
    assert 0 < told["fp32"]["boxes"] <= 24
    assert "labelled boxes" in (tmp_path / "toy.report.html").read_text()


def test_labels_of_other_pictures_are_refused(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "other.txt").write_text("0 0.5 0.5 0.4 0.6\n")
    assert _export(folder, tmp_path / "toy.pack", "--labels", str(tmp_path)) == 65
    assert "named like the pictures" in capsys.readouterr().err


@pytest.mark.parametrize(("boards", "forms"), [("cpu", VARIANTS[:1]), ("tensorrt", VARIANTS[1:])])
def test_only_the_boards_that_are_wanted_get_variants(
    exported: Path, folder: Path, tmp_path: Path, boards: str, forms: tuple[str, ...]
) -> None:
    assert _export(folder, tmp_path / "toy.pack", "--boards", boards) == 0
    assert set(modelpack.read(tmp_path / "toy.pack").detector.variants) == {"fp32", *forms}
    for variant in forms:
        name = f"detector.{variant}.onnx"
        assert (tmp_path / "toy.pack" / name).read_bytes() == (exported / name).read_bytes()
