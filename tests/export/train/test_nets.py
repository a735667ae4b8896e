"""The PyTorch networks against the released checkpoints and the ONNX files made from them."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.video.images import read_image

torch = pytest.importorskip("torch")

from export.train.nets import NanoDetPlus, OSNet  # noqa: E402


def _onnx(path: Path, image: np.ndarray) -> np.ndarray:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: image})[0]


def _picture(data: Path) -> np.ndarray:
    return read_image(min((data / "images" / "mot17_mini").rglob("*.jpg")))


def _normalised(image: np.ndarray, mean: tuple[float, ...], std: tuple[float, ...]) -> np.ndarray:
    planes = (image.astype(np.float32) - np.array(mean, np.float32)) / np.array(std, np.float32)
    return planes.transpose(2, 0, 1)[None]


def test_nanodet_plus_is_the_published_network(data: Path) -> None:
    net = NanoDetPlus().eval()
    checkpoint = torch.load(data / "models" / "nanodet-plus-m_416.pth", weights_only=True)
    net.load_state_dict(checkpoint["state_dict"], strict=True)
    image = cv2.resize(_picture(data), (416, 416))
    image = _normalised(image, (103.53, 116.28, 123.675), (57.375, 57.12, 58.395))
    with torch.no_grad():
        found = net(torch.from_numpy(image)).numpy()
    expected = _onnx(data / "models" / "nanodet-plus-m_416.onnx", image)
    assert expected[..., 0].max() > 0.5  # there are people to see
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_osnet_is_the_published_network(data: Path) -> None:
    net = OSNet(0.25, identities=1041).eval()
    checkpoint = torch.load(data / "models" / "osnet_x0_25_msmt17.pth", weights_only=True)
    state = {key.removeprefix("module."): value for key, value in checkpoint.get("state_dict", checkpoint).items()}
    net.load_state_dict(state, strict=True)
    picture = _picture(data)
    crops = [cv2.resize(picture[100:500, x : x + 200], (128, 256))[..., ::-1] for x in (100, 600, 1100)]
    mean, std = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
    image = np.concatenate([_normalised(crop, mean, std) for crop in crops])
    with torch.no_grad():
        found = net(torch.from_numpy(image)).numpy()
    expected = _onnx(data / "models" / "osnet_x0_25_msmt17_dynamic.onnx", image)
    assert np.abs(expected[0] - expected[1]).max() > 0.1  # the crops differ
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize(("height", "width"), [(256, 416), (416, 416), (320, 320)])
def test_cells_follow_strides_8_to_64_and_classes_are_probabilities(height: int, width: int) -> None:
    net = NanoDetPlus("0.5x", num_classes=1).eval()
    with torch.no_grad():
        found = net(torch.randn(2, 3, height, width))
    cells = sum(-(-height // s) * -(-width // s) for s in (8, 16, 32, 64))
    assert found.shape == (2, cells, 1 + 4 * 8)
    assert 0 <= found[..., 0].min() <= found[..., 0].max() <= 1


@pytest.mark.parametrize("width", [0.25, 0.5, 1.0])
def test_every_width_of_osnet_gives_512_numbers(width: float) -> None:
    with torch.no_grad():
        assert OSNet(width).eval()(torch.zeros(1, 3, 256, 128)).shape == (1, 512)
