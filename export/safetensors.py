"""Safetensors files: a JSON header of names, types, shapes and offsets, then the numbers.

Written from the format's description (huggingface/safetensors, README): eight bytes with the header's length, the
header, and data without gaps or overlaps up to the end of the file. So nothing can be announced that is not there.
"""

import json
import math
from typing import IO, Any, Literal

import numpy as np
import numpy.typing as npt

from export.unpickle import BFLOAT16

_DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": BFLOAT16, "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?",
}  # fmt: skip
_MOST_HEADER_BYTES = 100_000_000  # the format's own limit


def read(file: IO[bytes], size: int) -> dict[str, npt.NDArray[Any]]:
    """Every tensor of an open `file` of `size` bytes; bfloat16 becomes float32. Raises ValueError for broken ones."""
    length = int.from_bytes(file.read(8), "little")
    if length > min(size - 8, _MOST_HEADER_BYTES):
        raise ValueError(f"a header of {length} bytes in a file of {size}")
    header = json.loads(file.read(length))
    if not isinstance(header, dict):
        raise ValueError("a header that is no mapping")
    header.pop("__metadata__", None)
    entries = sorted(((name, *_entry(name, said)) for name, said in header.items()), key=lambda entry: entry[3:])
    position, tensors = 0, {}
    for name, dtype, shape, start, end in entries:
        if start != position:
            raise ValueError(f"{name} begins at {start}, expected {position}")
        position = end
        raw = file.read(end - start) if end <= size - 8 - length else b""
        if len(raw) != end - start:
            raise ValueError(f"{name} ends behind the end of the file")
        tensors[name] = from_bytes(raw, dtype).reshape(shape)
    if position != size - 8 - length:
        raise ValueError("bytes that belong to no tensor")
    return {name: tensors[name] for name in header}


def from_bytes(raw: bytes, dtype: str, byte_order: Literal["<", ">"] = "<") -> npt.NDArray[Any]:
    """The numbers in `raw`, in this machine's byte order."""
    if dtype == BFLOAT16:  # the upper half of a float32
        return (np.frombuffer(raw, byte_order + "u2").astype(np.uint32) << 16).view(np.float32)
    found = np.frombuffer(raw, np.dtype(dtype).newbyteorder(byte_order))
    return found.astype(found.dtype.newbyteorder("="))


def _entry(name: str, said: Any) -> tuple[str, tuple[int, ...], int, int]:
    """Type, shape, begin and end of a tensor; ValueError where they do not fit together."""
    try:
        dtype, shape, (start, end) = _DTYPES[said["dtype"]], tuple(said["shape"]), said["data_offsets"]
    except (TypeError, KeyError, ValueError):
        raise ValueError(f"{name}: expected dtype, shape and data_offsets that are known") from None
    numbers = (*shape, start, end)
    if not all(type(n) is int and 0 <= n < 1 << 48 for n in numbers) or len(shape) > 32:
        raise ValueError(f"{name}: a shape or offsets that no tensor has")
    item = 2 if dtype == BFLOAT16 else np.dtype(dtype).itemsize
    if end - start != math.prod(shape) * item:
        raise ValueError(f"{name}: {end - start} bytes for shape {list(shape)}")
    return dtype, shape, start, end
