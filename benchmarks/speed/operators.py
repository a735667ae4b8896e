"""Where the time of an INT8 network goes, operator by operator, beside what this core can multiply at most.

    python -m benchmarks.speed.operators PACK

The pack wants an int8 variant (nanotrack-export pack --calibrate). ONNX Runtime's profile and, where the extra is,
OpenVINO's counters; one thread. The ceiling is what the same engine reaches on one INT8 convolution of 1x1 with many
channels, the best of several sizes: there nothing but multiply-adds counts.
"""

import argparse
import json
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from benchmarks.results import table, write_section
from benchmarks.speed.engines import PUBLISHED
from edge import modelpack
from edge.infer.onnxrt.available import CPU
from edge.infer.onnxrt.session import DISABLED, keep_products_exact
from edge.infer.openvino.available import installed
from export.graph import IR_VERSION, OPSET

RUNS = 100
_CEILINGS = ((128, 52), (256, 26), (1024, 13))  # channels, width and height
_MULTIPLYING = ("Conv", "Gemm")


@dataclass(frozen=True)
class Spent:
    """Milliseconds of one operator in a run, its kind in words, and its multiply-adds."""

    kind: str
    ms: float
    products: int


@dataclass(frozen=True)
class Work:
    """What one operator of a file has to do: its kind in words and its multiply-adds."""

    kind: str
    products: int


def main() -> None:
    """Measure and write the section of the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pack", type=Path)
    parser.add_argument("--dry-run", action="store_true", help="print only")
    args = parser.parse_args()
    pack = modelpack.read(args.pack)
    file = pack.path(pack.detector.variants["int8"])
    image = pack.detector.input
    pixels = np.random.default_rng(0).integers(0, 256, (1, image.height, image.width, 3), np.uint8)
    head = f"{pack.detector.source.architecture}, {image.width}x{image.height}, int8, one thread"
    parts = [f"{head}; of every operator the least of {RUNS} runs."]
    engines = {"ONNX Runtime": on_onnxruntime} | ({"OpenVINO": on_openvino} if installed("openvino") else {})
    published_ms = None
    if (image.width, image.height) == (416, 416) and PUBLISHED.exists():
        planes = np.random.default_rng(0).normal(0, 1, (1, 3, 416, 416)).astype(np.float32)
        published_ms = sum(each.ms for each in on_onnxruntime(PUBLISHED, planes))
    with tempfile.TemporaryDirectory() as folder:
        for engine, measure in engines.items():
            most = max(_rate(measure(*_written(Path(folder), *size))) for size in _CEILINGS)
            parts.append(text(engine, measure(file, pixels), most, published_ms))
    body = "\n\n".join(parts)
    print(body)
    if not args.dry_run:
        packages = ["onnxruntime", *(["openvino"] if "OpenVINO" in engines else [])]
        write_section(
            "operators", "INT8 beside the ceiling", body, "python -m benchmarks.speed.operators PACK", packages
        )


def _written(folder: Path, channels: int, pixels: int) -> tuple[Path, np.ndarray[Any, Any]]:
    """The file with one large convolution, and its input."""
    onnx.save(ceiling(channels, pixels), folder / "ceiling.onnx")
    shape = (1, channels, pixels, pixels)
    return folder / "ceiling.onnx", np.random.default_rng(1).integers(0, 256, shape, np.uint8)


def ceiling(channels: int, pixels: int) -> onnx.ModelProto:
    """One INT8 convolution of 1x1 in Q/DQ form, input and output in bytes."""
    random = np.random.default_rng(0)
    shape = (1, channels, pixels, pixels)
    constants = {
        "scale": np.float32(0.02),
        "zero": np.uint8(128),
        "weight": random.integers(-127, 128, (channels, channels, 1, 1)).astype(np.int8),
        "weight.scale": np.full(channels, 0.01, np.float32),
        "weight.zero": np.zeros(channels, np.int8),
    }
    nodes = [
        helper.make_node("DequantizeLinear", ["x", "scale", "zero"], ["x.float"]),
        helper.make_node("DequantizeLinear", ["weight", "weight.scale", "weight.zero"], ["w"], axis=0),
        helper.make_node("Conv", ["x.float", "w"], ["product"], "big", kernel_shape=[1, 1]),
        helper.make_node("QuantizeLinear", ["product", "scale", "zero"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "ceiling",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, shape)],
        [helper.make_tensor_value_info("y", TensorProto.UINT8, shape)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)


def works(model: onnx.ModelProto) -> dict[str, Work]:
    """By name: the operators that multiply."""
    inferred = onnx.shape_inference.infer_shapes(model).graph
    shapes = {
        value.name: [dimension.dim_value for dimension in value.type.tensor_type.shape.dim]
        for value in (*inferred.value_info, *inferred.input, *inferred.output)
    }
    shapes |= {tensor.name: list(tensor.dims) for tensor in inferred.initializer}
    found = {}
    for node in inferred.node:
        if node.op_type not in _MULTIPLYING:
            continue
        weight, output = shapes[node.input[1]], shapes[node.output[0]]
        if node.op_type == "Gemm":
            is_turned = any(attribute.name == "transA" and attribute.i for attribute in node.attribute)
            summed = shapes[node.input[0]][0 if is_turned else -1]
            found[node.name] = Work("matrix (the last layers)", int(np.prod(output)) * summed)
            continue
        size = "x".join(map(str, weight[2:]))
        kind = f"convolution {size}, depthwise" if weight[1] == 1 else f"convolution {size}"
        found[node.name] = Work(kind, int(np.prod(output) * np.prod(weight[1:])))
    return found


def on_onnxruntime(file: Path, pixels: np.ndarray[Any, Any]) -> list[Spent]:
    """Every operator that ONNX Runtime runs, the least of `RUNS` runs."""
    known = works(onnx.load(file))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_profiling = True
    keep_products_exact(options)
    with tempfile.TemporaryDirectory() as folder:
        options.profile_file_prefix = f"{folder}/profile"
        session = onnxruntime.InferenceSession(str(file), options, providers=[CPU], disabled_optimizers=DISABLED)
        feed = {session.get_inputs()[0].name: pixels}
        for _ in range(RUNS):
            session.run(None, feed)
        events = json.loads(Path(session.end_profiling()).read_text("utf-8"))
    times_ms: dict[tuple[str, str], list[float]] = {}
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            name = event["name"].removesuffix("_kernel_time")
            times_ms.setdefault((name, event["args"]["op_name"]), []).append(event["dur"] / 1000)
    return [_spent([_plain(name)], operator, times_ms[name, operator], known) for name, operator in times_ms]


def _plain(name: str) -> str:
    """The name in the file of an operator that ONNX Runtime fused or laid out anew."""
    return re.sub(r"(_token_\d+|_nchwc)+$", "", name).removesuffix(".act")


def on_openvino(file: Path, pixels: np.ndarray[Any, Any]) -> list[Spent]:
    """Every operator that OpenVINO runs, the least of `RUNS` runs."""
    import openvino

    known = works(onnx.load(file))
    settings = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "ENABLE_CPU_PINNING": False, "PERF_COUNT": True}
    compiled = openvino.Core().compile_model(str(file), "CPU", settings)
    origins = {
        operator.get_friendly_name(): operator.get_rt_info()["originalLayersNames"].astype(str).split(",")
        for operator in compiled.get_runtime_model().get_ops()
    }
    request = compiled.create_infer_request()
    times_ms: dict[tuple[str, str], list[float]] = {}
    for _ in range(RUNS):
        request.infer({0: pixels})
        for info in request.get_profiling_info():
            if info.status == openvino.ProfilingInfo.Status.EXECUTED:
                times_ms.setdefault((info.node_name, info.node_type), []).append(info.real_time.total_seconds() * 1000)
    return [
        _spent([origin.partition("/")[0] for origin in origins.get(name, [name])], kind, times_ms[name, kind], known)
        for name, kind in times_ms
    ]


def _spent(names: Sequence[str], operator: str, times_ms: Sequence[float], known: Mapping[str, Work]) -> Spent:
    work = next((known[name] for name in names if name in known), None) if _multiplies(operator) else None
    ms = min(times_ms)  # what disturbs only makes them longer
    return Spent(operator, ms, 0) if work is None else Spent(f"{work.kind}{_float(operator)}", ms, work.products)


def _multiplies(operator: str) -> bool:
    return any(part in operator for part in ("Conv", "Gemm", "FullyConnected", "MatMul"))


def _float(operator: str) -> str:
    """What ONNX Runtime's names tell: what the calibration left in float."""
    return ", float" if operator in ("Conv", "FusedConv", "Gemm") else ""


def _rate(spent: Sequence[Spent]) -> float:
    """Multiply-adds a second, in 1e9, of the operators that multiply."""
    multiplying = [each for each in spent if each.products]
    return sum(each.products for each in multiplying) / sum(each.ms for each in multiplying) / 1e6


def text(engine: str, spent: Sequence[Spent], most: float, published_ms: float | None = None) -> str:
    """The table of one engine, by kind of operator, the dearest first, and how far it could go beside `published_ms`,
    the time of the published file."""
    total_ms = sum(each.ms for each in spent)
    products = sum(each.products for each in spent)
    kinds = {kind: [each for each in spent if each.kind == kind] for kind in {each.kind for each in spent}}
    rows = []
    for kind, group in sorted(kinds.items(), key=lambda item: -sum(each.ms for each in item[1])):
        ms, millions = sum(each.ms for each in group), sum(each.products for each in group) / 1e6
        rate = (f"{millions / ms:.0f}", f"{millions / ms / most:.0%}") if millions else ("", "")
        rows.append(
            (kind, str(len(group)), f"{ms:.2f}", f"{ms / total_ms:.0%}", f"{millions:.0f}" if millions else "", *rate)
        )
    floor_ms = products / most / 1e6
    dense = [each for each in spent if each.products and "depthwise" not in each.kind]
    ideal_ms = total_ms - sum(each.ms for each in dense) + sum(each.products for each in dense) / most / 1e6
    against = (
        f" The published file takes {published_ms:.2f} ms in float32, {published_ms / total_ms:.2f} times as long, and"
        f" {published_ms / ideal_ms:.2f} times as long as that."
        if published_ms
        else ""
    )
    columns = ("operator", "how many", "ms", "of all", "million multiply-adds", "GMAC/s", "of the ceiling")
    return (
        f"**{engine}**, ceiling {most:.0f} GMAC/s: {total_ms:.2f} ms in operators. At the ceiling all"
        f" {products / 1e6:.0f} million multiply-adds together would take {floor_ms:.2f} ms,"
        f" {floor_ms / total_ms:.0%} of that. With every convolution but the depthwise ones, and the last layers, at"
        f" the ceiling, those in float too, and all else as it is: {ideal_ms:.2f} ms.{against}\n\n"
        + table(columns, rows)
    )


if __name__ == "__main__":
    main()
