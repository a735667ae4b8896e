"""Networks timed against each other on this machine: in turns, so that heat and other programs meet all alike."""

import contextlib
import os
import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from edge.infer.backend import Backend

LEAST_ROUNDS = 7
MOST_ROUNDS = 40
BUDGET_S = 6.0
# After the first rounds those further behind the fastest are left, and the time is spent on the others.
CLOSE = 1.25

# Networks within this much of each other are equally fast, and the simpler one is taken.
LEAST_GAIN = 1.02


def times_ms(backends: Sequence[Backend], threads: int) -> list[float]:
    """Milliseconds of a run of open networks with `threads` threads each, in turns on noise, since zeros may be faster
    than pictures."""
    random = np.random.default_rng(0)
    for backend in backends:
        for buffer in backend.inputs.values():
            buffer[...] = random.integers(0, 256, buffer.shape).astype(buffer.dtype)
        backend.run()
    return [round(ms, 3) for ms in in_turns([backend.run for backend in backends], threads)]


def in_turns(calls: Sequence[Callable[[], object]], threads: int, most_rounds: int = MOST_ROUNDS) -> list[float]:
    """Milliseconds of each call: every one timed at least `LEAST_ROUNDS` times, those close to the fastest up to
    `most_rounds`; CPU time of the process with one thread, which other programs do not change much, else wall clock.

    Each is called twice in its turn and the second time counts. The threads of a library wait in a loop for a while
    after a call, ONNX Runtime's for milliseconds, and so take the cores from the next one's. Of the times the lower
    quartile is taken: what disturbs only makes them longer.
    """
    clock = time.process_time if threads == 1 else time.perf_counter
    times_s: list[list[float]] = [[] for _ in calls]
    close = list(range(len(calls)))
    start_s = time.perf_counter()
    for done in range(most_rounds):
        if done >= LEAST_ROUNDS:
            if time.perf_counter() - start_s > BUDGET_S * most_rounds / MOST_ROUNDS:
                break
            fastest_s = min(map(_typical, times_s))
            close = [place for place in close if _typical(times_s[place]) <= CLOSE * fastest_s]
        for place in close:
            calls[place]()
            before_s = clock()
            calls[place]()
            times_s[place].append(clock() - before_s)
    return [1000 * _typical(row) for row in times_s]


def _typical(times: Sequence[float]) -> float:
    return float(np.percentile(times, 25))


def machine(*libraries: str) -> str:
    """What a time depends on besides the network, in words: processor, cores, and the `libraries` that compute."""
    model = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines():
            if line.startswith(("model name", "Model", "CPU part")):
                model = line.partition(":")[2].strip()
                break
    return f"{model} ({', '.join((platform.machine(), f'{os.cpu_count()} cores', *libraries))})"
