"""A pickle reader that knows nothing but tensors, and imports and executes nothing.

A pickle may name functions to call. Here a name is only ever looked up in `_GLOBALS`, a table of inert stand-ins, and
any other name is refused.
"""

import pickle
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import IO, Any, NamedTuple

import numpy as np

BFLOAT16 = "bfloat16"
_STORAGE_DTYPES = {
    "FloatStorage": "f4",
    "DoubleStorage": "f8",
    "HalfStorage": "f2",
    "BFloat16Storage": BFLOAT16,
    "LongStorage": "i8",
    "IntStorage": "i4",
    "ShortStorage": "i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}

# What a pickle can get hold of is a tuple, which it cannot change: BUILD, the opcode that sets attributes, fails on it.


class _StandIn(NamedTuple):
    """What the name of a function becomes."""

    make: Callable[..., Any]

    def __call__(self, *args: Any) -> Any:
        return self.make(*args)


class _StorageType(NamedTuple):
    """What the name of a storage's class becomes."""

    dtype: str


class Storage(NamedTuple):
    """A flat run of numbers that tensors view, not yet read."""

    key: str
    dtype: str
    elements: int

    @property
    def size_bytes(self) -> int:
        return self.elements * (2 if self.dtype == BFLOAT16 else np.dtype(self.dtype).itemsize)


class Tensor(NamedTuple):
    """A strided view of a storage."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def _tensor(storage: Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: Any) -> Tensor:
    if not isinstance(storage, Storage):
        raise ValueError("a tensor on something that is no storage")
    return Tensor(storage, int(offset), tuple(map(int, shape)), tuple(map(int, strides)))


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


class RefusedError(Exception):
    """A pickle asked for something outside `_GLOBALS`."""


# Not the faster one in C, which makes room for as many memos as a damaged file says that there are, up to 32 GB.
class Reader(pickle._Unpickler):
    """An unpickler that imports nothing. `storages` collects every storage that the pickle refers to."""

    def __init__(self, file: IO[bytes], storages: dict[str, Storage]) -> None:
        super().__init__(file, encoding="latin-1")
        self._storages = storages

    def find_class(self, module: str, name: str) -> object:
        try:
            return _GLOBALS[f"{module}.{name}"]
        except KeyError:
            raise RefusedError(f"{module}.{name}") from None

    def persistent_load(self, reference: Any) -> Storage:
        kind, storage_type, key, _, elements, *view = reference
        if kind != "storage" or not isinstance(storage_type, _StorageType) or any(view):
            raise ValueError(f"unknown reference {reference!r}")
        return self._storages.setdefault(str(key), Storage(str(key), storage_type.dtype, int(elements)))
