"""A pickle reader that knows nothing but tensors, and imports and executes nothing.

A pickle may name functions to call. Here a name is only ever looked up in `_GLOBALS`, a table of inert stand-ins, and
any other name is refused. What a pickle can build is kept small and tame as well: lengths are checked against what is
left of the file, whole numbers have at most 128 bits, keys are texts and numbers, and objects take no attributes.
"""

import pickle
from collections.abc import Callable, Iterable, Mapping
from typing import IO, Any, ClassVar, NamedTuple

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
_DTYPES = ("float32", "float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool")

_MOST_INTEGER_BYTES = 16
_MOST_DIMENSIONS = 32
_USELESS = (
    pickle.LONG4, pickle.BYTEARRAY8, pickle.NEXT_BUFFER, pickle.READONLY_BUFFER, pickle.EXT1, pickle.EXT2, pickle.EXT4,
)  # fmt: skip
_KEYS = (str, int, float, bool, bytes, type(None))  # hashing a tuple of tuples may take for ever

# What a pickle can get hold of is a tuple, which it cannot change.


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
    if max(len(shape), len(strides)) > _MOST_DIMENSIONS:
        raise ValueError(f"a tensor of {len(shape)} dimensions")
    return Tensor(storage, int(offset), tuple(map(int, shape)), tuple(map(int, strides)))


def _mapping(pairs: Iterable[Any] = ()) -> dict[Any, Any]:
    """A plain dict in place of an OrderedDict, whose methods a pickle could replace."""
    return {pair[0]: pair[1] for pair in pairs if len(pair) == 2 and isinstance(pair[0], _KEYS)}


class _Ignored:
    """What training leaves in a checkpoint and inference does not need: takes any state, keeps none."""

    __slots__ = ()

    def __new__(cls, *_: Any, **__: Any) -> "_Ignored":
        return super().__new__(cls)


_GLOBALS: Mapping[str, object] = {
    "collections.OrderedDict": _StandIn(_mapping),
    "torch._utils._rebuild_tensor": _StandIn(_tensor),
    "torch._utils._rebuild_tensor_v2": _StandIn(_tensor),
    "torch._utils._rebuild_parameter": _StandIn(lambda tensor, *_: tensor),
    "torch.Size": _StandIn(tuple),
    "torch.device": _StandIn(_Ignored),
    **{f"torch.{name}": _StandIn(_Ignored) for name in _DTYPES},
    "argparse.Namespace": _Ignored,
    # Scores such as `rank1` and class weights that a training loop stored as numpy's.
    "numpy.dtype": _StandIn(_Ignored),
    "numpy.ndarray": _StandIn(_Ignored),
    **{
        f"numpy.{core}.multiarray.{name}": _StandIn(_Ignored)
        for core in ("core", "_core")
        for name in ("scalar", "_reconstruct")
    },
    "_codecs.encode": _StandIn(_Ignored),
    **{
        f"{builtins}.{name}": _StandIn(_Ignored)
        for builtins in ("builtins", "__builtin__")
        for name in ("set", "slice")
    },
    **{f"torch.{name}": _StorageType(dtype) for name, dtype in _STORAGE_DTYPES.items()},
    **{f"torch.cuda.{name}": _StorageType(dtype) for name, dtype in _STORAGE_DTYPES.items()},
}


class RefusedError(Exception):
    """A pickle asked for something outside `_GLOBALS`."""


class _Bounded:
    """A file whose reads are checked against what is left of it, before room for them is made."""

    def __init__(self, file: IO[bytes], end: int) -> None:
        self._file = file
        self._end = end
        self.readline = file.readline

    def read(self, size: int) -> bytes:
        if size > self._end - self._file.tell():
            raise EOFError(f"{size} bytes are announced where the file ends")
        return self._file.read(size)


# Not the faster one in C, which makes room for as many memos as a damaged file says that there are, up to 32 GB.
class Reader(pickle._Unpickler):
    """An unpickler that imports nothing, of a `file` that ends at position `end`.

    `storages` collects every storage that the pickle refers to.
    """

    stack: list[Any]
    read: Callable[[int], bytes]
    pop_mark: Callable[[], list[Any]]

    def __init__(self, file: IO[bytes], end: int, storages: dict[str, Storage]) -> None:
        # A buffered file's own `readinto` and `peek` would be used in place of `read`: the wrapper has neither.
        super().__init__(_Bounded(file, end), encoding="latin-1")
        self._storages = storages

    def find_class(self, module: str, name: str) -> object:
        try:
            return _GLOBALS[f"{module}.{name}"]
        except KeyError:
            raise RefusedError(f"{module}.{name}") from None

    def persistent_load(self, reference: Any) -> Storage:
        kind, storage_type, key, _, elements, *view = reference
        known = kind == "storage" and isinstance(storage_type, _StorageType) and isinstance(key, (str, int))
        if not known or any(part is not None for part in view) or not isinstance(elements, int):
            raise ValueError("an unknown reference in place of a storage's")
        return self._storages.setdefault(str(key), Storage(str(key), storage_type.dtype, elements))

    def _set_items(self) -> None:
        items = self.pop_mark()
        self._put(items[::2], items[1::2])

    def _set_item(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._put([key], [value])

    def _put(self, keys: list[Any], values: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, _Ignored):
            return
        if not isinstance(target, dict):
            raise pickle.UnpicklingError("items of something that is no mapping")
        target.update((key, value) for key, value in zip(keys, values, strict=True) if isinstance(key, _KEYS))

    def _dict(self) -> None:
        items = self.pop_mark()
        self.stack.append({})
        self._put(items[::2], items[1::2])

    def _build(self) -> None:
        """The state of an object is dropped: no stand-in has any."""
        self.stack.pop()

    def _empty_list(self) -> None:
        """In place of a set, whose members would be hashed."""
        self.stack.append([])

    def _frozen(self) -> None:
        self.stack.append(self.pop_mark())

    def _long(self) -> None:
        size = self.read(1)[0]
        if size > _MOST_INTEGER_BYTES:
            raise pickle.UnpicklingError(f"a whole number of {size} bytes")
        self.stack.append(int.from_bytes(self.read(size), "little", signed=True))

    def _unknown(self) -> None:
        raise pickle.UnpicklingError("an opcode that no checkpoint needs")

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = {
        **pickle._Unpickler.dispatch,
        pickle.SETITEMS[0]: _set_items,
        pickle.SETITEM[0]: _set_item,
        pickle.DICT[0]: _dict,
        pickle.BUILD[0]: _build,
        pickle.EMPTY_SET[0]: _empty_list,
        pickle.FROZENSET[0]: _frozen,
        pickle.LONG1[0]: _long,
        **dict.fromkeys((code[0] for code in _USELESS), _unknown),
    }
