"""The one place that calls numba: how every kernel is compiled and where the machine code is kept.

The policy, with reasons:

- `error_model="numpy"`: a division is one instruction without a Python exception; kernels guard their divisors.
- No `fastmath` (it removes NaN checks), no `parallel` (slower below thousands of boxes), so results are the same bits
  on every run of the same machine and build.
- `nogil`: two trackers in two threads run at the same time.
- A `kernel` is compiled into whoever calls it and never stored; only an `entry`, the one call a frame, is. A warm start
  then reads one file per method in use.
- An `entry` has an explicit signature, so it is compiled (or read from the cache) when its module is imported and
  never in the middle of a stream.
- Numba judges a stored entry by its own source file alone and would not notice a change in a kernel it uses, so the
  cache folder carries a hash of all sources that may hold such kernels.
"""

import functools
import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import numba
import numpy as np
import numpy.typing as npt
from numba import config, types

from edge.errors import OutputError

Function = TypeVar("Function", bound=Callable[..., Any])

_OPTIONS = {"error_model": "numpy", "nogil": True}


def kernel(function: Function) -> Function:
    """`function` as a part of the entries that call it."""
    return numba.njit(**_OPTIONS)(function)


def entry(*arguments: Any, source: Path | None = None) -> Callable[[Function], Function]:
    """Decorator that compiles a function for exactly these argument types, or reads it from the cache.

    `source` is the file with the kernels that it calls where that is not its own. A call from Python holds no
    interpreter lock. Raises OutputError where the cache folder cannot be written.
    """

    def compiled(function: Function) -> Function:
        if config.DISABLE_JIT:
            return function
        file = source or Path(function.__code__.co_filename)
        if not file.is_file():  # typed in: nothing would tell when it has changed
            return numba.njit(tuple(arguments), **_OPTIONS)(function)
        elsewhere = config.CACHE_DIR
        config.CACHE_DIR = str(cache_folder(_room(file)))
        try:
            return numba.njit(tuple(arguments), cache=True, **_OPTIONS)(function)
        finally:
            config.CACHE_DIR = elsewhere

    return compiled


def buffer(dtype: npt.DTypeLike, dimensions: int = 1) -> Any:
    """Argument type of a contiguous array that the kernel may write."""
    return types.Array(numba.from_dtype(np.dtype(dtype)), dimensions, "C")


def given(dtype: npt.DTypeLike, dimensions: int = 1) -> Any:
    """Argument type of an array of any memory layout that the kernel only reads."""
    return types.Array(numba.from_dtype(np.dtype(dtype)), dimensions, "A", readonly=True)


def was_stored(function: object) -> bool:
    """False for an entry that this process had to compile."""
    stats = getattr(function, "stats", None)
    return not getattr(stats, "cache_misses", None)


@functools.cache
def cache_folder(room: Path = Path(__file__).parents[1] / "track") -> Path:
    """Folder of the compiled entries in folder `room`, which holds the code of exactly these sources; made if need be.

    It lies in `NUMBA_CACHE_DIR`, else in the user's cache folder. Raises OutputError where it cannot be written.
    """
    package = Path(__file__).parents[1]
    rooms = {room, package / "track", package / "kernels"}
    sources = sorted({source for folder in rooms for source in _sources(folder)})
    version = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:16]
    base = Path(config.CACHE_DIR) if config.CACHE_DIR else _user_folder()
    folder = base / f"{room.name}-{version}"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        writable = os.access(folder, os.W_OK | os.X_OK)
    except OSError:
        writable = False
    if not writable:
        raise OutputError(
            f"cache of compiled code: cannot write to {folder}; "
            "set NUMBA_CACHE_DIR to a private folder that this user can write"
        )
    return folder


def _sources(room: Path) -> Iterator[Path]:
    """The code in `room`: that of a package and all in it, or of the folder alone where it is none."""
    return room.rglob("*.py") if (room / "__init__.py").is_file() else room.glob("*.py")


def _room(source: Path) -> Path:
    """The folder of `edge` that holds `source`; for a file from elsewhere its whole package, or its own folder."""
    package = Path(__file__).parents[1]
    if package in source.parents:
        return package / source.relative_to(package).parts[0]
    room = source.parent
    while (room / "__init__.py").is_file() and (room.parent / "__init__.py").is_file():
        room = room.parent
    return room


def _user_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "nanotrack" / "numba"
