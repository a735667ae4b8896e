"""What `torch.save` writes, read without PyTorch: the zip archive of PyTorch >= 1.6 (`data.pkl` and one file a storage)
and the older stream (five pickles, then the storages).

Nothing is read that is larger than the file itself: torch stores without compression, so a compressed archive is
refused, and so are storages that together are longer than the archive.
"""

import io
import math
import zipfile
from collections.abc import Mapping
from typing import IO, Any, Literal

import numpy as np
import numpy.typing as npt

from export.safetensors import from_bytes
from export.unpickle import Reader, Storage, Tensor

Array = npt.NDArray[Any]
ByteOrder = Literal["<", ">"]

# torch/serialization.py: what the older stream format starts with.
_STREAM_MAGIC = 0x1950A86A20F9469CFC6C
_STREAM_VERSION = 1001

_MAX_PICKLE_BYTES = 1 << 26
_SHARED = 4  # how many times as large as the file its tensors may be: several may view one storage, or a number repeat
_SMALL_BYTES = 1 << 20  # may be so in any case


class ForeignError(Exception):
    """The file is something else."""


def is_archive(file: IO[bytes]) -> bool:
    """Whether an open file begins as a zip archive does."""
    start = file.read(4)
    file.seek(0)
    return start == b"PK\x03\x04"


def archive(file: IO[bytes], size: int) -> tuple[object, dict[str, Array]]:
    """What the zip archive in an open `file` of `size` bytes holds: the pickled object, and its storages by key.

    Raises ForeignError for another archive, RefusedError, and what readers of broken data raise.
    """
    with zipfile.ZipFile(file) as opened:
        names = set(opened.namelist())
        root = next(
            (n.removesuffix("data.pkl") for n in sorted(names) if n.endswith("/data.pkl") and n.count("/") == 1), None
        )
        if root is None:
            raise ForeignError("a zip archive without data.pkl, not a PyTorch checkpoint")
        budget = [size]
        pickled = _entry(opened, f"{root}data.pkl", budget)
        if len(pickled) > _MAX_PICKLE_BYTES:
            raise ForeignError(f"its data.pkl is larger than {_MAX_PICKLE_BYTES} bytes, not a plain checkpoint")
        has_order = f"{root}byteorder" in names
        order: ByteOrder = ">" if has_order and _entry(opened, f"{root}byteorder", budget) == b"big" else "<"
        storages: dict[str, Storage] = {}
        content = Reader(io.BytesIO(pickled), len(pickled), storages).load()
        data = {}
        for key, storage in storages.items():
            data[key] = _numbers(storage, _entry(opened, f"{root}data/{key}", budget), order)
        return content, data


def _entry(opened: zipfile.ZipFile, name: str, budget: list[int]) -> bytes:
    """An entry's bytes, which are taken off what may still be read."""
    entry = opened.getinfo(name)
    if entry.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{name} is compressed, which torch.save never does")
    budget[0] -= entry.file_size
    if budget[0] < 0:
        raise ValueError(f"{name}: the entries together are larger than the file")
    return opened.read(entry)


def stream(file: IO[bytes], size: int) -> tuple[object, dict[str, Array]]:
    """The same for the older format. Raises ForeignError for a file that is neither."""
    storages: dict[str, Storage] = {}

    def load() -> Any:
        return Reader(file, min(size, file.tell() + _MAX_PICKLE_BYTES), storages).load()

    try:
        foreign = load() != _STREAM_MAGIC or load() != _STREAM_VERSION
    except Exception:  # noqa: BLE001 - whatever a pickle reader makes of some other file
        foreign = True
    if foreign:
        raise ForeignError("expected a PyTorch checkpoint, a .safetensors or an .onnx file, found none of them")
    system = load()
    order: ByteOrder = "<" if not isinstance(system, dict) or system.get("little_endian", True) else ">"
    content = load()
    data = {}
    for key in load():
        storage = storages[str(key)]
        elements = int.from_bytes(file.read(8), "little" if order == "<" else "big")
        if elements != storage.elements or storage.size_bytes > size:
            raise EOFError(f"storage {key} has {elements} elements, expected {storage.elements}")
        data[storage.key] = _numbers(storage, file.read(storage.size_bytes), order)
    return content, data


def _numbers(storage: Storage, raw: bytes, byte_order: ByteOrder) -> Array:
    if len(raw) != storage.size_bytes:
        raise EOFError(f"storage {storage.key}: expected {storage.size_bytes} bytes, found {len(raw)}")
    return from_bytes(raw, storage.dtype, byte_order)


def arrays(tensors: Mapping[str, Tensor], data: Mapping[str, Array], size: int) -> dict[str, Array]:
    """`tensors` as own, contiguous arrays, cut out of the storages in `data`; the file has `size` bytes.

    Raises ValueError for a tensor that its storage cannot hold, and for tensors that are much larger than the file.
    """
    left = _SMALL_BYTES + _SHARED * size
    found = {}
    for name, tensor in tensors.items():
        storage = data[tensor.storage.key]
        left -= math.prod(tensor.shape) * storage.itemsize
        if left < 0:
            raise ValueError(f"{name}: a tensor of shape {tensor.shape} in a file of {size} bytes")
        found[name] = _array(tensor, storage)
    return found


def _array(tensor: Tensor, data: Array) -> Array:
    _, offset, shape, strides = tensor
    size = math.prod(shape)
    last = offset + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
    if min((offset, *shape, *strides)) < 0 or (size and last >= len(data)):
        raise ValueError(f"a tensor of shape {shape} that its storage cannot hold")
    if not size:
        return np.empty(shape, data.dtype)
    steps = [s * data.itemsize for s in strides]
    return np.array(np.lib.stride_tricks.as_strided(data[offset:], shape, steps, writeable=False), order="C")
