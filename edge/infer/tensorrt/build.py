"""`nanotrack build`: the engines of a pack for this board, each precision built, measured, and the better one kept.

Everything that touches TensorRT happens in child processes with a time and a memory limit. INT8 is chosen by
measurement and never by belief: it is kept when it is right and faster than FP16 here.
"""

import dataclasses
import hashlib
import json
import math
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.infer import child
from edge.infer.golden import NetworkName
from edge.infer.reasons import Reason, RungError, Skip
from edge.infer.tensorrt import cache
from edge.infer.tensorrt.available import Gpu
from edge.infer.tensorrt.cache import Verdict
from edge.infer.tensorrt.engines import PRECISIONS, EngineSet, engine_set
from edge.infer.tensorrt.measure import Measured
from edge.infer.tensorrt.versions import Precision
from edge.modelpack import ModelPack, VariantKind

Say = Callable[[str], None]


@dataclass(frozen=True)
class Limits:
    """What one child process may take, and for how long engines are measured.

    A first build on a small board takes minutes for each engine.
    """

    timeout_s: float = 1800.0
    memory_bytes: int | None = None
    measure_s: float = 3.0


@dataclass(frozen=True)
class Built:
    """One precision of one network that was built and measured, and the verdict."""

    network: NetworkName
    precision: Precision
    variant: VariantKind
    build_s: float
    measured: Measured
    verdict: Verdict
    detail: str

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready; an error that is infinite (NaN came out) is null."""
        error = self.measured.error
        finite = error is not None and math.isfinite(error)
        measured = dataclasses.replace(self.measured, error=error if finite else None)
        fields = dataclasses.asdict(dataclasses.replace(self, measured=measured))
        return {"form" if name == "variant" else name: value for name, value in fields.items()}


def build_network(
    pack: ModelPack, network: NetworkName, gpu: Gpu, folder: Path, limits: Limits, say: Say
) -> tuple[list[Built], list[Skip]]:
    """Build, measure and store the engines of one network in the locked `folder`.

    Returns what was built and what could not be, with the reason. Raises OutputError when the folder cannot be written.
    """
    skips: list[Skip] = []
    measured: dict[Precision, tuple[EngineSet, dict[int, bytes], float, Measured]] = {}
    with tempfile.TemporaryDirectory(prefix=".building-", dir=folder) as work:
        for precision in PRECISIONS:
            try:
                wanted = engine_set(pack, network, precision, gpu)
                start_s = time.monotonic()
                plans = _make(pack, wanted, folder, Path(work), limits, say)
                build_s = time.monotonic() - start_s
                say(f"measuring {network} {precision}")
                figures = _measure(pack, wanted, plans, limits)
            except RungError as error:
                skips.append(Skip(f"tensorrt-{precision}", error.reason, f"{network}: {error.detail}"))
                continue
            content = {batch: path.read_bytes() for batch, path in plans.items()}
            measured[precision] = wanted, content, build_s, figures
    built = []
    for precision, verdict in verdicts({p: m[3] for p, m in measured.items()}).items():
        wanted, content, build_s, figures = measured[precision]
        detail = _detail(verdict, precision, {p: m[3] for p, m in measured.items()})
        for batch, key in wanted.keys.items():
            cache.store(folder, key, content[batch], verdict, detail)
        built.append(Built(network, precision, wanted.kind, build_s, figures, verdict, detail))
    return built, skips


def verdicts(measured: dict[Precision, Measured]) -> dict[Precision, Verdict]:
    """The verdict on each precision: the fastest of those that are right is kept."""
    right = {precision: total_ms(figures) for precision, figures in measured.items() if figures.is_right}
    fastest = min(right, key=lambda p: right[p], default=None)
    return {
        precision: "golden_mismatch" if precision not in right else "kept" if precision == fastest else "slower"
        for precision in measured
    }


def total_ms(figures: Measured) -> float:
    """The medians of all batch sizes together: the figure by which precisions are compared."""
    return sum(figures.p50_ms.values())


def _detail(verdict: Verdict, precision: Precision, measured: dict[Precision, Measured]) -> str:
    if verdict == "golden_mismatch":
        return f"relative error {measured[precision].error:.2g}, at most {measured[precision].limit:.2g} expected"
    return ", ".join(f"{name} {total_ms(figures):.2f} ms" for name, figures in measured.items())


def _make(pack: ModelPack, wanted: EngineSet, folder: Path, work: Path, limits: Limits, say: Say) -> dict[int, Path]:
    plans = {}
    for batch, key in wanted.keys.items():
        what = f"building {wanted.network} {wanted.precision}, batch {batch}"
        say(what)
        plans[batch] = work / f"{key.stem}.plan"
        job = {
            "key": dataclasses.asdict(key),
            "onnx": str(pack.path(wanted.variant)),
            "plan": str(plans[batch]),
            "timing_cache": str(folder / timing_cache_name(key)),
        }
        outcome = child.call(
            "edge.infer.tensorrt.builder:make_engine", job, timeout_s=limits.timeout_s, memory_bytes=limits.memory_bytes
        )
        outcome.require(what, Reason.BACKEND_FAILED)
    return plans


def _measure(pack: ModelPack, wanted: EngineSet, plans: dict[int, Path], limits: Limits) -> Measured:
    job = {
        "pack": str(pack.folder),
        "network": wanted.network,
        "variant": wanted.kind,
        "measure_s": limits.measure_s,
        "plans": {str(batch): str(path) for batch, path in plans.items()},
    }
    outcome = child.call(
        "edge.infer.tensorrt.measure:measure", job, timeout_s=limits.timeout_s, memory_bytes=limits.memory_bytes
    )
    outcome.require(f"measuring {wanted.network} {wanted.precision}", Reason.BACKEND_FAILED)
    return Measured(**outcome.messages[-1])


def timing_cache_name(key: cache.EngineKey) -> str:
    """The file of kernel timings that fit the key's TensorRT, CUDA, device and builder options, and no others."""
    parts = (key.tensorrt, key.libraries, key.cuda, key.driver, key.device, key.sm, key.sm_count, key.builder_flags)
    return f"timing-{hashlib.sha256(json.dumps(parts).encode('utf-8')).hexdigest()[:16]}.cache"
