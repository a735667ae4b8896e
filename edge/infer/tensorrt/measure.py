"""What engines do on this board: parity with the golden output, latency, and the precision each layer really got."""

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge import modelpack
from edge.infer import golden
from edge.infer.backend import Backend
from edge.infer.child import Message, Report
from edge.infer.latency import latencies_ms, percentiles_ms
from edge.infer.tensorrt.session import TensorRT
from edge.infer.tensorrt.versions import generation


@dataclass(frozen=True)
class Measured:
    """What one set of engines does on this board.

    `error` and `limit` as in `golden.Parity`, None where the pack has no golden file. `p50_ms`, `p99_ms` are of one run
    by batch size, copies and waiting included. `layers` is "layers by precision" by batch size, `reformats` how many
    layers only convert, `device_bytes` what the activations take, `unrecorded` why a batch size is no CUDA graph, by
    batch size.
    """

    error: float | None
    limit: float | None
    p50_ms: dict[str, float]
    p99_ms: dict[str, float]
    layers: dict[str, dict[str, int]]
    reformats: dict[str, int]
    device_bytes: int
    unrecorded: dict[str, str] = field(default_factory=dict)

    @property
    def is_right(self) -> bool:
        """Whether the golden output came out; true where there is none to compare with."""
        return self.error is None or (self.limit is not None and self.error <= self.limit)


def measure(job: Message, report: Report) -> None:
    """Run the engines `job["plans"]` (files by batch size) on the golden input of `job["pack"]`, and time each for
    `job["measure_s"]`.

    Reports the fields of `Measured`. Raises RungError when they do not run.
    """
    import tensorrt as trt

    pack = modelpack.read(job["pack"])
    plans = {int(batch): Path(path).read_bytes() for batch, path in job["plans"].items()}
    expected = golden.read(pack, job["network"])
    backend = TensorRT(plans)
    parities, p50_ms, p99_ms = [], {}, {}
    for batch in plans:
        if expected is not None:
            parities.append(golden.parity(backend, expected, job["variant"], batch))
        p50_ms[str(batch)], p99_ms[str(batch)] = percentiles_ms(latencies_ms(backend, batch, job["measure_s"]))
    inspected = {str(batch): inspect(engine) for batch, engine in backend.engines.items()}
    attribute = generation(trt.__version__).memory_attribute
    device_bytes = sum(getattr(engine, attribute) for engine in backend.engines.values())
    backend.close()
    report(
        {
            "error": max((p.error for p in parities), default=None),
            "limit": max((p.limit for p in parities), default=None),
            "p50_ms": p50_ms,
            "p99_ms": p99_ms,
            "layers": {batch: dict(counts) for batch, (counts, _) in inspected.items()},
            "reformats": {batch: reformats for batch, (_, reformats) in inspected.items()},
            "device_bytes": device_bytes,
            "unrecorded": {str(batch): why for batch, why in backend.unrecorded.items()},
        }
    )


def layers_of(backend: Backend) -> dict[str, int] | None:
    """The layers by precision of the engine for the smallest batch; None for what is no TensorRT."""
    if not isinstance(backend, TensorRT):
        return None
    counts, reformats = inspect(backend.engines[min(backend.engines)])
    return {**counts, "reformat": reformats}


def inspect(engine: Any) -> tuple[Counter[str], int]:
    """How many layers of an engine run in each precision, and how many only reformat."""
    import tensorrt as trt

    text = engine.create_engine_inspector().get_engine_information(trt.LayerInformationFormat.JSON)
    return layer_precisions(text)


# How the inspector writes data types in "Format/Datatype" ("Row major linear FP16 format", "Int8 NC/32HW32") and, in
# newer versions, in "Datatype".
_PRECISIONS = (
    ("int8", r"\bint8\b"),
    ("fp16", r"\b(fp16|half)\b"),
    ("bf16", r"\bbf16\b"),
    ("fp32", r"\b(fp32|float)\b"),
)


def layer_precisions(inspection: str) -> tuple[Counter[str], int]:
    """Layers by precision, and the number of reformatting ones, from the engine inspector's JSON.

    A layer's precision is the type of its first input, which is what it computes in; "unknown" where it does not say.
    """
    counts: Counter[str] = Counter()
    reformats = 0
    for layer in json.loads(inspection).get("Layers", []):
        if not isinstance(layer, dict):  # an engine built without detailed verbosity has names only
            counts["unknown"] += 1
        elif layer.get("LayerType") == "Reformat" or str(layer.get("Name", "")).startswith("Reformatting"):
            reformats += 1
        else:
            first = (layer.get("Inputs") or [{}])[0]
            text = " ".join(str(v) for k, v in first.items() if "type" in k.lower())
            counts[next((name for name, pattern in _PRECISIONS if re.search(pattern, text, re.I)), "unknown")] += 1
    return counts, reformats
