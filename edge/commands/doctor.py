"""Prepares this board.

`--warm` compiles every tracking and decoding kernel into the cache, so that no later start waits for it. Do it after
installing, as the user who will run the tracker and with the same NUMBA_CACHE_DIR.
"""

import argparse
import importlib
import time

from rich.console import Console
from rich.table import Table

# Modules that compile when they are imported.
KERNELS = (
    "edge.track.bytetrack",
    "edge.track.nanotrack",
    "edge.track.sparsetrack",
    "edge.detect.nanodet",
    "edge.detect.nms",
    "edge.detect.preprocess",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's flags."""
    parser.add_argument("--warm", action="store_true", required=True, help="compile all kernels into the cache")


def run(args: argparse.Namespace) -> None:
    """Fill the cache and show how long each module took."""
    started = time.perf_counter()
    from edge.track import jit

    table = Table("kernels", "seconds", "was")
    table.add_row("numba itself", f"{time.perf_counter() - started:.2f}", "imported")
    for name in KERNELS:
        before = time.perf_counter()
        module = importlib.import_module(name)
        stored = all(jit.was_stored(value) for value in vars(module).values())
        table.add_row(name, f"{time.perf_counter() - before:.2f}", "read from the cache" if stored else "compiled")
    console = Console()
    console.print(table)
    console.print(f"all together {time.perf_counter() - started:.1f} s; cache: {jit.cache_folder().parent}")
