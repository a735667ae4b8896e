"""Settings of ONNX Runtime's sessions, in turns: what one run and opening cost, and what a second core brings.

    python -m benchmarks.speed.sessions PACK

The pack wants fp32 and int8 variants (nanotrack-export pack --calibrate). Rates with several threads mean something on
an idle machine only.
"""

import argparse
import os
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from benchmarks.results import table, write_section
from edge import modelpack

ROUNDS, OPENINGS = 40, 3
_RATE_S, _RATE_ROUNDS = 2.0, 3
_SPIN = "session.intra_op.allow_spinning"
# What edge.infer.onnxrt.session leaves as it is, the other way round; "saved" opens the graph as it was optimised here
# before.
SETTINGS: dict[str, dict[str, Any]] = {
    "as shipped": {},
    "no memory arena": {"enable_cpu_mem_arena": False},
    "no memory pattern": {"enable_mem_pattern": False},
    "no prepacked weights": {"session.disable_prepacking": "1"},
    "denormals as zero": {"session.set_denormal_as_zero": "1"},
    "no hardware layout": {"graph_optimization_level": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED},
    "saved": {"graph_optimization_level": onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL},
}


def main() -> None:
    """Measure and write the section of the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pack", type=Path)
    parser.add_argument("--dry-run", action="store_true", help="print only")
    args = parser.parse_args()
    pack = modelpack.read(args.pack)
    variants = pack.detector.variants
    parts = [_settings(pack.path(variants[form]), form) for form in ("fp32", "int8")]
    cores = len(os.sched_getaffinity(0))
    if cores > 1:
        parts += [_rates({form: pack.path(variants[form]) for form in ("fp32", "int8")}, cores)]
    body = "\n".join(parts)
    print(body)
    if not args.dry_run:
        write_section(
            "sessions", "Settings of ONNX Runtime", body, "python -m benchmarks.speed.sessions PACK", ("onnxruntime",)
        )


def _session(path: Path, threads: int, settings: dict[str, Any]) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads, options.log_severity_level = threads, 1, 3
    for name, value in settings.items():
        if "." in name:
            options.add_session_config_entry(name, value)
        else:
            setattr(options, name, value)
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _run(session: onnxruntime.InferenceSession) -> Callable[[], None]:
    """A run of the session on buffers that are bound once."""
    binding, random = session.io_binding(), np.random.default_rng(0)
    buffers = [random.integers(0, 256, port.shape, np.uint8) for port in session.get_inputs()]
    for port, buffer in zip(session.get_inputs(), buffers, strict=True):
        binding.bind_input(port.name, "cpu", 0, np.uint8, buffer.shape, buffer.ctypes.data)
    for port in session.get_outputs():
        buffers.append(np.zeros(port.shape, np.float32))
        binding.bind_output(port.name, "cpu", 0, np.float32, buffers[-1].shape, buffers[-1].ctypes.data)

    def run(kept: list[np.ndarray] = buffers) -> None:  # the binding knows only their addresses
        session.run_with_iobinding(binding)

    run()
    return run


def _cpu_ms(work: Callable[[], object]) -> float:
    before_ns = time.process_time_ns()
    work()
    return (time.process_time_ns() - before_ns) / 1e6


def _settings(path: Path, form: str) -> str:
    """CPU time of opening and running with each setting, one thread."""
    with tempfile.TemporaryDirectory() as folder:
        saved = Path(folder) / "saved.onnx"
        _session(path, 1, {"optimized_model_filepath": str(saved)})
        files = {name: saved if name == "saved" else path for name in SETTINGS}
        opening_ms = {
            name: min(_cpu_ms(lambda n=name: _session(files[n], 1, SETTINGS[n])) for _ in range(OPENINGS))  # type: ignore[misc]
            for name in SETTINGS
        }
        runs = {name: _run(_session(files[name], 1, settings)) for name, settings in SETTINGS.items()}
    times_ms: dict[str, list[float]] = {name: [] for name in SETTINGS}
    for _ in range(ROUNDS):
        for name, run in runs.items():
            times_ms[name].append(_cpu_ms(run))
    rows = [(name, form, f"{np.median(ms):.2f}", f"{opening_ms[name]:.0f}") for name, ms in times_ms.items()]
    head = f"One thread, CPU time, median of {ROUNDS} runs in turns; opening: least of {OPENINGS}.\n\n"
    return (head if form == "fp32" else "") + table(("setting", "network", "run ms", "open ms"), rows)


def _rates(paths: dict[str, Path], cores: int) -> str:
    """Frames a second with all cores: inside operators, spinning or not, and a frame each."""
    rows = []
    for form, path in paths.items():
        one, spinning, sleeping = (
            _session(path, *arguments) for arguments in ((1, {}), (cores, {}), (cores, {_SPIN: "0"}))
        )
        ways = {
            "one thread": [_run(one)],
            f"{cores} threads in a frame, spinning (as shipped)": [_run(spinning)],
            f"{cores} threads in a frame, sleeping": [_run(sleeping)],
            f"{cores} frames, a thread each": [_run(one) for _ in range(cores)],
        }
        rates: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(_RATE_ROUNDS):
            for name, runs in ways.items():
                rates[name].append(_rate(runs))
        first = max(rates["one thread"])
        rows += [(name, form, f"{max(found):.1f}", f"{max(found) / first:.2f}x") for name, found in rates.items()]
    head = f"Networks alone, {cores} cores, wall clock, best of {_RATE_ROUNDS} turns of {_RATE_S:g} s.\n\n"
    return head + table(("way", "network", "frames a second", "of one thread"), rows)


def _rate(runs: list[Callable[[], None]]) -> float:
    counts, end_s = [0] * len(runs), time.perf_counter() + _RATE_S

    def work(index: int) -> None:
        while time.perf_counter() < end_s:
            runs[index]()
            counts[index] += 1

    workers = [threading.Thread(target=work, args=(index,)) for index in range(len(runs))]
    start_s = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(counts) / (time.perf_counter() - start_s)


if __name__ == "__main__":
    main()
