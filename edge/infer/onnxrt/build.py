"""Which variant is faster on this CPU: INT8 and fp32 timed alternately, once, and the answer kept for this machine.

INT8 is no promise of speed: without dot-product instructions, or on narrow layers, float32 wins.
"""

import contextlib
import logging
from pathlib import Path

import onnxruntime

from edge.infer import turns
from edge.infer.onnxrt import cache
from edge.infer.onnxrt.cache import Timing
from edge.infer.onnxrt.session import OnnxRuntime
from edge.infer.reasons import Reason, RungError
from edge.modelpack import Detector, ModelPack, Reid

logger = logging.getLogger(__name__)


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
        int8_ms, fp32_ms = turns.times_ms(opened, threads)
    timing = Timing(int8_ms, fp32_ms, machine)
    logger.info("%s: measured once: %s", pack.folder, timing)
    cache.store(path, timing)
    return timing


def _machine() -> str:
    """What the answer depends on, in words."""
    return turns.machine(f"ONNX Runtime {onnxruntime.__version__}")
