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

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numba
import numpy as np
import numpy.typing as npt
from numba import config, types
from numba.core.dispatcher import Dispatcher
from numba.core.errors import NumbaError

from edge.kernels import cache

CompileError = NumbaError  # what `entry` raises for code that does not compile
Function = TypeVar("Function", bound=Callable[..., Any])

logger = logging.getLogger(__name__)

_one_at_a_time = threading.RLock()  # Numba's setting for the folder is one for all threads
_OPTIONS = {"error_model": "numpy", "nogil": True}


def kernel(function: Function) -> Function:
    """`function` as a part of the entries that call it."""
    return numba.njit(**_OPTIONS)(function)


def entry(*arguments: Any, source: Path | None = None) -> Callable[[Function], Function]:
    """Decorator that compiles a function for exactly these argument types, or reads it from the cache.

    `source` is the file with the kernels that it calls where that is not its own. A call from Python holds no
    interpreter lock. Raises OutputError where the cache folder cannot be written, or others can write it.
    """

    def compiled(function: Function) -> Function:
        if config.DISABLE_JIT:
            return function
        file = source or Path(function.__code__.co_filename)
        if not file.is_file():  # typed in: nothing would tell when it has changed
            return numba.njit(tuple(arguments), **_OPTIONS)(function)
        name = f"{function.__module__}.{function.__qualname__}".replace("<", "").replace(">", "")
        try:
            with _one_at_a_time, cache.entry_folder(cache.room_of(file), name) as folder:
                elsewhere, config.CACHE_DIR = config.CACHE_DIR, str(folder)
                try:
                    return numba.njit(tuple(arguments), cache=True, **_OPTIONS)(function)
                finally:
                    config.CACHE_DIR = elsewhere
        except OSError as error:
            logger.warning("compiled code of %s cannot be kept (%s): it is compiled at every start", name, error)
            return numba.njit(tuple(arguments), **_OPTIONS)(function)

    return compiled


nothing = types.none  # argument type of None, for what an entry does not use


def is_kernel(function: object) -> bool:
    """Whether `function` can be compiled into an entry."""
    return isinstance(function, Dispatcher) or (bool(config.DISABLE_JIT) and callable(function))


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
