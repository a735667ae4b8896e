"""The tensors of a PyTorch checkpoint, read without PyTorch and without executing anything.

Both formats of `torch.save`: the zip archive of PyTorch >= 1.6 (`data.pkl` and one file a storage) and the older
stream (five pickles, then the storages). A pickle may name functions to call; here a name is only ever looked up in
`_GLOBALS`, a table of inert stand-ins, and any other name is refused.
"""

import math
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
import numpy.typing as npt

from edge.errors import DataError, NotFoundError

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

_BFLOAT16 = "bfloat16"
_STORAGE_DTYPES = {
    "FloatStorage": "f4",
    "DoubleStorage": "f8",
    "HalfStorage": "f2",
    "BFloat16Storage": _BFLOAT16,
    "LongStorage": "i8",
    "IntStorage": "i4",
    "ShortStorage": "i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}

_BROKEN = (
    pickle.UnpicklingError, EOFError, ValueError, KeyError, IndexError, AttributeError, TypeError, OverflowError,
    MemoryError, RecursionError, zipfile.BadZipFile, NotImplementedError,
)  # fmt: skip


@dataclass(slots=True)
class _Storage:
    """A flat run of numbers that tensors view; `data` is filled in when its bytes are read."""

    key: str
    dtype: str
    elements: int
    data: npt.NDArray[Any] | None = None

    @property
    def itemsize(self) -> int:
        return 2 if self.dtype == _BFLOAT16 else np.dtype(self.dtype).itemsize

    def fill(self, raw: bytes, byte_order: Literal["<", ">"]) -> None:
        if len(raw) != self.elements * self.itemsize:
            raise EOFError(f"storage {self.key}: expected {self.elements * self.itemsize} bytes, found {len(raw)}")
        if self.dtype == _BFLOAT16:  # the upper half of a float32
            halves = np.frombuffer(raw, byte_order + "u2")
            self.data = (halves.astype(np.uint32) << 16).view(np.float32)
        else:
            self.data = np.frombuffer(raw, np.dtype(self.dtype).newbyteorder(byte_order))


@dataclass(frozen=True, slots=True)
class _Tensor:
    """A strided view of a storage, not yet read."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def array(self) -> npt.NDArray[Any]:
        data, size = self.storage.data, math.prod(self.shape)
        last = self.offset + sum((n - 1) * s for n, s in zip(self.shape, self.strides, strict=True))
        if data is None or min((self.offset, *self.shape, *self.strides)) < 0 or size > _MAX_ELEMENTS:
            raise ValueError(f"impossible tensor of shape {self.shape}")
        if size and last >= len(data):
            raise ValueError(f"tensor of shape {self.shape} reaches beyond its storage")
        steps = [s * data.itemsize for s in self.strides]
        view = np.lib.stride_tricks.as_strided(data[self.offset :], self.shape, steps, writeable=False)
        return np.ascontiguousarray(view.astype(view.dtype.newbyteorder("="), copy=False)).reshape(self.shape)


@dataclass(frozen=True, slots=True)
class _StandIn:
    """What a global name of a pickle becomes: it can be called and nothing else, not even given attributes."""

    make: Callable[..., Any]

    def __call__(self, *args: Any) -> Any:
        return self.make(*args)


@dataclass(frozen=True, slots=True)
class _StorageType:
    dtype: str


def _tensor(storage: _Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: Any) -> _Tensor:
    return _Tensor(storage, int(offset), tuple(map(int, shape)), tuple(map(int, strides)))


class _Ignored:
    """What training leaves in a checkpoint and inference does not need: takes any state, keeps none."""

    __slots__ = ()

    def __new__(cls, *_: Any, **__: Any) -> "_Ignored":
        return super().__new__(cls)

    def __setstate__(self, state: object) -> None:
        pass


_GLOBALS: Mapping[str, object] = {
    "collections.OrderedDict": _StandIn(OrderedDict),
    "torch._utils._rebuild_tensor": _StandIn(_tensor),
    "torch._utils._rebuild_tensor_v2": _StandIn(_tensor),
    "torch._utils._rebuild_parameter": _StandIn(lambda tensor, *_: tensor),
    "torch.Size": _StandIn(tuple),
    "torch.device": _StandIn(_Ignored),
    "argparse.Namespace": _Ignored,
    # Scores such as `rank1` that a training loop stored as numpy scalars.
    "numpy.dtype": _StandIn(_Ignored),
    **{f"numpy.{core}.multiarray.scalar": _StandIn(_Ignored) for core in ("core", "_core")},
    "_codecs.encode": _StandIn(_Ignored),
    **{f"torch.{name}": _StorageType(dtype) for name, dtype in _STORAGE_DTYPES.items()},
    **{f"torch.cuda.{name}": _StorageType(dtype) for name, dtype in _STORAGE_DTYPES.items()},
}


class _RefusedError(Exception):
    """A pickle asked for something outside `_GLOBALS`."""


class _Reader(pickle.Unpickler):
    """An unpickler that imports nothing. `storages` collects every storage that the pickle refers to."""

    def __init__(self, file: IO[bytes], storages: dict[str, _Storage]) -> None:
        super().__init__(file, encoding="latin-1")
        self._storages = storages

    def find_class(self, module: str, name: str) -> object:
        try:
            return _GLOBALS[f"{module}.{name}"]
        except KeyError:
            raise _RefusedError(f"{module}.{name}") from None

    def persistent_load(self, reference: Any) -> _Storage:
        kind, storage_type, key, _, elements, *view = reference
        if kind != "storage" or not isinstance(storage_type, _StorageType) or any(view):
            raise ValueError(f"unknown reference {reference!r}")
        return self._storages.setdefault(str(key), _Storage(str(key), storage_type.dtype, int(elements)))


def read(path: Path) -> Tensors:
    """The network's tensors by name, wrappers' prefixes removed: own, contiguous arrays.

    bfloat16 becomes float32, everything else keeps its dtype. Raises NotFoundError where there is no file, DataError
    where it is no checkpoint, is truncated, or would run code.
    """
    try:
        with path.open("rb") as file:
            content = _archive(file, path) if _is_archive(file) else _stream(file, path)
        tensors = _unwrapped(_state(content))
        if not tensors:
            raise DataError(
                f"{path}: expected named tensors at the top or under {', '.join(_HOMES)}, found {_outline(content)};"
                " save the model's state_dict"
            )
        return {name: tensor.array() for name, tensor in tensors.items()}
    except OSError as error:
        raise NotFoundError(f"{path}: cannot be read ({error.strerror or error})") from error
    except _RefusedError as error:
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


def _archive(file: IO[bytes], path: Path) -> object:
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
        root = next((n.removesuffix("data.pkl") for n in names if n.endswith("/data.pkl") and n.count("/") == 1), None)
        if root is None:
            raise DataError(f"{path}: a zip archive without data.pkl, not a PyTorch checkpoint")
        if archive.getinfo(f"{root}data.pkl").file_size > _MAX_PICKLE_BYTES:
            raise DataError(f"{path}: its data.pkl is larger than {_MAX_PICKLE_BYTES} bytes, not a plain checkpoint")
        order = archive.read(f"{root}byteorder") if f"{root}byteorder" in names else b"little"
        storages: dict[str, _Storage] = {}
        with archive.open(f"{root}data.pkl") as data:
            content = _Reader(data, storages).load()
        for key, storage in storages.items():
            entry = archive.getinfo(f"{root}data/{key}")
            if entry.file_size != storage.elements * storage.itemsize:
                raise EOFError(f"storage {key} has {entry.file_size} bytes")
            storage.fill(archive.read(entry), ">" if order == b"big" else "<")
        return content


def _stream(file: IO[bytes], path: Path) -> object:
    storages: dict[str, _Storage] = {}
    try:
        magic = _Reader(file, storages).load()
    except _BROKEN:
        magic = None
    if magic != _STREAM_MAGIC or _Reader(file, storages).load() != _STREAM_VERSION:
        raise DataError(f"{path}: expected a PyTorch checkpoint or an ONNX file (.onnx), found neither")
    system = _Reader(file, storages).load()
    order: Literal["<", ">"] = "<" if system.get("little_endian", True) else ">"
    content = _Reader(file, storages).load()
    for key in _Reader(file, storages).load():
        storage = storages[str(key)]
        elements = int.from_bytes(file.read(8), "little" if order == "<" else "big")
        if elements != storage.elements:
            raise EOFError(f"storage {key} has {elements} elements, expected {storage.elements}")
        storage.fill(file.read(elements * storage.itemsize), order)
    return content


def _state(content: object) -> dict[str, _Tensor]:
    """The first mapping from names to tensors: `content` itself or what lies in one of `_HOMES`."""
    if not isinstance(content, dict):
        return {}
    tensors = {name: value for name, value in content.items() if isinstance(name, str) and isinstance(value, _Tensor)}
    return tensors or next((found for home in _HOMES if (found := _state(content.get(home)))), {})


def _unwrapped(tensors: dict[str, _Tensor]) -> dict[str, _Tensor]:
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
