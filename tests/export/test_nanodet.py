"""The exported detectors compute what the published networks compute."""

from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import onnx
import pytest

from benchmarks.int8.lifted import nanodet_m
from edge.detect.cells import cell_counts
from edge.detect.families.nanodet import NANODET_MEAN_BGR, NANODET_STD_BGR
from edge.errors import DataError, UsageError
from edge.video.images import read_image
from export import checkpoint, nanodet
from export.weights import Weights
from tests.export.onnxrun import normalised, run, sigmoid

SCORES = 1e-5  # of the parity promised
LOGITS = 1e-4


@pytest.fixture(scope="module")
def published(data: Path) -> checkpoint.Tensors:
    return checkpoint.read(data / "models" / "nanodet-plus-m_416.pth").tensors


@pytest.fixture(scope="module")
def images(data: Path) -> list[np.ndarray]:
    """Pictures of street scenes and of everything else, at the size of the published network."""
    files = sorted((data / "images" / "mot17_mini").rglob("*.jpg"))[::10]
    files += sorted((data / "images" / "coco128").rglob("*.jpg"))[::32]
    assert len(files) == 8
    return [cv2.resize(read_image(file), (416, 416))[None] for file in files]


def _random_image(width: int, height: int) -> np.ndarray:
    return np.random.default_rng(7).integers(0, 256, (1, height, width, 3), np.uint8)


def _built(tensors: checkpoint.Tensors, width: int = 96, height: int = 160, **options: Any) -> onnx.ModelProto:
    weights = Weights("network.pth", dict(tensors))
    architecture = nanodet.recognised(weights)
    assert architecture is not None
    model, image, head = nanodet.build(weights, architecture, width, height, **options)
    assert (image.width, image.height, image.layout) == (width, height, "nhwc-uint8")
    assert head.scores == "logits"
    return model


def test_real_weights_agree_with_the_published_onnx_file_on_real_images(
    published: checkpoint.Tensors, images: list[np.ndarray], data: Path
) -> None:
    model = _built(published, 416, 416)
    for image in images:
        blob = normalised(image, NANODET_MEAN_BGR, NANODET_STD_BGR).astype(np.float32)
        expected = run(str(data / "models" / "nanodet-plus-m_416.onnx"), data=blob)["output"]
        found = run(model, image=image)
        assert np.abs(sigmoid(found["class_logits"]) - expected[..., :80]).max() < SCORES
        assert np.abs(found["distances"] - expected[..., 80:]).max() < LOGITS


def test_the_zoos_nanodet_m_rebuilt_from_its_own_weights_agrees_with_the_file(
    images: list[np.ndarray], data: Path
) -> None:
    """No checkpoint of NanoDet v0.x is at hand; its ONNX file has the weights in the order of the layers."""
    file = data / "models" / "object_detection_nanodet_2022nov.onnx"
    model = _built(nanodet_m(file), 416, 416)
    outputs = ["792", "814", "836", "795", "817", "839"]
    for image in images[::3]:
        expected = run(str(file), **{"input.1": normalised(image, NANODET_MEAN_BGR, NANODET_STD_BGR).astype("f4")})
        levels = [expected[name] for name in outputs]
        found = run(model, image=image)
        assert np.abs(sigmoid(found["class_logits"]) - np.concatenate(levels[:3], 1)).max() < SCORES
        assert np.abs(found["distances"] - np.concatenate(levels[3:], 1)).max() < LOGITS


@pytest.mark.parametrize("width", ["0.5x", "1.0x", "1.5x"])
@pytest.mark.parametrize("size", [(96, 160), (192, 64)])
def test_nanodet_plus_agrees_with_its_pytorch_twin(
    width: Literal["0.5x", "1.0x", "1.5x"], size: tuple[int, int]
) -> None:
    pytest.importorskip("torch")
    from export.train.nets import NanoDetPlus

    _assert_twin_agrees(NanoDetPlus(width, num_classes=3), 3, size)


@pytest.mark.parametrize("width", ["0.5x", "1.0x", "1.5x"])
@pytest.mark.parametrize("shared", [True, False])
def test_nanodet_v0_agrees_with_its_pytorch_twin(width: str, shared: bool) -> None:
    pytest.importorskip("torch")
    from tests.export.twins import NanoDetV0

    _assert_twin_agrees(NanoDetV0(width, num_classes=5, shared=shared), 5, (96, 160))


def test_layers_for_boxes_that_an_early_head_does_not_use_change_nothing() -> None:
    """Those of v0.1 have them, though one convolution makes classes and boxes; they are no sign of more classes."""
    pytest.importorskip("torch")
    from tests.export.twins import NanoDetV0, tensors

    twin = NanoDetV0("0.5x", num_classes=5, leftover=True)
    assert nanodet.class_count(Weights("v0.pth", tensors(twin))) == 5
    _assert_twin_agrees(twin, 5, (96, 160))


def test_nanodet_on_efficientnet_lite_agrees_with_its_pytorch_twin() -> None:
    torch = pytest.importorskip("torch")
    from tests.export.twins import EfficientNetLite, NanoDetOn, tensors

    twin = NanoDetOn(EfficientNetLite(), torch.nn.ReLU6, full=False)
    weights = Weights("lite.pth", tensors(twin))
    assert nanodet.architecture(weights, "nanodet") == "NanoDet EfficientNet-Lite0"
    assert "assumed as published: ReLU6, BGR, mean 127, 127, 127 and std 128," in nanodet.assumed(weights, "nanodet")
    _assert_twin_agrees(twin, 5, (96, 160), (127.0,) * 3, (128.0,) * 3)


def test_nanodet_on_repvgg_agrees_with_its_pytorch_twin_branches_merged_or_not() -> None:
    torch = pytest.importorskip("torch")
    from tests.export.twins import NanoDetOn, RepVgg, tensors

    twin = NanoDetOn(RepVgg(), torch.nn.ReLU, full=True)
    weights = Weights("vgg.pth", tensors(twin))
    assert nanodet.architecture(weights, "nanodet") == "NanoDet RepVGG-A0"
    assert "assumed as published: ReLU, BGR, mean 103.53," in nanodet.assumed(weights, "nanodet")
    _assert_twin_agrees(twin, 5, (96, 160))
    model = _built(tensors(twin))
    assert sum(node.op_type == "Conv" for node in model.graph.node if node.name.startswith("backbone.")) == 1 + 19
    # As its authors release it: the weights that three branches are merged into.
    merged = {name: array for name, array in tensors(twin).items() if "rbr_" not in name}
    parts = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    std = np.reshape(NANODET_STD_BGR, (1, 3, 1, 1))
    for layer in {name.partition(".rbr_")[0] for name in tensors(twin) if ".rbr_" in name}:
        first = layer == "backbone.stage0"
        outputs, inputs = tensors(twin)[f"{layer}.rbr_dense.0.weight"].shape[:2]
        merged[f"{layer}.rbr_reparam.weight"] = parts[f"{layer}.weight"][:outputs, :inputs] * (std if first else 1)
        merged[f"{layer}.rbr_reparam.bias"] = parts[f"{layer}.bias"][:outputs]
    image = _random_image(96, 160)
    for name, expected in run(model, image=image).items():
        np.testing.assert_allclose(run(_built(merged), image=image)[name], expected, atol=LOGITS)


@pytest.mark.parametrize(
    ("name", "shape", "complaint"),
    [
        ("backbone.blocks.6.0._project_conv.weight", (321, 8, 1, 1), r"EfficientNet-Lite of 321 channels .* supported"),
        ("backbone.stage4.0.rbr_dense.0.weight", (1281, 8, 3, 3), r"RepVGG of 192 and 1281 channels .* are A0, A1"),
        ("backbone.stage2.0.rbr_1x1.0.weight", (8, 8, 3, 3), r"rbr_1x1.0.weight: expected shape \[8, 8, 1, 1\]"),
        ("backbone.stage2.0.rbr_dense.0.weight", (8, 4, 3, 3), r"expected shape \[8, 8, 3, 3\], found \[8, 4, 3, 3\]"),
    ],
)
def test_sizes_and_groups_of_backbones_that_are_not_known_are_refused(
    name: str, shape: tuple[int, ...], complaint: str
) -> None:
    torch = pytest.importorskip("torch")
    from tests.export.twins import EfficientNetLite, NanoDetOn, RepVgg, tensors

    twin = NanoDetOn(EfficientNetLite() if "blocks" in name else RepVgg(), torch.nn.ReLU, full=True)
    with pytest.raises(DataError, match=complaint):
        _built({**tensors(twin), name: np.zeros(shape, np.float32)})


def _assert_twin_agrees(
    twin: Any,
    classes: int,
    size: tuple[int, int],
    mean: tuple[float, ...] = NANODET_MEAN_BGR,
    std: tuple[float, ...] = NANODET_STD_BGR,
) -> None:
    import torch

    from tests.export.twins import alive, tensors

    twin = alive(twin, seed=1)
    image = _random_image(*size)
    with torch.no_grad():
        expected = twin.logits(torch.from_numpy(normalised(image, mean, std))).numpy()
    found = run(_built(tensors(twin), *size), image=image)
    assert np.ptp(expected) > 1  # a network that says nothing would agree with anything
    assert np.abs(sigmoid(found["class_logits"]) - sigmoid(expected[..., :classes])).max() < SCORES
    assert np.abs(found["distances"] - expected[..., classes:]).max() < LOGITS


def test_padding_channels_changes_nothing(published: checkpoint.Tensors) -> None:
    image = _random_image(96, 160)
    padded, plain = (run(_built(published, align=align), image=image) for align in (16, 1))
    for name, expected in plain.items():
        np.testing.assert_allclose(padded[name], expected, atol=LOGITS)


def test_kept_classes_are_the_rows_of_all_classes_in_the_order_asked_for(published: checkpoint.Tensors) -> None:
    image = _random_image(96, 160)
    every, some = run(_built(published), image=image), run(_built(published, kept=[2, 0]), image=image)
    np.testing.assert_allclose(some["class_logits"], every["class_logits"][..., [2, 0]], atol=LOGITS)
    np.testing.assert_allclose(some["distances"], every["distances"], atol=LOGITS)


def test_the_graph_has_no_shuffle_left_and_its_nodes_bear_the_names_of_the_layers(
    published: checkpoint.Tensors,
) -> None:
    nodes = _built(published).graph.node
    operators = [node.op_type for node in nodes]
    assert operators.count("Transpose") == 3  # one for the pixels, one for each output
    assert not {"Slice", "Gather", "Sigmoid"} & set(operators)
    assert len({node.name for node in nodes}) == len(nodes)
    layers = {name.removesuffix(".weight") for name in published}
    convolutions = [node.name for node in nodes if node.op_type == "Conv"]
    assert {name.removesuffix(".classes").removesuffix(".distances") for name in convolutions} <= layers
    pool, activation = (operators.index(o) for o in ("MaxPool", "LeakyRelu"))
    assert pool < activation


@pytest.mark.parametrize(("width", "height", "cells"), [(416, 416, 3598), (320, 320, 2125), (640, 384, 5100)])
def test_every_cell_of_every_level_has_a_row(
    published: checkpoint.Tensors, width: int, height: int, cells: int
) -> None:
    model = _built(published, width, height)
    shape = [d.dim_value for d in model.graph.output[0].type.tensor_type.shape.dim]
    assert shape == [1, cells, 80]
    assert sum(cell_counts(width, height, (8, 16, 32, 64))) == cells


@pytest.mark.parametrize("size", [(400, 416), (416, 0), (-32, 32)])
def test_a_size_that_is_no_multiple_of_32_is_refused(published: checkpoint.Tensors, size: tuple[int, int]) -> None:
    with pytest.raises(UsageError, match=r"expected multiples of 32"):
        _built(published, *size)


def _without(tensors: checkpoint.Tensors, name: str) -> checkpoint.Tensors:
    return {key: value for key, value in tensors.items() if key != name}


def test_a_missing_tensor_is_named(published: checkpoint.Tensors) -> None:
    name = "fpn.downsamples.1.pointwise.weight"
    with pytest.raises(DataError, match=name):
        _built(_without(published, name))


def test_a_tensor_that_the_architecture_has_not_is_named(published: checkpoint.Tensors) -> None:
    with pytest.raises(DataError, match=r"backbone\.stage2\.0\.attention\.weight"):
        _built({**published, "backbone.stage2.0.attention.weight": np.zeros(3)})


def test_what_only_training_needs_is_dropped(published: checkpoint.Tensors) -> None:
    extra = {"aux_fpn.reduce_layers.0.conv.weight": np.zeros(3), "aux_head.gfl_reg.bias": np.zeros(3)}
    plain, training = _built(published), _built({**published, **extra})
    assert plain.SerializeToString() == training.SerializeToString()


def test_layers_that_do_not_fit_together_are_named(published: checkpoint.Tensors) -> None:
    """A channel less anywhere is noticed, and never silently dropped."""
    names = [name for name, array in published.items() if array.ndim and "project" not in name]
    for name in names[::23]:
        for axis in range(min(published[name].ndim, 2)):
            if published[name].shape[axis] == 1:
                continue
            cut = published[name].take(range(1, published[name].shape[axis]), axis)
            with pytest.raises(DataError, match=r"network\.pth: "):
                _built({**published, name: cut}, 32, 32)


@pytest.mark.parametrize("shape", [(), (96,), (96, 96), (96, 96, 2, 2), (96, 96, 1, 1, 1)])
def test_a_weight_that_is_no_convolution_is_named(published: checkpoint.Tensors, shape: tuple[int, ...]) -> None:
    name = "fpn.downsamples.1.pointwise.weight"
    with pytest.raises(DataError, match=rf"{name}: expected shape \[outputs, inputs, height, width\]"):
        _built({**published, name: np.zeros(shape, np.float32)})


def test_an_unknown_width_is_refused_with_those_that_are_known(published: checkpoint.Tensors) -> None:
    weight = np.zeros((30, 30, 1, 1), np.float32)
    with pytest.raises(DataError, match=r"60 channels in stage 2; supported are 48 \(0.5x\), 116 \(1.0x\)"):
        _built({**published, "backbone.stage2.0.branch2.5.weight": weight})


@pytest.mark.parametrize(("value", "complaint"), [(-1, "expected variances >= 0"), (np.nan, "NaN or infinity")])
def test_impossible_statistics_are_refused(published: checkpoint.Tensors, value: float, complaint: str) -> None:
    name = "backbone.conv1.1.running_var"
    with pytest.raises(DataError, match=f"{name}.*{complaint}"):
        _built({**published, name: np.full_like(published[name], value)})
