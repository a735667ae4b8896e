"""A file becomes a network for the board, or one sentence that says why not."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import edge.demo
from edge.detect.adopt import Overrides
from edge.errors import DataError, NotFoundError, UsageError
from edge.infer.ladder import Wish
from edge.modelpack import sha256_of
from edge.reid.open import open_embedder
from export import checkpoint, networks
from tests.detect.families import mutations
from tests.export import foreign, small
from tests.export import torchfile as tf
from tests.export.onnxrun import run


def _checkpoint(path: Path, **shapes: tuple[int, ...]) -> Path:
    """A checkpoint with one tensor of zeros for each name (`__` for a dot) and shape."""
    size = max(int(np.prod(shape)) for shape in shapes.values())
    tensors = {}
    for name, shape in shapes.items():
        strides = [int(np.prod(shape[i + 1 :])) for i in range(len(shape))]
        tensors[name.replace("__", ".")] = tf.tensor("FloatStorage", "0", size, 0, shape, strides)
    return tf.write_archive(path, tf.mapping(tensors), {"0": bytes(4 * size)})


def test_an_onnx_file_is_taken_byte_for_byte(tmp_path: Path) -> None:
    path = small.write_detector(tmp_path / "d.onnx")
    network = networks.detector(path)
    assert network.content == path.read_bytes()
    assert network.opset == 13
    assert network.description.source.file == "d.onnx"


def test_class_names_can_be_given(tmp_path: Path) -> None:
    path = small.write_detector(tmp_path / "d.onnx")
    assert networks.detector(path, names=["pedestrian"]).description.classes == ("pedestrian",)
    with pytest.raises(UsageError, match=r"--class-names has 2 names, .* has 1 classes"):
        networks.detector(path, names=["a", "b"])


def test_crops_of_a_network_that_subtracts_its_own_mean_are_asked_about(tmp_path: Path) -> None:
    """fast-reid's exporter writes mean and std into the graph; subtracted twice, everybody looks the same."""
    model = foreign.reid()
    mutations.normalised_inside(model)
    path = foreign.save(tmp_path / "r.onnx", model)
    for read in (networks.reid, lambda file: open_embedder(file, Wish())):
        with pytest.raises(DataError, match=r"r\.onnx: changes its pixels itself first \(Sub\), .* --reid-scale 1 "):
            read(path)
    with pytest.raises(DataError, match="changes its pixels itself"):  # the order of colours says nothing of it
        networks.reid(path, Overrides(colour="bgr"))
    image = networks.reid(path, Overrides(scale=1.0)).description.input
    assert (image.colour, image.mean, image.std) == ("rgb", (0, 0, 0), (1, 1, 1))


@pytest.mark.parametrize(("last", "task"), [("Softmax", ""), ("Identity", "classify")])
def test_a_classifier_is_no_appearance_network(last: str, task: str, tmp_path: Path) -> None:
    model = foreign.reid()
    model.graph.node[-1].output[:] = ["scores"]
    model.graph.node.append(onnx.helper.make_node(last, ["scores"], ["output"]))
    onnx.helper.set_model_props(model, {"task": task} if task else {})
    path = foreign.save(tmp_path / "r.onnx", model)
    with pytest.raises(DataError, match=f"not a ReID network: its .* is '?{task or last}"):
        networks.reid(path, Overrides(scale=1.0))
    with pytest.raises(DataError, match="expected one that puts out an embedding for each crop"):
        open_embedder(path, Wish())


def test_the_task_of_an_appearance_network_is_its_own_affair(tmp_path: Path) -> None:
    model = foreign.reid()
    onnx.helper.set_model_props(model, {"task": "feature-extraction"})
    assert networks.reid(foreign.save(tmp_path / "r.onnx", model)).description.embedding == 3


def test_an_onnx_file_is_not_rebuilt(tmp_path: Path) -> None:
    path = small.write_detector(tmp_path / "d.onnx")
    with pytest.raises(UsageError, match="the classes of an ONNX file are those it has"):
        networks.detector(path, classes=["person"])
    with pytest.raises(UsageError, match="fixed width of 64, found 320"):
        networks.detector(path, size=(320, 320))


def test_an_unknown_architecture_is_refused_with_what_was_found_and_what_is_supported(tmp_path: Path) -> None:
    path = _checkpoint(tmp_path / "yolo.pt", model__0__conv__weight=(8, 3, 3, 3), model__1__bn__bias=(8,))
    for read in (networks.detector, networks.reid):
        with pytest.raises(DataError) as caught:
            read(path)
        message = str(caught.value)
        assert "NanoDet-Plus and NanoDet" in message
        assert "OSNet, OSNet-IBN and OSNet-AIN x0.25" in message
        assert "found tensors 0.conv.* (1), 1.bn.* (1)" in message


def test_networks_given_for_each_other_are_told_apart(data: Path) -> None:
    models = data / "models"
    with pytest.raises(DataError, match="given as --detector, but belongs to --reid"):
        networks.detector(models / "osnet_x0_25_msmt17.pth")
    with pytest.raises(DataError, match="given as --reid, but belongs to --detector"):
        networks.reid(models / "nanodet-plus-m_416.pth")


@pytest.mark.parametrize("read", [networks.detector, networks.reid])
@pytest.mark.parametrize("content", [b"", b"not a network\n", b"\x08\x08" + bytes(30)])
def test_a_file_that_is_no_onnx_model_is_refused(
    tmp_path: Path, read: Callable[[Path], networks.Network[Any]], content: bytes
) -> None:
    path = tmp_path / "x.onnx"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"x\.onnx: not a valid ONNX model"):
        read(path)


@pytest.mark.parametrize("name", ["missing.onnx", "missing.pth"])
def test_a_missing_file_is_not_found(tmp_path: Path, name: str) -> None:
    with pytest.raises(NotFoundError, match="cannot be read"):
        networks.detector(tmp_path / name)


def test_an_onnx_model_whose_weights_lie_elsewhere_becomes_one_file(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    path = small.write_detector(tmp_path / "d.onnx")
    picture = np.full((1, 64, 64, 3), 255, np.uint8)
    expected = run(path.read_bytes(), image=picture)
    onnx.save(onnx.load(str(path)), str(path), save_as_external_data=True, location="w.bin", size_threshold=0)
    network = networks.detector(path)
    assert network.description.source.sha256 == sha256_of(path)
    (tmp_path / "w.bin").unlink()
    for name, found in run(network.content, image=picture).items():
        np.testing.assert_array_equal(found, expected[name])


def test_errors_name_the_users_file(tmp_path: Path) -> None:
    path = tmp_path / "other.onnx"
    foreign.save(path, foreign.reid(batch=1))
    with pytest.raises(DataError) as caught:
        networks.detector(path)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize("read", [networks.detector, networks.reid])
def test_a_name_that_is_no_utf_8_is_told_so(tmp_path: Path, read: Callable[[Path], networks.Network[Any]]) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.onnx"))
    small.write_detector(path)
    with pytest.raises(DataError, match=r"\\xff\.onnx: expected a file name in UTF-8"):
        read(path)


def test_what_is_left_of_fewer_classes_is_the_same_bit_for_bit(data: Path) -> None:
    path = data / "models" / "nanodet-plus-m_416.pth"
    every, people = (networks.detector(path, size=(160, 96), classes=names) for names in (None, ["person"]))
    assert len(people.content) < len(every.content)
    image = np.random.default_rng(0).integers(0, 256, (1, 96, 160, 3), np.uint8)
    found, expected = run(people.content, image=image), run(every.content, image=image)
    assert found["class_logits"].shape[-1] == 1
    np.testing.assert_array_equal(found["class_logits"], expected["class_logits"][..., :1])
    np.testing.assert_array_equal(found["distances"], expected["distances"])


def test_classes_are_kept_by_name(data: Path) -> None:
    path = data / "models" / "nanodet-plus-m_416.pth"
    network = networks.detector(path, size=(96, 64), classes=["bicycle", "person"])
    assert network.description.classes == ("bicycle", "person")
    assert network.description.source.architecture == "NanoDet-Plus-m 1.0x"
    found = run(network.content, image=np.zeros((1, 64, 96, 3), np.uint8))
    assert found["class_logits"].shape == (1, 12 * 8 + 6 * 4 + 3 * 2 + 2, 2)
    with pytest.raises(UsageError, match="unknown class 'persn'; did you mean 'person'"):
        networks.detector(path, classes=["persn"])


WEIGHTS = Path(edge.demo.__file__).with_name("weights")


def _saying(path: Path, monkeypatch: pytest.MonkeyPatch, **said: Any) -> Path:
    """`path` as a file that says `said` instead."""
    found = checkpoint.read(path)
    monkeypatch.setattr(checkpoint, "read", lambda _: found._replace(meta=checkpoint.Meta(**said)))
    return path


def test_a_checkpoint_names_its_own_input_and_classes() -> None:
    found = networks.detector(WEIGHTS / "detector.pth").description
    assert (found.input.width, found.input.height) == (832, 480)
    assert found.classes == ("person",)


def test_flags_come_before_what_a_checkpoint_says() -> None:
    found = networks.detector(WEIGHTS / "detector.pth", (96, 64), ["pedestrian"]).description
    assert (found.input.width, found.input.height) == (96, 64)
    assert found.classes == ("pedestrian",)


@pytest.mark.parametrize(
    ("read", "file", "size"), [(networks.detector, "detector.pth", (416, 416)), (networks.reid, "reid.pth", (128, 256))]
)
def test_a_checkpoint_that_says_nothing_gets_the_published_size(
    monkeypatch: pytest.MonkeyPatch, read: Callable[[Path], networks.Network[Any]], file: str, size: tuple[int, int]
) -> None:
    found = read(_saying(WEIGHTS / file, monkeypatch)).description.input
    assert (found.width, found.height) == size


def test_crops_have_the_size_that_a_checkpoint_names(monkeypatch: pytest.MonkeyPatch) -> None:
    network = networks.reid(_saying(WEIGHTS / "reid.pth", monkeypatch, input_size=(64, 128)))
    assert (network.description.input.width, network.description.input.height) == (64, 128)
    found = run(network.content, crops=np.zeros((3, 128, 64, 3), np.uint8))
    assert found["embedding"].shape == (3, 512)


def test_a_checkpoint_with_too_many_names_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match=r"class_names has 2 names, its head tells 1 apart; give --class-names"):
        networks.detector(_saying(WEIGHTS / "detector.pth", monkeypatch, class_names=("person", "car")))
