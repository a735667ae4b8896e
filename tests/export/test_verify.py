"""A pack whose networks are not what its manifest says, or no longer compute the same, is found out."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import numpy_helper

from edge import modelpack
from export import networks, pack, verify
from tests import joint_net, tiny
from tests.export import foreign, small


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    detector = networks.detector(small.write_detector(tmp_path / "d.onnx"))
    reid = networks.reid(small.write_reid(tmp_path / "r.onnx"))
    pack.write(tmp_path / "a.pack", detector, reid)
    return tmp_path / "a.pack"


def _edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    manifest = json.loads((folder / "pack.json").read_text())
    change(manifest)
    (folder / "pack.json").write_text(json.dumps(manifest))


def _rehash(folder: Path, network: str) -> None:
    """Let the manifest vouch for the file as it is now."""
    sha256 = modelpack.sha256_of(folder / f"{network}.fp32.onnx")
    _edit(folder, lambda m: m[network]["variants"]["fp32"].update(sha256=sha256))


def _verdicts(folder: Path) -> dict[str, verify.Verdict]:
    return {verdict.network: verdict for verdict in verify.verify(modelpack.read(folder))}


def test_a_sound_pack_has_no_problems(folder: Path) -> None:
    verdicts = _verdicts(folder)
    assert list(verdicts) == ["detector", "reid"]
    for verdict in verdicts.values():
        assert verdict.problems == []
        assert verdict.error is not None
        assert verdict.error < 1e-6


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda m: m["detector"]["input"].update(width=96), "input width: manifest 96, file 64"),
        (lambda m: m["detector"]["input"].update(height=32), "input height: manifest 32, file 64"),
        (lambda m: m["detector"]["input"].update(name="data"), "input name: manifest data, file image"),
        (lambda m: m["detector"].update(classes=["person", "car"]), "number of classes: manifest 2, file 1"),
        (lambda m: m["detector"]["head"].update(reg_max=15), "outputs: manifest"),
        (lambda m: m["detector"]["head"].update(scores="probabilities"), "outputs: manifest"),
        (lambda m: m["detector"]["variants"]["fp32"].update(opset=17), "opset: manifest 17, file 13"),
    ],
)
def test_a_manifest_that_disagrees_with_the_file_is_found(
    folder: Path, change: Callable[[dict[str, Any]], object], problem: str
) -> None:
    _edit(folder, change)
    (found,) = _verdicts(folder)["detector"].problems
    assert found.startswith("detector.fp32.onnx: ")
    assert problem in found


def test_a_wrong_embedding_length_is_found(folder: Path) -> None:
    _edit(folder, lambda m: m["reid"].update(embedding=512))
    assert _verdicts(folder)["reid"].problems == [
        "reid.fp32.onnx: output: manifest ('output', 512), file ('output', 3)"
    ]


def test_a_network_with_other_weights_is_found_by_its_golden_outputs(folder: Path) -> None:
    path = folder / "detector.fp32.onnx"
    model = onnx.load(str(path))
    (scale,) = (tensor for tensor in model.graph.initializer if tensor.name == "scale")
    scale.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(scale) * 1.05, "scale"))
    path.write_bytes(model.SerializeToString())
    _rehash(folder, "detector")
    verdict = _verdicts(folder)["detector"]
    assert verdict.error is not None
    assert verdict.error > 1e-3
    assert "other outputs than at the export" in verdict.problems[0]


def test_a_network_that_puts_out_nan_is_found(folder: Path) -> None:
    tiny.write_network(folder / "detector.fp32.onnx", dead=True)
    _rehash(folder, "detector")
    assert "other outputs than at the export" in _verdicts(folder)["detector"].problems[0]


def test_a_file_that_is_no_network_is_found_even_if_its_hash_is_right(folder: Path) -> None:
    (folder / "reid.fp32.onnx").write_bytes(b"not a network")
    _rehash(folder, "reid")
    verdicts = _verdicts(folder)
    assert "not a valid ONNX model" in verdicts["reid"].problems[0]
    assert verdicts["detector"].problems == []


def test_a_reid_network_whose_batch_is_wired_does_not_pass(folder: Path) -> None:
    """With or without golden outputs, which are of the very batch of 2 that exporters are given."""
    foreign.save(folder / "reid.fp32.onnx", foreign.reid(wired=2))
    _rehash(folder, "reid")
    for change in (lambda m: None, lambda m: m.update(golden=None)):
        _edit(folder, change)
        (problem,) = _verdicts(folder)["reid"].problems
        assert "ONNX Runtime cannot run it" in problem


def test_a_network_that_cannot_run_does_not_pass_without_golden_outputs(folder: Path) -> None:
    """Its shapes are right; a Reshape in it is not."""
    path = folder / "detector.fp32.onnx"
    model = onnx.load(str(path))
    (cells,) = (tensor for tensor in model.graph.initializer if tensor.name == "cells")
    cells.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(cells) + 1, "cells"))
    del model.graph.value_info[:]
    path.write_bytes(model.SerializeToString())
    _rehash(folder, "detector")
    _edit(folder, lambda m: m.update(golden=None))
    (problem,) = _verdicts(folder)["detector"].problems
    assert "ONNX Runtime" in problem


def test_a_pack_without_golden_outputs_is_verified_as_far_as_it_goes(folder: Path) -> None:
    _edit(folder, lambda m: m.update(golden=None))
    verdict = _verdicts(folder)["detector"]
    assert (verdict.error, verdict.problems) == (None, [])


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (None, None),
        (
            lambda m: m["detector"]["input"].update(width=64),
            r"input image: manifest \(1, 3, 64, 64\), file \(1, 3, 64, 96\)",
        ),
        (lambda m: m["detector"]["input"].update(name="data"), "input data: manifest .* file None"),
        (lambda m: m["detector"]["head"].update(outputs=["scores"]), r"outputs: manifest \('scores',\), file"),
    ],
)
def test_a_joint_network_is_verified_too(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], problem: str | None
) -> None:
    pack.write(tmp_path / "j.pack", networks.detector(joint_net.write(tmp_path / "joint.onnx")))
    if change is not None:
        _edit(tmp_path / "j.pack", change)
    verdict = _verdicts(tmp_path / "j.pack")["detector"]
    if problem is None:
        assert verdict.problems == []
        assert verdict.error == 0
    else:
        assert re.search(problem, "; ".join(verdict.problems))
