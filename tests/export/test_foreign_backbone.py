"""Backbones of NanoDet computed by the exporter's graphs are those of timm, branches merged and norms folded.

`foreign_backbone_code.py` builds and saves each in the environment that `NANOTRACK_FOREIGN` names, see
`tests/detect/families/test_foreign.py`.
"""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from edge.detect.pictures import built_in
from export import checkpoint, efficientnet, repvgg
from export.graph import Graph
from export.layers import UNCHANGED, Layers, pixels
from export.weights import Weights
from tests.export.onnxrun import normalised, run

pytestmark = pytest.mark.slow

RELATIVE = 1e-5  # of the largest feature
SIZE = (96, 160)
MODULES = {"EfficientNet": efficientnet, "RepVGG": repvgg}
CASES = {
    "lite0": "EfficientNet-Lite0",
    "lite1": "EfficientNet-Lite1",
    "lite2": "EfficientNet-Lite2",
    "repvgg_a0": "RepVGG-A0",
    "repvgg_a1": "RepVGG-A1",
    "repvgg_b0": "RepVGG-B0",
}


@pytest.mark.parametrize("case", CASES)
def test_features_are_those_of_timm(case: str, tmp_path: Path) -> None:
    python = os.environ.get("NANOTRACK_FOREIGN", "")
    if not Path(python).is_file():
        pytest.skip("NANOTRACK_FOREIGN names no Python with foreign.txt installed")
    of = MODULES[CASES[case].split("-")[0]]
    picture = built_in(*SIZE, 1)[None]
    np.save(tmp_path / "picture.npy", normalised(picture, of.MEAN_BGR, of.STD_BGR).astype(np.float32))
    script, out = Path(__file__).with_name("foreign_backbone_code.py"), tmp_path / "out"
    command = [python, "-W", "ignore", str(script), case, str(tmp_path / "picture.npy"), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr[-3000:]

    weights = Weights("model.pth", *checkpoint.read(out / "model.pth"))
    assert of.recognised(weights)
    assert of.name(weights) == CASES[case]
    graph = Graph()
    layers = Layers(graph, weights, 16, of.ACTIVATIONS.backbone, of.EPSILON)
    image = pixels(graph, "image", [1, SIZE[1], SIZE[0], 3], UNCHANGED, of.MEAN_BGR)
    features = of.backbone(layers, image, of.STD_BGR)
    for x in features:
        graph.output(x.name, ["n", "c", "h", "w"])
    weights.finish(case, ())
    found = run(graph.model(case), image=picture)
    with np.load(out / "expected.npz") as expected:
        for i, x in enumerate(features):
            theirs = expected[f"arr_{i}"]
            mine = found[x.name][:, : x.count]
            assert mine.shape == theirs.shape
            assert np.ptp(theirs) > 1e-3
            assert np.abs(mine - theirs).max() < RELATIVE * np.abs(theirs).max()
