"""Lower bounds of the stages' times: multiply-adds and bytes, divided by what this board does of them at its best."""

import json
import math
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge.profile.report import Stage

# Of the matrices whose products are timed: so small that BLAS stays on one core, all of them in its cache.
_SIDE, _PRODUCTS = 64, 16
_BLOCK_BYTES = 64 << 20  # more than caches hold
_ROUNDS = 20
# Above this share of the best, only less work makes a stage faster.
_NEAR = 0.6


@dataclass(frozen=True)
class Best:
    """What the board does at its best: float32 multiply-adds a second of one core, bytes a second read or written."""

    multiply_adds: float
    bytes: float


@dataclass(frozen=True)
class Work:
    """What a frame asks for: multiply-adds of the network, bytes of the picture and of the network's input."""

    multiply_adds: int
    picture_bytes: int
    tensor_bytes: int


def best() -> Best:
    """Measured now, in about half a second: products of small matrices, and a copy of memory, by one core."""
    a = np.ones((_PRODUCTS, _SIDE, _SIDE), np.float32)
    product_s = _least_s(lambda: a @ a) / _PRODUCTS
    source, target = np.ones(_BLOCK_BYTES, np.uint8), np.empty(_BLOCK_BYTES, np.uint8)
    return Best(_SIDE**3 / product_s, 2 * _BLOCK_BYTES / _least_s(lambda: np.copyto(target, source)))


def _least_s(work: Callable[[], object]) -> float:
    times = []
    for _ in range(_ROUNDS):
        before_s = time.perf_counter()
        work()
        times.append(time.perf_counter() - before_s)
    return min(times)


def multiply_adds(network: Path) -> int:
    """Those of the convolutions and matrix products of an ONNX file with fixed shapes.

    ONNX Runtime tells the shapes: one run with its own profiling, nothing fused.
    """
    import onnxruntime

    with tempfile.TemporaryDirectory() as folder:
        options = onnxruntime.SessionOptions()
        options.enable_profiling, options.profile_file_prefix = True, f"{folder}/run"
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.log_severity_level = 4
        session = onnxruntime.InferenceSession(str(network), options, providers=["CPUExecutionProvider"])
        dtypes = {"tensor(float)": np.float32, "tensor(uint8)": np.uint8}
        session.run(None, {port.name: np.zeros(port.shape, dtypes[port.type]) for port in session.get_inputs()})
        events = json.loads(Path(session.end_profiling()).read_text("utf-8"))
    return sum(_of_node(event["args"]) for event in events if "output_type_shape" in event.get("args", {}))


def _of_node(args: Mapping[str, Any]) -> int:
    inputs = [shape for entry in args["input_type_shape"] for shape in entry.values()]
    outputs = [shape for entry in args["output_type_shape"] for shape in entry.values()]
    if args.get("op_name") == "Conv":
        return int(math.prod(outputs[0]) * math.prod(inputs[1][1:]))
    if args.get("op_name") in ("Gemm", "MatMul"):
        return int(math.prod(outputs[0]) * inputs[0][-1])
    return 0


def sentences(work: Work, found: Best, stages: Sequence[Stage], threads: int) -> tuple[str, ...]:
    """For each stage whose work is known, what it would take at the board's best, and what it took."""
    by_name = {stage.name: stage for stage in stages}
    said = []
    if infer := by_name.get("infer"):
        rate = found.multiply_adds * threads
        bound_ms = 1000 * work.multiply_adds / rate
        share = bound_ms / infer.p50_ms
        near = "only a smaller network or integers are faster"
        advice = near if share > _NEAR else "narrow layers and memory take the rest"
        said.append(
            f"infer: {work.multiply_adds / 1e6:.0f} million multiply-adds are {bound_ms:.1f} ms at the"
            f" {rate / 1e9:.0f} billion a second of float32 matrix products here, {threads} core{'s' * (threads > 1)};"
            f" {infer.p50_ms:.1f} ms were measured, {share:.0%} of that speed: {advice}"
        )
    for name, size, what in (
        ("preprocess", work.picture_bytes + work.tensor_bytes, "read and written"),
        ("decode", work.picture_bytes, "written"),
    ):
        if stage := by_name.get(name):
            bound_ms = 1000 * size / found.bytes
            said.append(
                f"{name}: {size / 1e6:.1f} MB {what} are {bound_ms:.2f} ms at the {found.bytes / 1e9:.0f} GB a second"
                f" of a copy here; {stage.p50_ms:.2f} ms were measured"
            )
    return tuple(said)
