"""Detections of foreign networks are those of the code they come from: same pictures, same boxes, same classes.

`foreign_code.py` exports each network with its package's own exporter and decodes it with its package's own code, in an
environment that `NANOTRACK_FOREIGN` names by its Python:

  python -m venv /tmp/foreign
  /tmp/foreign/bin/python -m pip install -r tests/detect/families/foreign.txt
  /tmp/foreign/bin/python -m pip install --no-deps -r tests/detect/families/foreign_nodeps.txt
  NANOTRACK_FOREIGN=/tmp/foreign/bin/python python -m pytest -m slow tests/detect/families/test_foreign.py
"""

import os
import subprocess
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge.detect.adopt import Overrides
from edge.detect.detector import Detector
from edge.detect.open import open_detector
from edge.detect.pictures import built_in
from edge.errors import DataError
from edge.video.images import read_image

pytestmark = pytest.mark.slow

FLOOR = 0.1
PICTURES = 20
SIZES = ((640, 480), (500, 375), (375, 500), (416, 416), (1000, 300), (333, 517))
# A thousandth of a pixel where the network's input is 416 pixels wide.
TOLERANCE = 1e-3 / 416


@pytest.fixture(scope="session")
def python() -> str:
    named = os.environ.get("NANOTRACK_FOREIGN", "")
    if not Path(named).is_file():
        pytest.skip("NANOTRACK_FOREIGN names no Python with foreign.txt installed; see the docstring of this file")
    return named


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for i in range(PICTURES):
        cv2.imwrite(str(folder / f"{i:02}.png"), built_in(*SIZES[i % len(SIZES)], 100 + i))
    return folder


def made(python: str, case: str, pictures: Path, out: Path) -> Path:
    script = Path(__file__).with_name("foreign_code.py")
    # Nothing is to be installed or looked for over the network meanwhile.
    quiet = {"YOLO_AUTOINSTALL": "False", "YOLO_OFFLINE": "True", "YOLO_CONFIG_DIR": str(out.parent)}
    run = [python, str(script), case, str(pictures), str(out)]
    done = subprocess.run(run, capture_output=True, text=True, cwd=out.parent, env=os.environ | quiet, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return out


FIVE = ("zero", "one", "two", "three", "four")

# What must be said, and what the network is then understood as.
CASES: dict[str, tuple[dict[str, Any], str]] = {
    "yolox": ({"family": "yolox"}, "yolox"),
    "yolox-decoded": ({"family": "yolox"}, "yolox"),
    "yolox-legacy": ({"family": "yolox-imagenet"}, "yolox-imagenet"),
    "yolov5n": ({}, "yolov8"),  # ultralytics' own YOLOv5, without anchors
    "yolov8n": ({}, "yolov8"),
    "yolov9t": ({}, "yolov8"),
    "yolo11n": ({}, "yolov8"),
    "yolo12n": ({}, "yolov8"),
    "yolov10n": ({}, "yolov8"),
    "yolo26n": ({}, "yolov8"),
    "yolov10n-end2end": ({}, "yolo-end2end"),
    "yolo26n-end2end": ({}, "yolo-end2end"),
    "yolo11n-nms": ({}, "yolo-end2end"),
    "rt-detr": ({"family": "dfine"}, "dfine"),
    "rt-detrv2": ({"family": "dfine"}, "dfine"),
    "d-fine": ({"family": "dfine"}, "dfine"),
    "yolov5n-anchors": ({}, "yolov5"),
    "picodet": ({}, "picodet"),
    "dfine": ({}, "dfine"),
    "rfdetr": ({}, "rfdetr"),
    "rtmdet": ({"class_names": FIVE}, "rtmdet"),
    "yolov6": ({}, "yolov5"),
    "yolov6-end2end": ({"family": "yolo-nms", "class_names": FIVE}, "yolo-nms"),
    "yolov7": ({}, "yolov5"),
    "yolov7-end2end": ({"class_names": FIVE}, "yolo-nms"),
    "torchvision": ({"class_names": FIVE}, "torchvision"),
}


# Code that goes back by the ratio of the letterbox as if no side had been rounded: only sides that are not.
BY_RATIO = dict.fromkeys(("yolov5n-anchors", "yolov6", "yolov6-end2end", "yolov7", "yolov7-end2end"), SIZES[:4])


@pytest.mark.parametrize("case", CASES)
def test_boxes_are_those_of_the_packages_own_code(case: str, python: str, pictures: Path, tmp_path: Path) -> None:
    out = made(python, case, pictures, tmp_path / case)
    said, family = CASES[case]
    overrides = Overrides(**said)
    classes = open_detector(out / "model.onnx", classes=(), overrides=overrides).description.classes
    detector = open_detector(out / "model.onnx", classes=classes, floor=FLOOR, overrides=overrides)
    assert isinstance(detector, Detector)
    assert detector.description.head.type == family
    expected = np.load(out / "expected.npz")
    for i, path in enumerate(sorted(pictures.glob("*.png"))):
        picture = read_image(path)
        if picture.shape[1::-1] not in BY_RATIO.get(case, SIZES):
            continue
        found = detector(picture)
        theirs = [expected[f"{name}_{i}"] for name in ("boxes", "scores", "classes")]
        assert len(theirs[1]) > 0
        compare(found, theirs, picture.shape[1::-1])


def compare(found: Any, theirs: list[np.ndarray], size: tuple[int, int]) -> None:
    """Every box has its twin of the same class and score; edges cut off at the picture's, as most packages do.

    Scores that rounding could put on the other side of the floor need none.
    """
    boxes, scores, classes = theirs
    limits = np.array(size * 2, np.float32)
    mine = np.column_stack([np.clip(found.boxes_xyxy, 0, limits) / max(size), found.scores])
    other = np.column_stack([np.clip(boxes, 0, limits) / max(size), scores])
    for class_ in np.unique(np.concatenate([found.classes, classes])):
        a, b = mine[found.classes == class_], other[classes == class_]
        for these, those in ((a, b), (b, a)):
            sure = these[these[:, 4] >= FLOOR + 1e-4]
            if len(sure):
                assert len(those)
                away = np.abs(sure[:, None] - those[None]) / (*[TOLERANCE] * 4, 1e-5)
                assert away.max(2).min(1).max() <= 1


@pytest.mark.parametrize("case", ["yolov8n-pose", "yolov8n-seg", "yolov8n-obb", "yolov8n-cls"])
def test_networks_for_other_tasks_are_refused(case: str, python: str, pictures: Path, tmp_path: Path) -> None:
    out = made(python, case, pictures, tmp_path / case)
    with pytest.raises(DataError, match="its task is"):
        open_detector(out / "model.onnx")


def test_maps_without_anchors_are_refused_with_how_to_export(python: str, pictures: Path, tmp_path: Path) -> None:
    out = made(python, "yolov7-maps", pictures, tmp_path / "maps")
    with pytest.raises(DataError, match=r"without the anchors that this takes; export it with decoded boxes"):
        open_detector(out / "model.onnx")
