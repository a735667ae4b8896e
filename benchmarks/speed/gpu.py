"""What the CUDA layer costs on the GPU of this machine, and ONNX Runtime on it beside the CPU.

    python -m benchmarks.speed.gpu PACK --json OUT.json     on the machine with the GPU
    python -m benchmarks.speed.gpu --again OUT.json         writes the section of the results, anywhere

The first needs pycuda, nvcc and an onnxruntime with CUDA; TensorRT is not touched.
"""

import argparse
import datetime
import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.results import machine, table, versions, write_section
from edge import modelpack
from edge.infer.ladder import RUNGS, Ladder, Wish
from edge.infer.tensorrt.cuda import Buffer, Device, Stream
from edge.infer.tensorrt.cuda_graph import Graph

KERNELS = """
__global__ void twice(const unsigned char* in, float* out, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) out[i] = in[i] * 2.0f;
}
__global__ void tiny(float* out) { out[0] += 1.0f; }
"""
TENSORS = {"a frame, 416x416x3": 416 * 416 * 3, "16 crops, 256x128x3": 16 * 256 * 128 * 3}
BATCHES = (1, 4, 16)


def median_us(work: Callable[[], None], rounds: int = 300) -> float:
    """Median microseconds of `work` by the host's clock, warm."""
    took = []
    for k in range(rounds + 30):
        began = time.perf_counter()
        work()
        if k >= 30:
            took.append(1e6 * (time.perf_counter() - began))
    return float(np.median(took))


def layer() -> dict[str, float]:
    """Microseconds of what the CUDA layer does a frame, each until the CPU knows that it is done."""
    from pycuda.compiler import SourceModule

    found: dict[str, float] = {}
    with Device().current() as cuda:
        module, stream = SourceModule(KERNELS), Stream(cuda)
        twice, tiny = module.get_function("twice"), module.get_function("tiny")

        def done() -> None:
            stream.mark()
            stream.wait()

        for name, size in TENSORS.items():
            target = Buffer(cuda, (size,), np.float32, mapped=False)
            for mapped in (False, True):
                source = Buffer(cuda, (size,), np.uint8, mapped=mapped)

                def through(source: Buffer = source, target: Buffer = target, size: int = size) -> None:
                    source.upload(stream.queue)
                    numbers = np.uintp(source.address), np.uintp(target.address), np.int32(size)
                    twice(*numbers, block=(256, 1, 1), grid=((size + 255) // 256, 1), stream=stream.queue)
                    done()

                found[f"{name}: {'mapped' if mapped else 'copied'}, one kernel"] = median_us(through)
                source.free()
            target.free()
        cell = Buffer(cuda, (4,), np.float32, mapped=False)

        def hundred() -> None:
            for _ in range(100):
                tiny(np.uintp(cell.address), block=(1, 1, 1), stream=stream.queue)

        graph, spin = Graph(stream.handle, hundred), cuda.Event(cuda.event_flags.DISABLE_TIMING)

        def one(wait: Callable[[], None]) -> None:
            tiny(np.uintp(cell.address), block=(1, 1, 1), stream=stream.queue)
            wait()

        def then_done(work: Callable[[], None]) -> None:
            work()
            done()

        def spinning() -> None:
            spin.record(stream.queue)
            spin.synchronize()

        found["100 small kernels, launched one by one"] = median_us(lambda: then_done(hundred))
        found["100 small kernels, one CUDA graph"] = median_us(lambda: then_done(graph.launch))
        found["one small kernel, waiting asleep"] = median_us(lambda: one(done))
        found["one small kernel, waiting in a loop"] = median_us(lambda: one(spinning))
        graph.close()
        cell.free()
    return found


def networks(folder: Path) -> list[dict[str, Any]]:
    """A row a network, batch and rung: ONNX Runtime on CUDA beside one thread of the CPU, with the golden output."""
    pack, rows = modelpack.read(folder), []
    for network in ("detector", "reid") if pack.reid else ("detector",):
        batches = BATCHES if network == "reid" else (None,)  # the detector's batch is fixed
        for name in ("onnxruntime-fp32", "onnxruntime-cuda"):
            rung = next(rung for rung in RUNGS if rung.name == name)
            opened = Ladder(Wish(rung.backend, require=name)).open_rung(rung, pack, network, batches[-1] or 1)
            rounds = 200 if name.endswith("cuda") else 40
            for batch in batches:
                took_us = median_us(partial(opened.backend.run, batch), rounds)
                row = {"network": network, "batch": batch or 1, "rung": name, "ms": took_us / 1e3}
                rows.append({**row, "golden": str(opened.parity)})
            opened.backend.close()
    return rows


def measured(pack: Path) -> dict[str, Any]:
    """Everything, with the machine that it was measured on."""
    import pycuda.driver as cuda

    with Device().current():
        name, driver = cuda.Context.get_device().name(), cuda.get_driver_version()
    return {
        "gpu": f"{name}, driver of CUDA {driver // 1000}.{driver % 1000 // 10}",
        "machine": f"{machine()}, {versions(('pycuda', 'onnxruntime-gpu', 'numpy'))}",
        "date": str(datetime.date.today()),
        "remark": "",
        "layer_us": layer(),
        "networks": networks(pack),
    }


def section(found: dict[str, Any]) -> str:
    """The text of the section."""
    costs = table(("what", "", "µs"), ((name, "", f"{us:.0f}") for name, us in found["layer_us"].items()))
    rows = (
        (row["network"], row["rung"], str(row["batch"]), f"{row['ms']:.2f}", row["golden"]) for row in found["networks"]
    )
    return f"""{found["remark"]}

From the call to the CPU's knowing that the work is done, median:

{costs}
ONNX Runtime's CUDA provider beside one thread of the CPU, median:

{table(("network", "rung", "batch", "ms", "golden output"), rows)}
TensorRT was not there: how engines run on a GPU is not measured, nor anything on a Jetson."""


def main() -> None:
    """Measure, or write what was measured elsewhere."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pack", type=Path, nargs="?", metavar="PACK")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the figures")
    parser.add_argument("--again", type=Path, metavar="FILE", help="figures kept before")
    args = parser.parse_args()
    if not args.again and not args.pack:
        parser.error("expected PACK, or --again with figures kept before")
    found = json.loads(args.again.read_text("utf-8")) if args.again else measured(args.pack)
    if args.json:
        args.json.write_text(json.dumps(found, indent=1), "utf-8")
    print(section(found))
    where = ", ".join(found[name] for name in ("gpu", "machine", "date"))
    write_section("gpu", "On a GPU", section(found), "python -m benchmarks.speed.gpu PACK", (), where)


if __name__ == "__main__":
    main()
