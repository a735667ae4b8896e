"""NanoDet's training configurations: what weights do not tell is taken from them; a mistake is one sentence."""

from pathlib import Path

import numpy as np
import pytest

from edge.detect.adopt import Overrides
from edge.detect.families.nanodet import NANODET_MEAN_BGR, NANODET_STD_BGR
from edge.errors import DataError, NotFoundError, UsageError
from export import config, nanodet, networks
from export.config import Activations, Config
from export.layers import ACTIVATIONS
from export.weights import Weights
from tests.export.onnxrun import normalised, run, sigmoid

# In the layout of the published configurations: anchors, flow lists, keys that do not matter here.
PLUS = """
save_dir: workspace/x
model:
  weight_averager:
    name: ExpMovingAverager
    decay: 0.9998
  arch:
    name: NanoDetPlus
    backbone:
      name: ShuffleNetV2
      model_size: 1.0x
      out_stages: [2,3,4]
      activation: SiLU
    fpn:
      name: GhostPAN
      in_channels: [116, 232, 464]
    head:
      name: NanoDetPlusHead
      num_classes: 2
      activation: ReLU6
class_names: &class_names ['person', 'car']
data:
  train:
    input_size: [512, 512]
    keep_ratio: True
  val:
    class_names: *class_names
    input_size: [320, 352] #[w,h]
    keep_ratio: True
    pipeline:
      normalize: [[100.0, 110, 120], [50.0, 55.0, 60.5]]
"""


def _written(folder: Path, text: str) -> Path:
    path = folder / "nanodet.yml"
    path.write_text(text)
    return path


def test_what_a_configuration_says(tmp_path: Path) -> None:
    assert config.read(_written(tmp_path, PLUS)) == Config(
        Activations("SiLU", "LeakyReLU", "ReLU6"),
        (100.0, 110.0, 120.0),
        (50.0, 55.0, 60.5),
        True,
        (320, 352),
        ("person", "car"),
    )


def test_what_it_leaves_out_has_the_defaults_of_the_modules(tmp_path: Path) -> None:
    found = config.read(_written(tmp_path, "model:\n  arch:\n    name: NanoDetPlus\n"))
    assert found == Config(Activations("ReLU", "LeakyReLU", "LeakyReLU"))
    lite = "model:\n  arch:\n    backbone:\n      name: EfficientNetLite\n"
    assert config.read(_written(tmp_path, lite)).activations == Activations("ReLU6", "LeakyReLU", "LeakyReLU")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", r"model\.arch: expected a training configuration"),
        ("a: [", "no YAML"),
        ("\x00", "no YAML"),
        ("[1, 2]", r"model\.arch: expected"),
        (PLUS.replace("SiLU", "Mish"), r"backbone\.activation: expected one of ReLU, LeakyReLU.*found 'Mish'"),
        (PLUS.replace("[320, 352]", "320"), r"val\.input_size: expected 2 numbers"),
        (PLUS.replace("[320, 352]", "[320, x]"), r"val\.input_size: expected 2 numbers"),
        (PLUS.replace("[50.0, 55.0, 60.5]", "[50.0, 0, 60.5]"), "positive standard deviations"),
        (PLUS.replace("[50.0, 55.0, 60.5]", "[50.0]"), "three standard deviations"),
        (PLUS.replace("[50.0, 55.0, 60.5]", "[.nan, 1, 1]"), "positive standard deviations"),
        (PLUS.replace("keep_ratio: True\n    pipe", "keep_ratio: 3\n    pipe"), "expected true or false"),
        (PLUS.replace("['person', 'car']", "person"), "class_names: expected a list of names"),
        ("a: !!python/object/apply:os.system ['touch HIT']", "no YAML"),
        ("&a [" * 3000, "no YAML"),
        ("x: " + "y" * (1 << 20), "larger than"),
    ],
)
def test_a_mistake_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, complaint: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises((DataError, NotFoundError), match=complaint) as caught:
        config.read(_written(tmp_path, text))
    assert str(caught.value).startswith(f"{tmp_path / 'nanodet.yml'}: ")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "HIT").exists()


def test_aliases_that_multiply_do_no_harm(tmp_path: Path) -> None:
    levels = "\n".join(f"l{i}: &l{i} [*l{i - 1}, *l{i - 1}]" for i in range(1, 60))
    assert config.read(_written(tmp_path, f"l0: &l0 [x]\n{levels}\n{PLUS}")).keep_ratio is True


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_network_of_another_activation_agrees_with_its_pytorch_twin(activation: str) -> None:
    _assert_agrees(Config(Activations(activation, activation, activation)))


def test_each_part_has_its_own_activation_and_pictures_are_prepared_as_it_says() -> None:
    mean, std = (10.0, 20.0, 30.0), (40.0, 50.0, 60.0)
    _assert_agrees(Config(Activations("SiLU", "HardSwish", "ReLU6"), mean, std), mean, std)


def _assert_agrees(
    said: Config, mean: tuple[float, ...] = NANODET_MEAN_BGR, std: tuple[float, ...] = NANODET_STD_BGR
) -> None:
    torch = pytest.importorskip("torch")
    from export.train.nets import NanoDetPlus
    from tests.export.twins import alive, tensors, with_activation

    makers = {
        "ReLU": torch.nn.ReLU,
        "LeakyReLU": lambda: torch.nn.LeakyReLU(0.1),
        "ReLU6": torch.nn.ReLU6,
        "HardSwish": torch.nn.Hardswish,
        "SiLU": torch.nn.SiLU,
    }
    twin = NanoDetPlus("0.5x", num_classes=3)
    for part, name in ((twin.backbone, "backbone"), (twin.fpn, "pyramid"), (twin.head, "head")):
        with_activation(part, makers[getattr(said.activations, name)])
    twin = alive(twin, seed=2)
    picture = np.random.default_rng(7).integers(0, 256, (1, 64, 96, 3), np.uint8)
    model, image, _ = nanodet.build(Weights("n.pth", tensors(twin)), "nanodet-plus", 96, 64, config=said)
    with torch.no_grad():
        expected = twin.logits(torch.from_numpy(normalised(picture, mean, std))).numpy()
    found = run(model, image=picture)
    assert (image.mean, image.std) == (mean, std)
    assert np.ptp(expected) > 1
    assert np.abs(sigmoid(found["class_logits"]) - sigmoid(expected[..., :3])).max() < 1e-5
    assert np.abs(found["distances"] - expected[..., 3:]).max() < 1e-4


@pytest.mark.parametrize(
    ("kind", "keep_ratio", "resize"),
    [
        ("nanodet-plus", None, "squash"),
        ("nanodet-plus", True, "letterbox-centre"),
        ("nanodet", None, "letterbox-centre"),
        ("nanodet", False, "squash"),
    ],
)
def test_whether_the_aspect_ratio_is_kept(kind: str, keep_ratio: bool | None, resize: str) -> None:
    pytest.importorskip("torch")
    from export.train.nets import NanoDetPlus
    from tests.export.twins import NanoDetV0, tensors

    twin = (NanoDetPlus if kind == "nanodet-plus" else NanoDetV0)("0.5x", num_classes=2)
    weights = tensors(twin)
    _, image, _ = nanodet.build(Weights("n.pth", weights), kind, 64, 64, config=Config(keep_ratio=keep_ratio))
    assert image.resize == resize
    said = Overrides(resize="letterbox", pad=114)
    _, image, _ = nanodet.build(Weights("n.pth", weights), kind, 64, 64, overrides=said)
    assert (image.resize, image.pad) == ("letterbox", 114)


@pytest.fixture
def plus(data: Path) -> Path:
    return data / "models" / "nanodet-plus-m_416.pth"


def test_a_checkpoint_follows_its_configuration(plus: Path) -> None:
    names = tuple(f"class {i}" for i in range(80))
    found = networks.detector(plus, config=Config(keep_ratio=True, input_size=(96, 64), class_names=names)).description
    assert (found.input.width, found.input.height, found.input.resize) == (96, 64, "letterbox-centre")
    assert found.classes == names


def test_what_is_assumed_is_said(plus: Path, caplog: pytest.LogCaptureFixture) -> None:
    networks.detector(plus, (64, 64))
    assert "weights do not tell activations" in caplog.text
    assert "--config nanodet.yml" in caplog.text
    caplog.clear()
    networks.detector(plus, (64, 64), config=Config())
    assert caplog.text == ""


def test_a_configuration_is_for_nanodet_checkpoints(tmp_path: Path, data: Path) -> None:
    for file in ("nanodet-plus-m_416.onnx", "osnet_x0_25_msmt17.pth"):
        with pytest.raises(UsageError, match="for NanoDet checkpoints"):
            networks.detector(data / "models" / file, config=Config())
