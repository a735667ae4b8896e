"""A pack is read strictly: whole and unchanged, or refused with the file's name and the remedy."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge import modelpack
from edge.errors import DataError, NotFoundError


def _input(name: str, width: int, height: int) -> dict[str, Any]:
    return {
        "name": name,
        "width": width,
        "height": height,
        "layout": "nhwc-uint8",
        "colour": "bgr",
        "mean": [103.53, 116.28, 123.675],
        "std": [57.375, 57.12, 58.395],
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A pack of the smallest manifest; its networks are arbitrary bytes, which reading does not open."""
    pack = tmp_path / "person.pack"
    pack.mkdir()
    files = {name: name.encode() * 50 for name in ("detector.fp32.onnx", "reid.fp32.onnx", "golden.npz")}
    for name, content in files.items():
        (pack / name).write_bytes(content)
    entry = {name: {"file": name, "sha256": hashlib.sha256(content).hexdigest()} for name, content in files.items()}
    source = {"file": "a.pth", "sha256": "0" * 64, "architecture": "NanoDet-Plus-m 1.0x"}
    head = {
        "type": "nanodet-plus",
        "outputs": ["class_logits", "distances"],
        "strides": [8, 16, 32, 64],
        "reg_max": 7,
        "cell_offset": 0,
        "scores": "logits",
    }
    manifest = {
        "schema": 1,
        "name": "person",
        "tool": "a test",
        "detector": {
            "source": source,
            "input": _input("image", 416, 320),
            "head": head,
            "classes": ["person"],
            "variants": {"fp32": {**entry["detector.fp32.onnx"], "opset": 17}},
        },
        "reid": {
            "source": source,
            "input": _input("crops", 128, 256),
            "output": "embedding",
            "embedding": 512,
            "variants": {"fp32": {**entry["reid.fp32.onnx"], "opset": 17, "passed": False}},
        },
        "golden": entry["golden.npz"],
    }
    (pack / "pack.json").write_text(json.dumps(manifest))
    return pack


def _edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    manifest = json.loads((folder / "pack.json").read_text())
    change(manifest)
    (folder / "pack.json").write_text(json.dumps(manifest))


def test_a_whole_pack_is_read(folder: Path) -> None:
    pack = modelpack.read(folder)
    assert pack.manifest.name == "person"
    assert (pack.detector.input.width, pack.detector.input.height, pack.detector.head.cell_offset) == (416, 320, 0.0)
    assert (pack.detector.score_floor, pack.detector.nms_iou) == (0.1, 0.6)
    assert pack.reid is not None
    assert not pack.reid.variants["fp32"].passed
    assert pack.path(pack.detector.variants["fp32"]).read_bytes().startswith(b"detector")
    assert [entry.file for entry in modelpack.files_of(pack.manifest)] == [
        "detector.fp32.onnx",
        "reid.fp32.onnx",
        "golden.npz",
    ]


def test_a_pack_without_reid_and_golden_is_whole_too(folder: Path) -> None:
    _edit(folder, lambda m: (m.pop("reid"), m.pop("golden")))
    pack = modelpack.read(str(folder))
    assert pack.reid is None
    assert pack.manifest.golden is None


@pytest.mark.parametrize("name", ["detector.fp32.onnx", "reid.fp32.onnx", "golden.npz"])
@pytest.mark.parametrize("place", [0, -1])
def test_one_changed_byte_is_found(folder: Path, name: str, place: int) -> None:
    content = bytearray((folder / name).read_bytes())
    content[place] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(DataError, match=rf"{name}: changed since the export .* copy the pack again"):
        modelpack.read(folder)


def test_every_missing_or_changed_file_is_named_at_once(folder: Path) -> None:
    (folder / "golden.npz").unlink()
    (folder / "detector.fp32.onnx").write_bytes(b"")
    with pytest.raises(DataError, match=r"detector\.fp32\.onnx: changed .*golden\.npz: cannot be read"):
        modelpack.read(folder)


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_another_schema_version_is_refused_before_anything_else(folder: Path, version: int | str | None) -> None:
    _edit(folder, lambda m: m.update(schema=version, novelty=1))
    with pytest.raises(DataError, match=r"schema version .*, this release reads 1; export the pack again") as caught:
        modelpack.read(folder)
    assert "novelty" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda m: m["detector"].update(nms_io=0.5), r"detector\.nms_io: unknown key; did you mean 'nms_iou'"),
        (lambda m: m["detector"]["input"].pop("width"), r"detector\.input\.width: missing"),
        (lambda m: m["detector"]["input"].update(width="416"), r"detector\.input\.width: expected a whole number"),
        (lambda m: m["detector"]["input"].update(width=0), r"detector\.input\.width: expected a number from 1 to 4096"),
        (lambda m: m["detector"]["input"].update(std=[1, 0, 1]), r"detector\.input: std must be positive"),
        (lambda m: m["detector"]["input"].update(layout="nchw"), r"detector\.input\.layout: expected 'nhwc-uint8' or"),
        (lambda m: m["detector"]["head"].update(outputs=["a", "b", "c"]), r"detector\.head: 3 outputs: expected 1, 2"),
        (lambda m: m["golden"].update(file="../golden.npz"), r"golden: file '../golden.npz' must be a plain name"),
        (lambda m: m["golden"].update(file="/etc/passwd"), r"golden: file '/etc/passwd' must be a plain name"),
        (lambda m: m["golden"].update(file=".."), r"golden: file '..' must be a plain name"),
    ],
)
def test_a_wrong_manifest_is_refused_with_the_key(
    folder: Path, change: Callable[[dict[str, Any]], object], complaint: str
) -> None:
    _edit(folder, change)
    with pytest.raises(DataError, match=complaint):
        modelpack.read(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"schema": 1}'])
def test_a_broken_manifest_is_bad_data(folder: Path, text: str) -> None:
    (folder / "pack.json").write_text(text)
    with pytest.raises(DataError, match=r"pack\.json: "):
        modelpack.read(folder)


def test_a_manifest_that_is_no_text_is_bad_data(folder: Path) -> None:
    (folder / "pack.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"pack\.json: not JSON"):
        modelpack.read(folder)


def test_a_folder_that_is_no_pack_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="expected a model pack"):
        modelpack.read(tmp_path)
    with pytest.raises(NotFoundError, match="expected a model pack"):
        modelpack.read(tmp_path / "missing")


def test_a_file_where_a_folder_is_expected_is_not_found(tmp_path: Path) -> None:
    (tmp_path / "a.pack").write_text("no folder")
    with pytest.raises(NotFoundError, match=r"a\.pack: a file; expected a model pack, which is a folder"):
        modelpack.read(tmp_path / "a.pack")
