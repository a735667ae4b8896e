"""Why a rung of the ladder was not taken: one machine-readable reason each, with the sentence that says what to do."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from edge.errors import UnavailableError


class Reason(Enum):
    """Why a rung was not taken; the value is the name in JSON, logs and metrics."""

    NO_DRIVER = "no_driver"
    NO_TENSORRT = "no_tensorrt"
    TENSORRT_UNSUPPORTED = "tensorrt_unsupported"
    TENSORRT_BROKEN = "tensorrt_broken"
    NO_PYCUDA = "no_pycuda"
    PYCUDA_BROKEN = "pycuda_broken"
    NO_INT8_HARDWARE = "no_int8_hardware"
    ENGINE_MISSING = "engine_missing"
    ENGINE_STALE = "engine_stale"
    ENGINE_UNTRUSTED = "engine_untrusted"
    VARIANT_MISSING = "variant_missing"
    GATE_FAILED = "gate_failed"
    GOLDEN_MISMATCH = "golden_mismatch"
    SLOWER = "slower"
    NO_OPENVINO = "no_openvino"
    OPENVINO_BROKEN = "openvino_broken"
    NO_BF16_HARDWARE = "no_bf16_hardware"
    NO_ONNXRUNTIME = "no_onnxruntime"
    NO_PROVIDER = "no_provider"
    TIMEOUT = "timeout"
    OUT_OF_MEMORY = "out_of_memory"
    BACKEND_FAILED = "backend_failed"
    NOT_ASKED = "not_asked"

    @property
    def remedy(self) -> str:
        """What the user can do about it, one sentence."""
        return _REMEDIES[self]

    @property
    def is_absence(self) -> bool:
        """Whether the rung needs what this board or pack does not have, which is no news to whoever runs it."""
        return self in _ABSENCES

    def remedy_for(self, pack: Path) -> str:
        """The remedy with the pack's folder where it says PACK, ready to be typed."""
        return self.remedy.replace("PACK", str(pack))


_REMEDIES = {
    Reason.NO_DRIVER: "a Jetson gets its driver with JetPack, a workstation from NVIDIA; "
    "a container needs --runtime nvidia",
    Reason.NO_TENSORRT: "on a Jetson: apt install nvidia-jetpack; elsewhere NVIDIA's packages; then a virtual "
    "environment made with --system-site-packages",
    Reason.TENSORRT_UNSUPPORTED: "JetPack 6 or newer brings a TensorRT that fits",
    Reason.TENSORRT_BROKEN: "install driver and TensorRT from the same JetPack or CUDA release",
    Reason.NO_PYCUDA: "pip install 'nanotrack-edge[jetson]', with nvcc on the PATH",
    Reason.PYCUDA_BROKEN: "build pycuda again on this board: pip install --force-reinstall --no-cache-dir pycuda",
    Reason.NO_INT8_HARDWARE: "nothing to do: this GPU has no INT8 arithmetic, FP16 is used instead",
    Reason.ENGINE_MISSING: "run nanotrack build PACK on this board",
    Reason.ENGINE_STALE: "run nanotrack build PACK on this board",
    Reason.ENGINE_UNTRUSTED: "an engine is executable code: keep it in a folder of yours or of root that no one else "
    "can write, and build it again",
    Reason.VARIANT_MISSING: "nothing to do, unless this variant is wanted: nanotrack-export pack --calibrate FRAMES",
    Reason.GATE_FAILED: "calibrate on more frames, of the kind the cameras see: nanotrack-export pack --calibrate",
    Reason.GOLDEN_MISMATCH: "nothing to do on a CPU: another rung is used; on a GPU run nanotrack build PACK; if it "
    "stays, report what nanotrack selftest PACK --json says",
    Reason.SLOWER: "nothing to do: another rung was measured to be faster on this board",
    Reason.NO_OPENVINO: "pip install 'nanotrack-edge[openvino]'",
    Reason.OPENVINO_BROKEN: "install it again: pip install --force-reinstall openvino; without it ONNX Runtime is used",
    Reason.NO_BF16_HARDWARE: "nothing to do: this processor has no bfloat16 arithmetic, other rungs are used instead",
    Reason.NO_ONNXRUNTIME: "pip install onnxruntime, of a version that has a wheel for this Python",
    Reason.NO_PROVIDER: "install an onnxruntime that was built with it, and its libraries, in place of the plain one",
    Reason.TIMEOUT: "try again on an idle board, and look for GPU messages in dmesg",
    Reason.OUT_OF_MEMORY: "stop other programs or add swap, then try again",
    Reason.BACKEND_FAILED: "look for GPU messages in dmesg; a restart comes back to this rung",
    Reason.NOT_ASKED: "nothing to do: --backend or --variant leaves it out",
}

_ABSENCES = {
    Reason.NO_DRIVER,
    Reason.NO_INT8_HARDWARE,
    Reason.NO_BF16_HARDWARE,
    Reason.NO_OPENVINO,
    Reason.NO_PROVIDER,
    Reason.VARIANT_MISSING,
    Reason.NOT_ASKED,
}


@dataclass(frozen=True)
class Skip:
    """One rung that was not taken: its name, why, and what was seen (an error text, the field that changed)."""

    rung: str
    reason: Reason
    detail: str

    def __str__(self) -> str:
        return f"{self.rung}: {self.reason.value} ({self.detail}); {self.reason.remedy}"

    def as_dict(self) -> dict[str, str]:
        """The skip as JSON-ready text: rung, reason, detail, remedy."""
        return {
            "rung": self.rung,
            "reason": self.reason.value,
            "detail": self.detail,
            "remedy": self.reason.remedy,
        }


def notable(skips: Sequence[Skip]) -> list[Skip]:
    """Those of rungs that this board and pack have."""
    return [skip for skip in skips if not skip.reason.is_absence]


def summary(skips: Sequence[Skip]) -> str:
    """All skips in one sentence; rungs that share reason and detail are named together."""
    groups: dict[tuple[Reason, str], list[str]] = {}
    for skip in skips:
        groups.setdefault((skip.reason, skip.detail), []).append(skip.rung)
    return "; ".join(str(Skip(" and ".join(rungs), *why)) for why, rungs in groups.items())


class RungError(UnavailableError):
    """What makes one rung impossible. The ladder turns it into a `Skip`; under `--require` it ends the command."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason.value} ({detail}); {reason.remedy}")
        self.reason = reason
        self.detail = detail
