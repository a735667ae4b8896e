"""Safetensors files are read to the last bit; what they announce must be there."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.errors import DataError
from export import checkpoint

VALUES = {
    "a.weight": np.arange(6, dtype="<f4").reshape(2, 3),
    "b": np.array(2.5, "<f2"),
    "n": np.array([1, -2], "<i8"),
    "flags": np.array([True, False]),
    "empty": np.empty((0, 3), "<f4"),
}
_NAMES = {"<f4": "F32", "<f2": "F16", "<i8": "I64", "|b1": "BOOL"}


def _file(header: object, data: bytes) -> bytes:
    text = json.dumps(header).encode() if not isinstance(header, bytes) else header
    return len(text).to_bytes(8, "little") + text + data


def _of(values: dict[str, np.ndarray], prefix: str = "") -> bytes:
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    data = b""
    for name, array in values.items():
        end = len(data) + array.nbytes
        offsets = [len(data), end]
        header[prefix + name] = {"dtype": _NAMES[array.dtype.str], "shape": list(array.shape), "data_offsets": offsets}
        data += array.tobytes()
    return _file(header, data)


def _read(folder: Path, content: bytes) -> checkpoint.Tensors:
    path = folder / "m.safetensors"
    path.write_bytes(content)
    return checkpoint.read(path).tensors


@pytest.mark.parametrize("prefix", ["", "model.", "_orig_mod.model."])
def test_every_tensor_with_its_type(tmp_path: Path, prefix: str) -> None:
    found = _read(tmp_path, _of(VALUES, prefix))
    assert list(found) == list(VALUES)
    for name, expected in VALUES.items():
        np.testing.assert_array_equal(found[name], expected)
        assert found[name].dtype == expected.dtype
        assert found[name].shape == expected.shape


def test_bfloat16_becomes_float32(tmp_path: Path) -> None:
    header = {"a": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}}
    found = _read(tmp_path, _file(header, bytes([0x80, 0x3F, 0x00, 0xC0])))
    np.testing.assert_array_equal(found["a"], np.array([1.0, -2.0], np.float32))


def _entry(**changed: object) -> dict[str, object]:
    return {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **changed}}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x08",
        (1 << 62).to_bytes(8, "little"),
        _file(b"{", b""),
        _file([], b""),
        _file(b"[" * 100_000, b""),
        _file(_entry(), bytes(4)),
        _file(_entry(), bytes(12)),
        _file(_entry(shape=[3]), bytes(8)),
        _file(_entry(shape=[-2]), bytes(8)),
        _file(_entry(shape=[0, 1 << 62]), b""),
        _file(_entry(shape="2"), bytes(8)),
        _file(_entry(shape=[1] * 1000), bytes(8)),
        _file(_entry(dtype="F8"), bytes(8)),
        _file(_entry(data_offsets=[4, 12]), bytes(12)),
        _file(_entry(data_offsets=[0, 8, 9]), bytes(8)),
        _file({**_entry(), "b": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}, bytes(8)),
        _file({"a": 3}, b""),
    ],
)
def test_a_file_that_announces_what_is_not_there_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(DataError, match=r"m\.safetensors: a checkpoint that is truncated or damaged"):
        _read(tmp_path, content)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), value=st.integers(0, 255))
def test_a_changed_byte_is_read_or_refused_and_nothing_else(tmp_path: Path, place: float, value: int) -> None:
    content = bytearray(_of(VALUES))
    content[int(place * len(content))] = value
    try:
        tensors = _read(tmp_path, bytes(content))
    except DataError:
        return
    assert all(isinstance(tensor, np.ndarray) for tensor in tensors.values())


def test_what_the_formats_own_library_writes(tmp_path: Path) -> None:
    library = pytest.importorskip("safetensors.numpy")
    library.save_file({k: v for k, v in VALUES.items() if v.ndim}, tmp_path / "own.safetensors")
    found = checkpoint.read(tmp_path / "own.safetensors").tensors
    for name, array in found.items():
        np.testing.assert_array_equal(array, VALUES[name])
