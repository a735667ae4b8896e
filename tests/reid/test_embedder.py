from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.infer.open import open_backend
from edge.modelpack import sha256_of
from edge.reid import adopt
from edge.reid.embedder import Embedder
from edge.video.images import read_image

BOXES = np.array(
    [[600.4, 440.9, 690.7, 700.2], [10, 20, 60, 170], [-40, -30, 55, 90], [1900, 1000, 2100, 1400], [30, 30, 300, 900]],
    np.float32,
)


@pytest.fixture(scope="module")
def network(data: Path) -> Path:
    return data / "models" / "osnet_x0_25_msmt17_dynamic.onnx"


@pytest.fixture(scope="module")
def image(data: Path) -> np.ndarray:
    return read_image(data / "images/mot17_mini/MOT17-09-FRCNN/img1/000001.jpg")


def embedder(path: Path, max_batch: int) -> Embedder:
    backend = open_backend(path, max_batch=max_batch)
    description = adopt.reid(path.name, sha256_of(path), backend.input_ports, backend.output_ports)
    return Embedder(description, backend)


def twin(path: Path, image: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Crop by crop, as the published front-end prepares them."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    vectors = []
    for x1, y1, x2, y2 in boxes:
        crop = image[max(0, int(y1)) : int(y2), max(0, int(x1)) : int(x2)]
        rgb = cv2.resize(crop, (128, 256), interpolation=cv2.INTER_LINEAR)[:, :, ::-1] / 255
        tensor = ((rgb - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)).transpose(2, 0, 1)[None].astype(np.float32)
        vector = session.run(None, {"input": tensor})[0][0]
        vectors.append(vector / np.linalg.norm(vector))
    return np.array(vectors)


@pytest.mark.parametrize("max_batch", [2, 8])
def test_embeddings_are_those_of_the_published_front_end(network: Path, image: np.ndarray, max_batch: int) -> None:
    found = embedder(network, max_batch)(image, BOXES)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, twin(network, image, BOXES), atol=1e-5)


def test_boxes_outside_the_picture_get_zeros_and_no_boxes_no_rows(network: Path, image: np.ndarray) -> None:
    embed = embedder(network, 4)
    boxes = np.array([[-50, -50, -10, -10], [600, 440, 690, 700], [100.2, 100.2, 100.9, 130]], np.float32)
    found = embed(image, boxes)
    assert not found[[0, 2]].any()
    assert np.linalg.norm(found[1]) == pytest.approx(1, abs=1e-5)
    assert embed(image, np.empty((0, 4), np.float32)).shape == (0, 512)
