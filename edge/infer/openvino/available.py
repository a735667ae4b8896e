"""Whether OpenVINO is here, and what this processor computes in, found out in a child process that may crash."""

import importlib.metadata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from edge.infer import child
from edge.infer.reasons import Reason, RungError
from edge.modelpack import Detector, Reid, VariantKind

Precision = Literal["bf16", "int8", "fp32"]

RUNGS: Mapping[str, Precision] = {"openvino-bf16": "bf16", "openvino-int8": "int8", "openvino-fp32": "fp32"}

TIMEOUT_S = 60.0  # a small board reads a hundred megabytes of libraries from an SD card


@dataclass(frozen=True)
class Cpu:
    """The processor as OpenVINO sees it: its `name`, and the `capabilities` by OpenVINO's names ("BF16", "INT8")."""

    name: str
    version: str
    capabilities: tuple[str, ...]

    def require_arithmetic(self, precision: Precision) -> None:
        """Return when the processor computes in `precision`; raises RungError(NO_BF16_HARDWARE)."""
        if precision == "bf16" and "BF16" not in self.capabilities:
            raise RungError(Reason.NO_BF16_HARDWARE, f"{self.name} has {', '.join(self.capabilities)}")


def variant_of(described: Detector | Reid, rung: str) -> VariantKind | None:
    """The variant that an OpenVINO rung runs: fp32 for the float ones, INT8 in ONNX Runtime's form where the pack has
    it, else in Q/DQ form, in which the golden output tells whether OpenVINO understands it."""
    kinds: Sequence[VariantKind] = ("int8", "qdq") if RUNGS[rung] == "int8" else ("fp32",)
    return next((kind for kind in kinds if kind in described.variants), None)


def golden_name(rung: str, kind: VariantKind) -> str:
    """The name by which `edge.infer.golden` knows how far a rung may be from float32."""
    return "bf16" if RUNGS.get(rung) == "bf16" else kind


def version() -> str:
    """The version of the installed package, without loading it. Raises RungError(NO_OPENVINO)."""
    found = installed("openvino")
    if not found:
        raise RungError(Reason.NO_OPENVINO, "the package openvino is not installed")
    return found


def installed(package: str) -> str:
    """The version of an installed package, "" where there is none of that name."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def probe(timeout_s: float = TIMEOUT_S) -> Cpu:
    """What OpenVINO says of this processor. Raises RungError with the reason where it does not work."""
    version()
    outcome = child.call("edge.infer.openvino.available:examine", None, timeout_s=timeout_s)
    outcome.require("OpenVINO's look at this processor", Reason.OPENVINO_BROKEN)
    facts = outcome.messages[-1]
    return Cpu(facts["name"], facts["version"], tuple(facts["capabilities"]))


def examine(_: None, report: child.Report) -> None:
    """The child's side of `probe`: one message with the facts. Raises RungError where there are none."""
    report(look().__dict__)


def look() -> Cpu:
    """What OpenVINO says of this processor, in this process. Raises RungError(OPENVINO_BROKEN)."""
    try:
        import openvino

        core = openvino.Core()
        name = core.get_property("CPU", "FULL_DEVICE_NAME")
        capabilities = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    except (ImportError, OSError, RuntimeError) as error:  # a library that it needs, or its plug-in for the CPU
        raise RungError(Reason.OPENVINO_BROKEN, (str(error).splitlines() or [type(error).__name__])[0]) from error
    return Cpu(name, version(), tuple(capabilities))
