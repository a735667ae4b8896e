"""What a PyTorch checkpoint holds, read without PyTorch and without executing anything.

Both formats of `torch.save`: the zip archive of PyTorch >= 1.6 (`data.pkl` and one file a storage) and the older
stream (five pickles, then the storages).
"""

import math
import pickle
import struct
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from edge.errors import DataError, NotFoundError
from export.unpickle import BFLOAT16, Reader, RefusedError, Storage, Tensor

Tensors = dict[str, npt.NDArray[Any]]

# Where published checkpoints keep their tensors, and the prefixes that wrappers put before the names. NanoDet's
# training keeps the running average of the weights under `avg_model.`: it is what its authors evaluate and release.
_HOMES = ("state_dict", "model", "model_state_dict")
_PREFIXES = ("avg_model.", "model.", "module.")

# torch/serialization.py: what the older stream format starts with.
_STREAM_MAGIC = 0x1950A86A20F9469CFC6C
_STREAM_VERSION = 1001

_MAX_PICKLE_BYTES = 1 << 26
_MAX_ELEMENTS = 1 << 28  # of one tensor; the largest network that we know has 2^19 in one

_BROKEN = (
    pickle.UnpicklingError, EOFError, OSError, ValueError, KeyError, IndexError, AttributeError, TypeError,
    OverflowError, MemoryError, RuntimeError, struct.error, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


class Meta(NamedTuple):
    """What a checkpoint says of its network under `meta`, as ours do; None where it says nothing.

    `input_size` is width and height, `class_names` are the detector's in order.
    """

    input_size: tuple[int, int] | None = None
    class_names: tuple[str, ...] | None = None


class Checkpoint(NamedTuple):
    """The network's tensors by name, wrappers' prefixes removed: own, contiguous arrays; and what is said of it."""

    tensors: Tensors
    meta: Meta


def read(path: Path) -> Checkpoint:
    """What `path` holds. bfloat16 becomes float32, everything else keeps its dtype.

    Raises NotFoundError where there is no file, DataError where it is no checkpoint, is truncated, or would run code.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise NotFoundError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        with file:
            content, data = _archive(file, path) if _is_archive(file) else _stream(file, path)
        tensors = _unwrapped(_state(content))
        if not tensors:
            raise DataError(
                f"{path}: expected named tensors at the top or under {', '.join(_HOMES)}, found {_outline(content)};"
                " save the model's state_dict"
            )
        arrays = {name: _array(tensor, data[tensor.storage.key]) for name, tensor in tensors.items()}
        return Checkpoint(arrays, _meta(path, content))
    except RefusedError as error:
        raise DataError(
            f"{path}: its pickle wants {error}, which is not needed to hold tensors and could run code: refused;"
            " save model.state_dict() alone with torch.save"
        ) from None
    except _BROKEN as error:
        detail = str(error) or type(error).__name__
        raise DataError(
            f"{path}: a PyTorch checkpoint that is truncated or damaged ({detail}); copy it again"
        ) from error


def _is_archive(file: IO[bytes]) -> bool:
    start = file.read(4)
    file.seek(0)
    return start == b"PK\x03\x04"


def _archive(file: IO[bytes], path: Path) -> tuple[object, Tensors]:
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
        root = next((n.removesuffix("data.pkl") for n in names if n.endswith("/data.pkl") and n.count("/") == 1), None)
        if root is None:
            raise DataError(f"{path}: a zip archive without data.pkl, not a PyTorch checkpoint")
        if archive.getinfo(f"{root}data.pkl").file_size > _MAX_PICKLE_BYTES:
            raise DataError(f"{path}: its data.pkl is larger than {_MAX_PICKLE_BYTES} bytes, not a plain checkpoint")
        order = archive.read(f"{root}byteorder") if f"{root}byteorder" in names else b"little"
        storages: dict[str, Storage] = {}
        with archive.open(f"{root}data.pkl") as pickled:
            content = Reader(pickled, storages).load()
        data = {}
        for key, storage in storages.items():
            entry = archive.getinfo(f"{root}data/{key}")
            if entry.file_size != storage.size_bytes:
                raise EOFError(f"storage {key} has {entry.file_size} bytes, expected {storage.size_bytes}")
            data[key] = _numbers(storage, archive.read(entry), ">" if order == b"big" else "<")
        return content, data


def _stream(file: IO[bytes], path: Path) -> tuple[object, Tensors]:
    storages: dict[str, Storage] = {}
    try:
        magic = Reader(file, storages).load()
    except _BROKEN:
        magic = None
    if magic != _STREAM_MAGIC or Reader(file, storages).load() != _STREAM_VERSION:
        raise DataError(f"{path}: expected a PyTorch checkpoint or an ONNX file (.onnx), found neither")
    system = Reader(file, storages).load()
    order: Literal["<", ">"] = "<" if system.get("little_endian", True) else ">"
    content = Reader(file, storages).load()
    data = {}
    for key in Reader(file, storages).load():
        storage = storages[str(key)]
        elements = int.from_bytes(file.read(8), "little" if order == "<" else "big")
        if elements != storage.elements:
            raise EOFError(f"storage {key} has {elements} elements, expected {storage.elements}")
        data[storage.key] = _numbers(storage, file.read(storage.size_bytes), order)
    return content, data


def _numbers(storage: Storage, raw: bytes, byte_order: Literal["<", ">"]) -> npt.NDArray[Any]:
    if len(raw) != storage.size_bytes:
        raise EOFError(f"storage {storage.key}: expected {storage.size_bytes} bytes, found {len(raw)}")
    if storage.dtype == BFLOAT16:  # the upper half of a float32
        return (np.frombuffer(raw, byte_order + "u2").astype(np.uint32) << 16).view(np.float32)
    return np.frombuffer(raw, np.dtype(storage.dtype).newbyteorder(byte_order))


def _array(tensor: Tensor, data: npt.NDArray[Any]) -> npt.NDArray[Any]:
    _, offset, shape, strides = tensor
    size = math.prod(shape)
    last = offset + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
    if min((offset, *shape, *strides)) < 0 or size > _MAX_ELEMENTS or (size and last >= len(data)):
        raise ValueError(f"a tensor of shape {shape} that its storage cannot hold")
    steps = [s * data.itemsize for s in strides]
    view = np.lib.stride_tricks.as_strided(data[offset:], shape, steps, writeable=False)
    return np.array(view, view.dtype.newbyteorder("="), order="C")


def _state(content: object) -> dict[str, Tensor]:
    """The tensors by name in the first of `_HOMES` that has any, or else in `content` itself."""
    if not isinstance(content, dict):
        return {}
    for home in _HOMES:
        if found := _state(content.get(home)):
            return found
    return {name: value for name, value in content.items() if isinstance(name, str) and isinstance(value, Tensor)}


def _meta(path: Path, content: object) -> Meta:
    """Strict where our own keys are present; what other tools keep under `meta` is theirs."""
    meta = content.get("meta") if isinstance(content, dict) else None
    if not isinstance(meta, dict):
        return Meta()
    size, names = meta.get("input_size"), meta.get("class_names")
    if size is not None and not (_is_row(size, int) and len(size) == 2 and min(size) > 0):
        raise DataError(f"{path}: meta.input_size: expected width and height in pixels, found {size!r}; save it anew")
    if names is not None and not (_is_row(names, str) and len(names)):
        raise DataError(f"{path}: meta.class_names: expected a list of names, found {names!r}; save it anew")
    return Meta(size and tuple(size), names and tuple(names))


def _is_row(value: object, kind: type) -> bool:
    return isinstance(value, (list, tuple)) and all(type(item) is kind for item in value)


def _unwrapped(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    for prefix in _PREFIXES:
        inner = {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
        if inner:
            return _unwrapped(inner)
    return tensors


def _outline(content: object) -> str:
    if isinstance(content, dict):
        keys = sorted(map(str, content))
        return f"a mapping with {', '.join(keys[:8])}{', …' if len(keys) > 8 else ''}" if keys else "an empty mapping"
    return f"a {type(content).__name__}"
