"""How long an open network takes for one run, copies and waiting included."""

import time

import numpy as np

from edge.infer.backend import Backend

WARM_UP_RUNS = 20
LEAST_RUNS = 50


def latencies_ms(backend: Backend, batch: int, measure_s: float) -> list[float]:
    """The durations of runs of `batch` rows after a warm-up, for `measure_s` and at least LEAST_RUNS times."""
    for _ in range(WARM_UP_RUNS):
        backend.run(batch)
    times_ms: list[float] = []
    while len(times_ms) < LEAST_RUNS or sum(times_ms) < measure_s * 1000:
        start_s = time.perf_counter()
        backend.run(batch)
        times_ms.append((time.perf_counter() - start_s) * 1000)
    return times_ms


def percentiles_ms(times_ms: list[float]) -> tuple[float, float]:
    """The 50th and the 99th percentile."""
    p50_ms, p99_ms = np.percentile(times_ms, (50, 99))
    return float(p50_ms), float(p99_ms)
