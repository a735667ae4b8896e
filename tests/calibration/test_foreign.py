"""Detectors of any family are calibrated like our own: variants, gate, verification, detections from the pack."""

import json
import logging
from pathlib import Path

import cv2
import numpy as np
import pytest

from calibration import rounding, sensitivity
from calibration.network import Network
from edge import cli as nanotrack
from edge import modelpack
from edge.detect.open import open_detector
from edge.video.images import read_image
from export import cli
from tests import tiny
from tests.calibration import toy
from tests.detect.families import networks

FLAGS = {
    "yolox": ["--family", "yolox", "--scale", "1/255"],  # the random networks want small numbers
    "yolov8": [],
    "end_to_end": [],
    "dfine": [],
    "rfdetr": [],
    "ssd": ["--class-names", "person,car,dog"],
}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of varied pictures that are not square, so that a letterbox matters."""
    folder = tmp_path_factory.mktemp("pictures")
    random = np.random.default_rng(0)
    for i in range(24):
        coarse = random.integers(0, 255, (6, 6, 3)).astype(np.uint8)
        cv2.imwrite(str(folder / f"{i}.png"), cv2.resize(coarse, (128, 80)))
    return folder


def _packed(folder: Path, pictures: Path, family: str, *flags: str, **options: float) -> modelpack.ModelPack:
    options |= {"names": ("person", "car", "dog")} if family == "end_to_end" else {}  # type: ignore[dict-item]
    path = getattr(networks, family)(folder / f"{family}.onnx", **options)
    target = folder / f"{family}.pack"
    flags = ("--calibrate", str(pictures), "-o", str(target), *FLAGS[family], *flags)
    assert cli.main(["pack", "--detector", str(path), *flags]) == 0
    assert cli.main(["verify", str(target)]) == 0
    return modelpack.read(target)


@pytest.mark.parametrize("family", ["yolox", *(pytest.param(f, marks=pytest.mark.slow) for f in [*FLAGS][1:])])
def test_a_foreign_detector_in_integers_sees_what_it_saw(tmp_path: Path, pictures: Path, family: str) -> None:
    pack = _packed(tmp_path, pictures, family, "--boards", "cpu")
    verdict = json.loads((pack.folder / "accuracy.json").read_text())["detector"]["int8"]
    assert verdict["truths"] > 10
    assert verdict["ap50"] > 0.8
    passed = verdict["ap50"] >= 0.97 and verdict["ap"] >= 0.9 and abs(verdict["score_bias"]) <= 0.01
    assert pack.detector.variants["int8"].passed == passed
    counts = []
    for variant in ("fp32", "int8"):
        opened = open_detector(pack, backend="onnxruntime", variant=variant, classes=pack.detector.classes, floor=0.3)
        counts.append(sum(len(opened(read_image(path))) for path in sorted(pictures.iterdir())))
    assert counts[0] > 10
    assert counts[1] == pytest.approx(counts[0], rel=0.3)


@pytest.mark.slow
@pytest.mark.parametrize("family", FLAGS)
def test_variants_for_tensorrt_are_made_or_left_out_with_a_reason(
    tmp_path: Path, pictures: Path, family: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        pack = _packed(tmp_path, pictures, family, "--boards", "tensorrt")
    notes = json.loads((pack.folder / "calibration.json").read_text())["detector"]["notes"]
    for variant in ("qdq", "fp16", "qdq_fp16"):
        left_out = [note for note in notes if note.startswith(f"no {variant}: ")]
        assert (variant in pack.detector.variants) != bool(left_out)
        assert all(note in caplog.text for note in left_out)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["yolox", "yolov8"])
def test_every_command_takes_a_foreign_file_and_its_pack(
    tmp_path: Path, pictures: Path, family: str, capsys: pytest.CaptureFixture[str]
) -> None:
    pack = _packed(tmp_path, pictures, family, "--boards", "cpu", classes=3, bias=2.0)  # scores that begin tracks
    bare, video, mot = tmp_path / f"{family}.onnx", tiny.write_video(tmp_path / "a.mp4", frames=12), tmp_path / "a.txt"
    track = ["track", "--path", str(video), "--tracking-method", "bytetrack", "--conf", "0.05", "--mot", str(mot)]
    rows = {}
    for variant in ("fp32", "int8"):
        run = [*track, "--model", str(pack.folder), "--variant", variant, "--classes", ",".join(pack.detector.classes)]
        assert nanotrack.main(run) == 0
        assert "12 frames" in capsys.readouterr().out
        rows[variant] = len(mot.read_text().splitlines())
    assert rows["fp32"] > 0
    assert rows["int8"] == pytest.approx(rows["fp32"], rel=0.5)
    assert nanotrack.main(["selftest", str(pack.folder), "--seconds", "0.2", "--json"]) == 0
    rungs = {result["rung"]: result for result in json.loads(capsys.readouterr().out)["results"]}
    assert all(rungs[f"onnxruntime-{variant}"]["reason"] is None for variant in rows)
    for model, more in ((pack.folder, []), (bare, FLAGS[family])):
        report = tmp_path / "profile.json"
        run = ["profile", str(model), str(video), "--frames", "20", "--live", "0", "--json", str(report), *more]
        assert nanotrack.main([*run, "--classes", "class_0"]) == 0
        assert json.loads(report.read_text())


def test_layers_without_telling_names_are_ranked_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    network = toy.network()
    layers = {name for names in sensitivity.units(network, ()).values() for name in names}
    monkeypatch.setattr(sensitivity, "MOST_UNITS", 2)
    pieces = sensitivity.units(network, ())
    assert len(pieces) == 2
    assert {name for names in pieces.values() for name in names} == layers
    assert all(" to " in name for name in pieces)


def test_constants_in_nodes_are_weights() -> None:
    """As some exporters write all of them."""
    import onnx

    plain = toy.network()
    model = onnx.ModelProto()
    model.CopyFrom(plain.model)
    constants = [
        onnx.helper.make_node("Constant", [], [tensor.name], value=tensor) for tensor in model.graph.initializer
    ]
    nodes = [*constants, *plain.nodes]
    del model.graph.initializer[:], model.graph.node[:]
    model.graph.node.extend(nodes)
    found = Network.parse(model.SerializeToString())
    assert [node.output[0] for node in found.nodes] == [node.output[0] for node in plain.nodes]
    assert set(found.weights) == set(plain.weights)


def test_weights_that_several_layers_share_become_their_own() -> None:
    """PyTorch writes equal weights once, with an Identity for each further layer."""
    import onnx

    plain = toy.network()
    model = onnx.ModelProto()
    model.CopyFrom(plain.model)
    again = []
    for tensor in model.graph.initializer:
        again.append(onnx.helper.make_node("Identity", [f"{tensor.name}/first"], [tensor.name]))
        tensor.name += "/first"
    nodes = [*again, *plain.nodes]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    found = Network.parse(model.SerializeToString())
    assert [node.output[0] for node in found.nodes] == [node.output[0] for node in plain.nodes]
    for name, values in plain.weights.items():
        np.testing.assert_array_equal(found.weights[name], values)


def test_layers_whose_statistics_cannot_be_taken_are_rounded_to_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    network = toy.network()
    layers = [node.output[0] for node in network.weighted()]
    feeds, nowhere = toy.images(2), [np.empty((0, 2))] * 2
    assert set(rounding.moments(network, layers, feeds, nowhere)) == set(layers)
    monkeypatch.setattr(rounding, "MOST_VALUES", 9)
    few = rounding.moments(network, layers, feeds, nowhere)
    assert set(few) == {name for name in layers if "deep" in name}
