"""Checkpoints of torchreid and fast-reid become networks that embed as the projects' own code does.

`foreign_reid_code.py` builds and saves each in the environment that `NANOTRACK_FOREIGN` names, see
`tests/detect/families/test_foreign.py`.
"""

import os
import subprocess
from pathlib import Path

import numpy as np
import onnx
import pytest

from edge.detect.pictures import built_in
from edge.errors import DataError
from export import networks
from tests.export.onnxrun import run

pytestmark = pytest.mark.slow

RELATIVE = 1e-3  # of an embedding's length
ARCHITECTURES = {
    "resnet50": "ResNet50 (torchreid)",
    "resnet50_fc512": "ResNet50 (torchreid)",
    "mobilenetv2_x1_0": "MobileNetV2 x1 (torchreid)",
    "osnet_x0_25": "OSNet x0.25",
    "osnet_ain_x1_0": "OSNet-AIN x1.0",
    "osnet_ibn_x1_0": "OSNet-IBN x1.0",
    "bagtricks": "ResNet50 (fast-reid)",
    "gem": "ResNet50 (fast-reid)",
    "ibn": "ResNet50-IBN (fast-reid)",
    "short": "ResNet50 (fast-reid)",
    "no neck": "ResNet50 (fast-reid)",
}


def made(case: str, tmp_path: Path) -> Path:
    python = os.environ.get("NANOTRACK_FOREIGN", "")
    if not Path(python).is_file():
        pytest.skip("NANOTRACK_FOREIGN names no Python with foreign.txt installed")
    np.save(tmp_path / "crops.npy", np.stack([built_in(128, 256, seed) for seed in (1, 2)]))
    script, out = Path(__file__).with_name("foreign_reid_code.py"), tmp_path / "out"
    run = [python, "-W", "ignore", str(script), case, str(tmp_path / "crops.npy"), str(out)]
    done = subprocess.run(run, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return out


@pytest.mark.parametrize("case", ARCHITECTURES)
def test_embeddings_are_those_of_the_projects_own_code(case: str, tmp_path: Path) -> None:
    out = made(case, tmp_path)
    found = networks.reid(out / "model.pth")
    assert found.description.source.architecture == ARCHITECTURES[case]
    crops, expected = np.load(tmp_path / "crops.npy")[..., ::-1], np.load(out / "expected.npy")
    mine = run(onnx.load_from_string(found.content), crops=np.ascontiguousarray(crops))["embedding"]
    assert mine.shape == expected.shape == (2, found.description.embedding)
    lengths = np.linalg.norm(expected, axis=1)
    assert np.linalg.norm(expected[0] - expected[1]) > 0.01 * lengths[0]  # two crops, two embeddings
    assert (np.linalg.norm(mine - expected, axis=1) / lengths).max() < RELATIVE


@pytest.mark.parametrize(
    ("case", "complaint"),
    [
        ("squeezenet1_0", "not an architecture that is known; supported are"),
        ("non-local", r"tensors that it does not: .*NL_"),
    ],
)
def test_other_architectures_are_refused(case: str, complaint: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=complaint):
        networks.reid(made(case, tmp_path) / "model.pth")
