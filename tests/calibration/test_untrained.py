"""The widest architecture, of which no weights are to be had, goes through calibration with weights at random."""

import json
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

from benchmarks.int8.untrained import nanodet_plus
from calibration import lint
from edge import modelpack
from export import cli

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.slow

SIZE = 128


def test_a_nanodet_plus_of_one_and_a_half_width_calibrates(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    coarse = random.integers(0, 255, (32, 8, 8, 3)).astype(np.uint8)
    pictures = [cv2.resize(picture, (SIZE, SIZE)) for picture in coarse]
    (tmp_path / "pictures").mkdir()
    for i, picture in enumerate(pictures):
        cv2.imwrite(str(tmp_path / f"pictures/{i}.png"), picture)
    state = nanodet_plus("1.5x", 2, pictures)
    torch.save({name: torch.from_numpy(array) for name, array in state.items()}, tmp_path / "wide.pth")
    target = tmp_path / "wide.pack"
    flags = ["--detector", str(tmp_path / "wide.pth"), "--input-size", f"{SIZE}x{SIZE}", "--class-names", "a,b"]
    flags += ["--limits", "ap50=0,ap=0,score_bias=1"]  # nothing is at stake, so no layer is sought that would help
    assert cli.main(["pack", *flags, "--calibrate", str(tmp_path / "pictures"), "-o", str(target)]) == 0
    pack = modelpack.read(target)
    assert pack.detector.source.architecture == "NanoDet-Plus-m 1.5x"
    assert set(pack.detector.variants) == {"fp32", "int8", "qdq", "fp16", "qdq_fp16"}
    accuracy = json.loads((target / "accuracy.json").read_text())["detector"]
    assert accuracy["fp16"]["passed"]
    for form in ("int8", "qdq", "qdq_fp16"):
        assert accuracy[form]["truths"] > 20
        assert accuracy[form]["ap50"] > 0.5  # of detections by chance, in a network that is all noise: .66 measured
    for form in ("qdq", "qdq_fp16"):
        assert lint.problems(onnx.load(target / f"detector.{form}.onnx")) == []
    integer = onnx.load(target / "detector.int8.onnx")
    products = [node for node in integer.graph.node if node.op_type in ("Conv", "Gemm")]
    assert sum(node.input[1].endswith(".dq") for node in products) > 0.6 * len(products)
    assert cli.main(["verify", str(target)]) == 0
