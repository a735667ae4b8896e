"""The exported joint network computes what its PyTorch twin computes, at the peaks alone."""

from typing import Any

import numpy as np
import onnx
import pytest

from edge.detect.families.nanodet import NANODET_MEAN_BGR, NANODET_STD_BGR
from edge.errors import DataError, UsageError
from edge.modelpack import JOINT_OUTPUTS
from export import jointnet
from export.weights import Weights
from tests.export.onnxrun import run

torch = pytest.importorskip("torch")

from export.train.jointnet import JointNet  # noqa: E402
from tests.export.twins import alive, tensors  # noqa: E402


@pytest.fixture(scope="module")
def twin() -> Any:
    return alive(JointNet(num_classes=2), seed=8)


def built(twin: Any, width: int = 128, height: int = 96, kept: list[int] | None = None) -> onnx.ModelProto:
    model, image, head = jointnet.build(Weights("joint.pth", tensors(twin)), width, height, kept)
    assert (image.name, image.width, image.height, image.layout) == ("image", width, height, "nhwc-uint8")
    assert (head.type, head.strides, head.outputs) == ("centernet-joint", (4,), JOINT_OUTPUTS)
    return model


def pictures(width: int = 128, height: int = 96) -> dict[str, np.ndarray]:
    image, before = np.random.default_rng(5).integers(0, 256, (2, 1, height, width, 3), np.uint8)
    return {"image": image, "pre_img": before}


def seen_by(twin: Any, feed: dict[str, np.ndarray]) -> Any:
    both = torch.from_numpy(np.concatenate([feed["image"], feed["pre_img"]], 3)).double()
    both = (both - torch.tensor(NANODET_MEAN_BGR * 2)) / torch.tensor(NANODET_STD_BGR * 2)
    with torch.no_grad():
        return twin(both.permute(0, 3, 1, 2))


@pytest.mark.parametrize("size", [(128, 96), (64, 128)])
def test_peaks_and_what_is_known_of_them_agree_with_pytorch(twin: Any, size: tuple[int, int]) -> None:
    feed = pictures(*size)
    found = run(built(twin, *size), **feed)
    assert tuple(found) == JOINT_OUTPUTS
    seen = seen_by(twin, feed)
    probability = seen.heat[0].sigmoid()
    assert found["heatmap"][0] == pytest.approx(probability.amax(0).numpy(), abs=1e-4)
    columns, rows = found["peaks"][0].astype(int).T
    kinds = found["classes"][0].astype(int)
    real = found["scores"][0] > 0  # there may be fewer peaks than are put out
    assert real.sum() > 20
    assert len(set(kinds[real].tolist())) == 2
    assert found["scores"][0][real] == pytest.approx(probability.numpy()[kinds, rows, columns][real], abs=1e-4)
    cells = torch.from_numpy(np.stack([columns, rows], 1))
    with torch.no_grad():
        known = twin.at(seen, torch.zeros(len(cells), dtype=torch.int64), cells)
    for name, expected in zip(("edges", "offsets", "embeddings"), known, strict=True):
        assert expected.abs().max() > 0.1
        assert found[name][0] == pytest.approx(expected.numpy(), abs=1e-3)


def test_the_heads_are_convolutions_over_the_whole_picture_seen_at_the_peaks(twin: Any) -> None:
    """On both levels of features, the coarse one doubled: every 3x3 there is one of 3x3 coarse cells."""
    seen = seen_by(twin, pictures())
    fine, coarse = (torch.nn.functional.pad(x, [1] * 4).unfold(2, 3, 1).unfold(3, 3, 1) for x in seen[1:])
    coarse = coarse.repeat_interleave(2, 2).repeat_interleave(2, 3)
    patches = torch.cat([fine, coarse], 1)[0].permute(1, 2, 0, 3, 4)
    rows, columns = (x.flatten() for x in torch.meshgrid(torch.arange(24), torch.arange(32), indexing="ij"))
    with torch.no_grad():
        hidden = torch.einsum("hwcij,ocij->hwo", patches, twin.geometry.weight) + twin.geometry.bias
        back = torch.einsum("hwi,oi->hwo", hidden.relu(), twin.tracking.weight.flatten(1)) + twin.tracking.bias
        known = twin.at(seen, torch.zeros(len(rows), dtype=torch.int64), torch.stack([columns, rows], 1))
    torch.testing.assert_close(known.back, back.flatten(0, 1))


def test_no_output_is_dense_but_the_heat_map(twin: Any) -> None:
    """At the built-in size: 57 KB of heat map and less than that of everything else."""
    model = built(twin, 640, 352)
    sizes = {o.name: np.prod([d.dim_value for d in o.type.tensor_type.shape.dim]) for o in model.graph.output}
    assert sizes.pop("heatmap") == 160 * 88
    assert sum(sizes.values()) < 160 * 88
    assert {i.name: i.type.tensor_type.elem_type for i in model.graph.input} == dict.fromkeys(
        ("image", "pre_img"), onnx.TensorProto.UINT8
    )


def test_one_class_can_be_kept(twin: Any) -> None:
    feed = pictures()
    found = run(built(twin, kept=[1]), **feed)
    assert set(found["classes"][0].tolist()) == {0}
    assert found["heatmap"][0] == pytest.approx(seen_by(twin, feed).heat[0, 1].sigmoid().numpy(), abs=1e-4)


def test_what_does_not_fit_is_named(twin: Any) -> None:
    with pytest.raises(UsageError, match="--input-size 100x96: expected multiples of 32"):
        built(twin, 100, 96)
    weights = tensors(twin)
    with pytest.raises(DataError, match="1 tensors that it does not: extra"):
        jointnet.build(Weights("joint.pth", {**weights, "extra": np.zeros(1)}), 128, 96)
    with pytest.raises(DataError, match=r"merge8\.conv\.weight"):
        jointnet.build(Weights("joint.pth", {k: v for k, v in weights.items() if "merge8" not in k}), 128, 96)
