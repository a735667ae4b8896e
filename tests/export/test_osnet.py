"""The exported ReID networks compute what the published networks compute."""

from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

from edge.errors import DataError
from edge.reid.adopt import IMAGENET_MEAN_RGB, IMAGENET_STD_RGB
from edge.video.images import read_image
from export import checkpoint, osnet
from export.weights import Weights
from tests.export.onnxrun import normalised, run

RELATIVE = 1e-4  # of an embedding's length


@pytest.fixture(scope="module")
def published(data: Path) -> checkpoint.Tensors:
    return checkpoint.read(data / "models" / "osnet_x0_25_msmt17.pth").tensors


def _built(tensors: checkpoint.Tensors, width: int = 128, height: int = 256) -> onnx.ModelProto:
    model, image, embedding = osnet.build(Weights("reid.pth", dict(tensors)), width, height)
    assert (image.width, image.height, image.layout, image.colour) == (width, height, "nhwc-uint8", "bgr")
    assert embedding == 512
    return model


def _assert_close(found: np.ndarray, expected: np.ndarray) -> None:
    lengths = np.linalg.norm(expected, axis=1)
    assert found.shape == expected.shape
    assert lengths.min() > 0.1
    assert (np.linalg.norm(found - expected, axis=1) / lengths).max() < RELATIVE


def test_real_weights_agree_with_the_published_onnx_file_on_people(published: checkpoint.Tensors, data: Path) -> None:
    """BGR crops go in: that the network was trained on RGB is a matter of its first weights."""
    folder = data / "images" / "mot17_mini" / "MOT17-09-FRCNN"
    frame = read_image(sorted((folder / "img1").glob("*.jpg"))[0])
    rows = np.loadtxt(folder / "gt" / "gt.txt", delimiter=",")
    boxes = rows[(rows[:, 0] == 1) & (rows[:, 7] == 1) & (rows[:, 4] > 100), 2:6].astype(int)
    boxes = boxes[(boxes[:, :2] >= 0).all(1)]
    crops = np.stack([cv2.resize(frame[y : y + h, x : x + w], (128, 256)) for x, y, w, h in boxes])
    assert len(crops) >= 3
    blob = normalised(crops[..., ::-1], IMAGENET_MEAN_RGB, IMAGENET_STD_RGB).astype(np.float32)
    expected = run(str(data / "models" / "osnet_x0_25_msmt17_dynamic.onnx"), input=blob)["output"]
    _assert_close(run(_built(published), crops=crops)["embedding"], expected)


def test_published_weights_that_slow_a_processor_down_are_gone(published: checkpoint.Tensors) -> None:
    least = np.finfo(np.float32).tiny
    assert any(((np.abs(w) > 0) & (np.abs(w) < least)).any() for w in published.values())
    for tensor in _built(published).graph.initializer:
        values = np.abs(onnx.numpy_helper.to_array(tensor))
        assert not ((values > 0) & (values < least)).any(), tensor.name


@pytest.mark.parametrize("width", [0.25, 0.5, 0.75, 1.0])
@pytest.mark.parametrize("size", [(128, 256), (64, 128)])
def test_osnet_agrees_with_its_pytorch_twin(width: float, size: tuple[int, int]) -> None:
    torch = pytest.importorskip("torch")
    from export.train.nets import OSNet
    from tests.export.twins import alive, tensors

    twin = alive(OSNet(width, identities=7), seed=3)
    crops = np.random.default_rng(5).integers(0, 256, (2, size[1], size[0], 3), np.uint8)
    with torch.no_grad():
        blob = torch.from_numpy(normalised(crops[..., ::-1], IMAGENET_MEAN_RGB, IMAGENET_STD_RGB))
        expected = twin(blob).numpy()
    _assert_close(run(_built(tensors(twin), *size), crops=crops)["embedding"], expected)


def test_a_batch_is_its_crops_one_by_one(published: checkpoint.Tensors) -> None:
    model = _built(published)
    crops = np.random.default_rng(5).integers(0, 256, (3, 256, 128, 3), np.uint8)
    one_by_one = np.concatenate([run(model, crops=crop[None])["embedding"] for crop in crops])
    _assert_close(run(model, crops=crops)["embedding"], one_by_one)


def test_an_unknown_width_is_refused_with_those_that_are_known(published: checkpoint.Tensors) -> None:
    with pytest.raises(DataError, match=r"24 channels in conv1; supported are 16 \(x0.25\)"):
        _built({**published, "conv1.conv.weight": np.zeros((24, 3, 7, 7), np.float32)})


def test_a_tensor_of_another_variant_is_named(published: checkpoint.Tensors) -> None:
    with pytest.raises(DataError, match=r"conv4\.0\.extra\.weight"):
        _built({**published, "conv4.0.extra.weight": np.ones(64, np.float32)})
