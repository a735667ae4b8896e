"""Archives of plain arrays (`.npz`), read without trusting them.

`numpy.load` unpacks whatever an archive announces; here an entry must be as long as its shape says before it is
unpacked, and all together may not be larger than what networks put out.
"""

import io
import math
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from edge.files import open_file

MOST_BYTES = 1 << 29  # of all arrays of a file together
_MOST_HEADER_BYTES = 4096
_BROKEN = (
    OSError, zipfile.BadZipFile, zlib.error, EOFError, KeyError, TypeError, OverflowError, MemoryError,
    NotImplementedError, RuntimeError, SyntaxError,
)  # fmt: skip


def read(path: Path, prefix: str = "") -> dict[str, npt.NDArray[Any]]:
    """The arrays whose names start with `prefix`. Raises OSError where there is none, ValueError for a broken one."""
    with open_file(path) as file:
        return _arrays(file, prefix)


def _arrays(file: IO[bytes], prefix: str) -> dict[str, npt.NDArray[Any]]:
    try:
        with zipfile.ZipFile(file) as archive:
            wanted = [entry for entry in archive.infolist() if entry.filename.startswith(prefix)]
            if sum(entry.file_size for entry in wanted) > MOST_BYTES:
                raise ValueError(f"its arrays are larger than {MOST_BYTES >> 20} MB together")
            return {entry.filename.removesuffix(".npy"): _array(archive, entry) for entry in wanted}
    except _BROKEN as error:
        raise ValueError(str(error) or type(error).__name__) from error


def _array(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> npt.NDArray[Any]:
    with archive.open(entry) as member:
        start = member.read(_MOST_HEADER_BYTES)
        header = io.BytesIO(start)
        version = np.lib.format.read_magic(header)
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }.get(version)
        if read_header is None:
            raise ValueError(f"{entry.filename}: unknown version {version}")
        shape, fortran_order, dtype = read_header(header)
        if dtype.hasobject or dtype.itemsize == 0:
            raise ValueError(f"{entry.filename}: expected plain numbers, found {dtype}")
        size = math.prod(shape) * dtype.itemsize
        if size != entry.file_size - header.tell():
            raise ValueError(f"{entry.filename}: {entry.file_size} bytes for shape {shape}")
        rest = member.read(max(0, size - (len(start) - header.tell())))
    data = start[header.tell() :] + rest
    if len(data) != size:
        raise ValueError(f"{entry.filename}: expected {size} bytes, found {len(data)}")
    return np.asarray(np.frombuffer(data, dtype).reshape(shape, order="F" if fortran_order else "C").copy())
