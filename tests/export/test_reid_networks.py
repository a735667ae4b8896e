"""Rebuilt appearance networks compute what their PyTorch twins compute, from weights with the projects' own names."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.detect.adopt import Overrides
from edge.errors import DataError
from edge.modelpack import Colour
from edge.reid.adopt import IMAGENET_MEAN_RGB, IMAGENET_STD_RGB
from export import mobilenet, networks, osnet, resnet
from export.weights import Weights
from tests.export.onnxrun import normalised, run

torch = pytest.importorskip("torch")
from tests.export import reidtwins  # noqa: E402 - needs torch
from tests.export.twins import alive, tensors  # noqa: E402

CROPS = np.random.default_rng(5).integers(0, 256, (2, 96, 64, 3), np.uint8)
RELATIVE = 1e-4  # of an embedding's length

TWINS: dict[str, tuple[Any, Callable[[], Any]]] = {
    "OSNet-AIN x0.25": (osnet, lambda: reidtwins.OSNet(ain=True)),
    "OSNet-IBN x0.25": (osnet, lambda: reidtwins.OSNet(ain=False)),
    "ResNet50 (torchreid)": (resnet, reidtwins.ResNet),
    "ResNet50 (torchreid), fc512": (resnet, lambda: reidtwins.ResNet(1, layer=True)),
    "ResNet50 (fast-reid)": (resnet, reidtwins.FastReid),
    "ResNet50-IBN (fast-reid)": (resnet, lambda: reidtwins.FastReid(ibn=True)),
    "ResNet50 (fast-reid), GeM": (resnet, lambda: reidtwins.FastReid(gem=True)),
    "ResNet50 (fast-reid), short": (resnet, lambda: reidtwins.FastReid(short=True)),
    "ResNet50 (fast-reid), before 1.0": (resnet, lambda: reidtwins.FastReid(old=True)),
    "MobileNetV2 x1 (torchreid)": (mobilenet, reidtwins.MobileNetV2),
    "MobileNetV2 x1 (torchreid), fc": (mobilenet, lambda: reidtwins.MobileNetV2(layer=True)),
}


def _assert_close(found: np.ndarray, expected: np.ndarray) -> None:
    lengths = np.linalg.norm(expected, axis=1)
    assert found.shape == expected.shape
    assert lengths.min() > 0.1
    assert np.linalg.norm(expected[0] - expected[1]) > 0.01 * lengths[0]  # two crops, two embeddings
    assert (np.linalg.norm(found - expected, axis=1) / lengths).max() < RELATIVE


@pytest.mark.parametrize("name", TWINS)
def test_an_appearance_network_agrees_with_its_pytorch_twin(name: str) -> None:
    family, make = TWINS[name]
    twin = alive(make(), seed=3)
    weights = Weights("reid.pth", tensors(twin))
    assert [f for f in networks._REID if f.recognised(weights)] == [family]
    assert networks.architecture(weights) == name.partition(",")[0]  # which is what `inspect` prints
    model, image, length = family.build(weights, 64, 96)
    assert (image.width, image.height, image.colour, image.layout) == (64, 96, "bgr", "nhwc-uint8")
    with torch.no_grad():
        blob = normalised(CROPS[..., ::-1], IMAGENET_MEAN_RGB, IMAGENET_STD_RGB)
        expected = twin(torch.from_numpy(blob)).numpy()
    assert length == expected.shape[1]
    _assert_close(run(model, crops=CROPS)["embedding"], expected)


@pytest.mark.parametrize("colour", ["rgb", "bgr"])
def test_crops_are_prepared_as_the_user_says(colour: Colour) -> None:
    twin = alive(reidtwins.MobileNetV2(), seed=4)
    mean, std, scale = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3), 1 / 255
    overrides = Overrides(colour=colour, scale=scale, mean=mean, std=std)
    model, image, _ = mobilenet.build(Weights("reid.pth", tensors(twin)), 64, 96, overrides)
    seen = CROPS[..., ::-1] if colour == "rgb" else CROPS
    with torch.no_grad():
        planes = normalised(seen, tuple(v / scale for v in mean), tuple(v / scale for v in std))
        expected = twin(torch.from_numpy(planes)).numpy()
    _assert_close(run(model, crops=CROPS)["embedding"], expected)
    order = -1 if colour == "rgb" else 1
    assert image.mean == pytest.approx([255 * v for v in mean][::order])
    assert image.std == pytest.approx([255 * v for v in std][::order])


def test_mean_and_std_of_a_checkpoint_come_before_the_usual_and_after_the_users() -> None:
    twin = alive(reidtwins.FastReid(old=True), seed=4)
    twin.pixel_mean[:], twin.pixel_std[:] = (
        torch.tensor([1.0, 2, 3]).view(3, 1, 1),
        torch.tensor([4.0, 5, 6]).view(3, 1, 1),
    )
    for overrides, mean, std in (
        (Overrides(), (3, 2, 1), (6, 5, 4)),
        (Overrides(mean=(7.0, 8.0, 9.0), std=(1.0, 2.0, 3.0)), (9, 8, 7), (3, 2, 1)),
    ):
        _, image, _ = resnet.build(Weights("reid.pth", tensors(twin)), 64, 96, overrides)
        assert (image.colour, image.mean, image.std) == ("bgr", pytest.approx(mean), pytest.approx(std))


@pytest.mark.parametrize("name", ["OSNet-AIN x0.25", "ResNet50 (fast-reid)", "MobileNetV2 x1 (torchreid)"])
def test_a_tensor_too_many_or_too_few_is_named(name: str) -> None:
    family, make = TWINS[name]
    weights = tensors(alive(make(), seed=3))
    with pytest.raises(DataError, match=r"attention\.weight"):
        family.build(Weights("r.pth", {**weights, "attention.weight": np.zeros(3)}), 64, 96)
    last = [key for key in weights if key.endswith("running_var") and ("conv" in key or "layer4" in key)][-1]
    with pytest.raises(DataError, match=last.replace(".", r"\.")):
        family.build(Weights("r.pth", {k: v for k, v in weights.items() if k != last}), 64, 96)


def test_a_checkpoint_becomes_a_reid_network(tmp_path: Path) -> None:
    """As torch.save writes it, with the prefix of a parallel wrapper."""
    twin = alive(reidtwins.OSNet(ain=True), seed=3).float()
    torch.save({"state_dict": {f"module.{k}": v for k, v in twin.state_dict().items()}}, tmp_path / "ain.pth.tar")
    found = networks.reid(tmp_path / "ain.pth.tar")
    assert found.description.source.architecture == "OSNet-AIN x0.25"
    assert found.description.embedding == 512
    assert (found.description.input.width, found.description.input.height) == (128, 256)
