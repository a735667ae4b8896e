"""Which variant is faster on this CPU: INT8 and fp32 timed alternately, once, and the answer kept for this machine.

INT8 is no promise of speed: without dot-product instructions, or on narrow layers, float32 wins.
"""

import contextlib
import logging
import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime

from edge.infer.backend import Backend
from edge.infer.onnxrt import cache
from edge.infer.onnxrt.cache import Timing
from edge.infer.onnxrt.session import OnnxRuntime
from edge.infer.reasons import Reason, RungError
from edge.modelpack import Detector, ModelPack, Reid

logger = logging.getLogger(__name__)

LEAST_ROUNDS = 7
MOST_ROUNDS = 40
BUDGET_S = 4.0


def require_faster(pack: ModelPack, described: Detector | Reid, threads: int, folder: Path) -> None:
    """Return when INT8 is the faster variant of this network here; measured once, then read from `folder`.

    Raises RungError(SLOWER) with both times where it is not.
    """
    timing = remembered(pack, described, threads, folder)
    if not timing.int8_is_faster:
        raise RungError(Reason.SLOWER, str(timing))


def remembered(pack: ModelPack, described: Detector | Reid, threads: int, folder: Path) -> Timing:
    """The timing of `int8` against `fp32` on this machine, from `folder` or measured now and kept there."""
    int8, fp32 = described.variants["int8"], described.variants["fp32"]
    machine = _machine()
    path = cache.path_of(folder, int8, fp32, threads, machine)
    known = cache.load(path)
    if known is not None:
        return known
    with contextlib.ExitStack() as stack:
        opened = [
            stack.enter_context(contextlib.closing(OnnxRuntime(pack.path(variant), threads=threads)))
            for variant in (int8, fp32)
        ]
        timing = Timing(*_medians_ms(opened), machine)
    logger.info("%s: measured once: %s", pack.folder, timing)
    cache.store(path, timing)
    return timing


def _medians_ms(backends: Sequence[Backend]) -> tuple[float, float]:
    """Median run times of two networks, run alternately on noise, since zeros may be faster than pictures."""
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
    first_ms, second_ms = np.median(times, axis=0) * 1000
    return round(float(first_ms), 3), round(float(second_ms), 3)


def _machine() -> str:
    """What the answer depends on, in words: processor, cores and ONNX Runtime."""
    model = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines():
            if line.startswith(("model name", "Model", "CPU part")):
                model = line.partition(":")[2].strip()
                break
    return f"{model} ({platform.machine()}, {os.cpu_count()} cores, ONNX Runtime {onnxruntime.__version__})"
