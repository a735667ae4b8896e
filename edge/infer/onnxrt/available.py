"""Which of ONNX Runtime's providers are there, and how fast this processor multiplies bytes."""

from pathlib import Path

import onnxruntime

from edge.infer.reasons import Reason, RungError

CPU = "CPUExecutionProvider"


def require_provider(provider: str) -> None:
    """Return when this ONNX Runtime was built with `provider`; raises RungError(NO_PROVIDER)."""
    available = onnxruntime.get_available_providers()
    if provider not in available:
        found = f"ONNX Runtime {onnxruntime.__version__} has {', '.join(available)}"
        raise RungError(Reason.NO_PROVIDER, f"expected {provider}, {found}")


def has_vnni() -> bool:
    """Whether Linux says that this processor sums products of bytes in 32 bits; no where it does not tell."""
    try:
        flags = Path("/proc/cpuinfo").read_text("utf-8", "replace").split()
    except OSError:
        return False
    return not {"avx512_vnni", "avx_vnni"}.isdisjoint(flags)
