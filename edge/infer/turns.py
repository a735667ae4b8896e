"""Networks timed against each other on this machine: in turns, so that heat and other programs meet all alike."""

import contextlib
import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edge.infer.backend import Backend

LEAST_ROUNDS = 7
MOST_ROUNDS = 40
BUDGET_S = 4.0

# Networks within this much of each other are equally fast, and the simpler one is taken.
LEAST_GAIN = 1.03


def medians_ms(backends: Sequence[Backend]) -> list[float]:
    """Median run times of open networks, run in turns on noise, since zeros may be faster than pictures."""
    random = np.random.default_rng(0)
    for backend in backends:
        for buffer in backend.inputs.values():
            buffer[...] = random.integers(0, 256, buffer.shape).astype(buffer.dtype)
        backend.run()
    times: list[list[float]] = []
    start_s = time.perf_counter()
    while len(times) < LEAST_ROUNDS or (len(times) < MOST_ROUNDS and time.perf_counter() - start_s < BUDGET_S):
        row = []
        for backend in backends:
            before_s = time.perf_counter()
            backend.run()
            row.append(time.perf_counter() - before_s)
        times.append(row)
    return [round(float(ms), 3) for ms in np.median(times, axis=0) * 1000]


def machine(*libraries: str) -> str:
    """What a time depends on besides the network, in words: processor, cores, and the `libraries` that compute."""
    model = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines():
            if line.startswith(("model name", "Model", "CPU part")):
                model = line.partition(":")[2].strip()
                break
    return f"{model} ({', '.join((platform.machine(), f'{os.cpu_count()} cores', *libraries))})"
