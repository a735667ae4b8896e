"""Packs are written whole or not at all, and the same for the same input."""

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge import modelpack
from edge.detect import adopt
from edge.errors import OutputError, UsageError
from edge.infer.ladder import Wish
from edge.reid.open import open_embedder
from export import golden, networks, pack
from tests.export import foreign, small


@pytest.fixture
def detector(tmp_path: Path) -> networks.Network[Any]:
    return networks.detector(small.write_detector(tmp_path / "d.onnx"))


@pytest.fixture
def reid(tmp_path: Path) -> networks.Network[Any]:
    return networks.reid(small.write_reid(tmp_path / "r.onnx"))


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def _contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_a_pack_holds_what_it_was_given(
    out: Path, detector: networks.Network[Any], reid: networks.Network[Any]
) -> None:
    pack.write(out / "night.pack", detector, reid)
    found = modelpack.read(out / "night.pack")
    assert found.manifest.name == "night"
    assert found.path(found.detector.variants["fp32"]).read_bytes() == detector.content
    assert found.detector.classes == ("person",)
    assert found.reid is not None
    assert (found.reid.embedding, found.reid.output) == (3, "output")
    assert sorted(_contents(out / "night.pack")) == ["detector.fp32.onnx", "golden.npz", "pack.json", "reid.fp32.onnx"]


def test_the_golden_file_has_inputs_and_what_the_networks_make_of_them(
    out: Path, detector: networks.Network[Any], reid: networks.Network[Any]
) -> None:
    pack.write(out / "a.pack", detector, reid)
    with np.load(out / "a.pack" / "golden.npz", allow_pickle=False) as arrays:
        shapes = {name: (array.dtype.name, array.shape) for name, array in arrays.items()}
        crops, vectors = arrays["reid.input"], arrays["reid.fp32.output"]
        pixels, logits = arrays["detector.input"], arrays["detector.fp32.class_logits"]
    assert shapes == {
        "detector.input": ("uint8", (1, 64, 64, 3)),
        "detector.fp32.class_logits": ("float32", (1, 85, 1)),
        "detector.fp32.distances": ("float32", (1, 85, 32)),
        "reid.input": ("float32", (2, 3, 16, 8)),
        "reid.fp32.output": ("float32", (2, 3)),
    }
    np.testing.assert_allclose(vectors, crops.mean((2, 3)), atol=1e-5)
    means = pixels.reshape(8, 8, 8, 8, 3).mean((1, 3, 4)).ravel()
    np.testing.assert_allclose(logits[0, :64, 0], means * 16 / 255 - 8, atol=1e-4)


def test_the_same_input_gives_the_same_bytes(
    out: Path, detector: networks.Network[Any], reid: networks.Network[Any]
) -> None:
    for name in ("one", "two"):
        pack.write(out / name / "a.pack", detector, reid)
    assert _contents(out / "one" / "a.pack") == _contents(out / "two" / "a.pack")


def test_an_existing_pack_is_replaced_only_by_force(
    out: Path, detector: networks.Network[Any], reid: networks.Network[Any]
) -> None:
    target = out / "a.pack"
    pack.write(target, detector, reid)
    before = _contents(target)
    with pytest.raises(UsageError, match=r"a\.pack: exists; --force replaces it"):
        pack.write(target, detector)
    assert _contents(target) == before
    pack.write(target, detector, force=True)
    assert modelpack.read(target).reid is None
    assert os.listdir(out) == ["a.pack"]


@pytest.mark.parametrize("force", [False, True])
def test_what_is_no_pack_is_never_replaced(out: Path, detector: networks.Network[Any], force: bool) -> None:
    (out / "photos").mkdir()
    (out / "photos" / "1.jpg").write_text("dear")
    (out / "file.pack").write_text("dear")
    for name in ("photos", "file.pack"):
        with pytest.raises(UsageError, match="is no model pack, so it is not replaced"):
            pack.write(out / name, detector, force=force)
    assert (out / "photos" / "1.jpg").read_text() == (out / "file.pack").read_text() == "dear"


@pytest.mark.parametrize("trouble", [KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left on device")])
@pytest.mark.parametrize("existing", [False, True])
def test_an_interruption_leaves_nothing_behind_and_the_old_pack_alone(
    out: Path, detector: networks.Network[Any], monkeypatch: pytest.MonkeyPatch, trouble: BaseException, existing: bool
) -> None:
    target = out / "a.pack"
    if existing:
        pack.write(target, detector)
    before = _contents(target) if existing else None

    def fail(*_: object) -> None:
        raise trouble

    monkeypatch.setattr(golden, "packed", fail)
    expected = OutputError if isinstance(trouble, OSError) else KeyboardInterrupt
    with pytest.raises(expected) as caught:
        pack.write(target, detector, force=existing)
    assert os.listdir(out) == (["a.pack"] if existing else [])
    assert (_contents(target) if existing else None) == before
    if isinstance(trouble, OSError):
        assert "a.pack: cannot be written (No space left on device)" in str(caught.value)


def test_a_replacement_that_fails_at_the_last_moment_puts_the_old_pack_back(
    out: Path, detector: networks.Network[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    target = out / "a.pack"
    pack.write(target, detector)
    before = _contents(target)
    rename = Path.rename

    def fail_on_the_new_one(self: Path, destination: Path) -> Path:
        if destination == target and not self.name.endswith(".old"):
            raise OSError(errno.EIO, "Input/output error")
        return rename(self, destination)

    monkeypatch.setattr(Path, "rename", fail_on_the_new_one)
    with pytest.raises(OutputError, match="Input/output error"):
        pack.write(target, detector, force=True)
    assert os.listdir(out) == ["a.pack"]
    assert _contents(target) == before


def test_a_place_that_cannot_hold_a_folder_is_an_output_error(out: Path, detector: networks.Network[Any]) -> None:
    (out / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        pack.write(out / "file" / "a.pack", detector)


@pytest.mark.parametrize("batch", [1, 4, "n"])
def test_a_reid_network_embeds_in_pieces_of_its_batch(
    out: Path, detector: networks.Network[Any], batch: int | str
) -> None:
    """From the pack, as the tracker does it."""
    path = foreign.save(out / "reid.onnx", foreign.reid(batch=batch, size=(32, 16)))
    pack.write(out / "a.pack", detector, networks.reid(path, adopt.Overrides(mean=(0, 0, 0), std=(255, 255, 255))))
    embedder = open_embedder(out / "a.pack", Wish(backend="onnxruntime"))
    colours = np.random.default_rng(2).integers(1, 255, (7, 3))
    picture = np.repeat(np.repeat(colours[None], 40, axis=0), 20, axis=1).astype(np.uint8)
    boxes = np.array([[20 * i, 0, 20 * i + 20, 40] for i in range(7)], np.float32)
    expected = colours[:, ::-1] / np.linalg.norm(colours, axis=1, keepdims=True)
    np.testing.assert_allclose(embedder(picture, boxes), expected, atol=1e-4)


def test_a_pack_can_be_read_by_others(out: Path, detector: networks.Network[Any]) -> None:
    pack.write(out / "a.pack", detector)
    mask = os.umask(0)
    os.umask(mask)
    assert (out / "a.pack").stat().st_mode & 0o777 == 0o777 & ~mask
