"""Which precision is faster on this CPU: both timed in turns, once, and the answer remembered for this machine.

INT8 is no promise of speed: without dot-product instructions, or on narrow layers, float32 wins.
"""

import contextlib
import hashlib
import json
import logging
import os
import platform
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from edge.errors import OutputError
from edge.infer.backend import Backend, open_backend
from edge.infer.reasons import Reason, RungError
from edge.infer.tensorrt import engine_cache
from edge.modelpack import Detector, ModelPack, Reid
from edge.schema import build

logger = logging.getLogger(__name__)

LEAST_ROUNDS = 7
MOST_ROUNDS = 40
BUDGET_S = 4.0
# Within this much of each other the two are equally fast, and the one that is right by definition is taken.
LEAST_GAIN = 1.03


@dataclass(frozen=True)
class Timing:
    """Median milliseconds of one run of each precision on one machine."""

    int8_ms: float
    fp32_ms: float
    machine: str

    @property
    def int8_is_faster(self) -> bool:
        """Whether INT8 is worth it."""
        return self.fp32_ms >= LEAST_GAIN * self.int8_ms

    def __str__(self) -> str:
        return f"int8 takes {self.int8_ms:.1f} ms, fp32 {self.fp32_ms:.1f} ms on {self.machine}"


def require_faster(pack: ModelPack, described: Detector | Reid, threads: int, cache: Path) -> None:
    """Return when INT8 is the faster variant of this network here; measured at the first call, then read from `cache`.

    Raises RungError(SLOWER) with both times where it is not.
    """
    timing = remembered(pack, described, threads, cache)
    if not timing.int8_is_faster:
        raise RungError(Reason.SLOWER, str(timing))


def remembered(pack: ModelPack, described: Detector | Reid, threads: int, cache: Path) -> Timing:
    """The timing of `int8` against `fp32` on this machine, from `cache` or measured now and kept there.

    A cache that cannot be written only costs the time to measure again.
    """
    files = {form: described.variants[form] for form in ("int8", "fp32")}
    machine = _machine()
    digest = hashlib.sha256(json.dumps([*(f.sha256 for f in files.values()), threads, machine]).encode()).hexdigest()
    path = cache / f"choice-{digest[:32]}.json"
    known = _read(path)
    if known is not None:
        return known
    opened = [open_backend(pack.path(entry), name="onnxruntime", threads=threads) for entry in files.values()]
    try:
        timing = Timing(*_measured(opened), machine)
    finally:
        for backend in opened:
            backend.close()
    logger.info("%s: measured once: %s", pack.folder, timing)
    with contextlib.suppress(OSError):
        cache.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        engine_cache.write(path, json.dumps(asdict(timing)).encode())
    except OutputError as error:
        logger.warning("%s; the next start measures again", error)
    return timing


def _measured(backends: list[Backend]) -> tuple[float, float]:
    """Median run times, in turns; noise as input, since zeros may be faster than life."""
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
    int8_ms, fp32_ms = np.median(times, axis=0) * 1000
    return round(float(int8_ms), 3), round(float(fp32_ms), 3)


def _machine() -> str:
    """What the answer depends on, in words: processor, cores and ONNX Runtime."""
    import onnxruntime

    model = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines():
            if line.startswith(("model name", "Model", "CPU part")):
                model = line.partition(":")[2].strip()
                break
    return f"{model} ({platform.machine()}, {os.cpu_count()} cores, ONNX Runtime {onnxruntime.__version__})"


def _read(path: Path) -> Timing | None:
    try:
        return build(Timing, json.loads(path.read_text("utf-8")))[0]
    except (OSError, ValueError):
        return None
