"""A foreign ONNX file opened and run for the first time, in a child process with limits of time and memory.

A file of a few hundred bytes can hold a loop without an end, a constant of 32 GB, or functions that unfold to a
thousand million nodes when a session optimises them. None of that may happen in a process that matters.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from edge.errors import DataError, NanoTrackError, NotFoundError
from edge.files import native_name, open_file
from edge.infer import child
from edge.infer.child import Message, Report

Shapes = Mapping[str, Sequence[int]]

# Far more than a slow, busy board with its files on an SD card needs for a network of this size.
LEAST_S = 40.0
_S_PER_MB = 2.0
# Optimisation and prepacking hold weights several times over; a small network still has activations.
_LEAST_BYTES = 2 << 30
_TIMES_THE_FILE = 8


class Seen(NamedTuple):
    """An output of one run: its shape and numpy's name of its dtype. `always` is the shape that ONNX Runtime knows
    before any run, None where a size depends on what is fed."""

    shape: tuple[int, ...]
    dtype: str
    always: tuple[int | None, ...]


def attempt(path: Path, runs: Sequence[Shapes]) -> list[dict[str, Seen]]:
    """The outputs by name of each of `runs` of the network in `path`, fed with zeros of the given shapes.

    No run: the file is only opened. Raises NotFoundError where there is no file, DataError for one that is no valid
    model, that ONNX Runtime cannot open or run, or that takes too much time or memory.
    """
    done = _call(path, "_run", {"runs": [{name: list(shape) for name, shape in run.items()} for run in runs]})
    return [
        {name: Seen(tuple(shape), dtype, tuple(always)) for name, (shape, dtype, always) in run["outputs"].items()}
        for run in done
    ]


def _call(path: Path, function: str, request: dict[str, Any]) -> list[Message]:
    """What a function of this module reports of the file in `path`, run in a child process with limits."""
    try:
        with open_file(path) as file:
            size = file.seek(0, 2)
    except OSError as error:
        raise NotFoundError(f"{path}: cannot be read ({error.strerror})") from error
    memory_bytes, timeout_s = _LEAST_BYTES + _TIMES_THE_FILE * size, LEAST_S + _S_PER_MB * size / 1e6
    request = {"path": native_name(path), **request}
    done = child.call(f"edge.infer.onnxrt.trial:{function}", request, timeout_s=timeout_s, memory_bytes=memory_bytes)
    refusal = next((message["refused"] for message in done.messages if "refused" in message), None)
    if refusal is not None:
        raise DataError(f"{path}: {refusal}")
    if done.timed_out:
        raise DataError(
            f"{path}: opening and running it took more than {timeout_s:.0f} s for a file of {size / 1e6:.1f} MB:"
            " given up; check that the file is a network and not damaged"
        )
    if done.out_of_memory:
        raise DataError(
            f"{path}: opening and running it took more than {memory_bytes >> 20:,} MB of memory for a file of"
            f" {size / 1e6:.1f} MB, or all there is: given up; check that the file is a network and not damaged"
        )
    if done.status:
        raise DataError(f"{path}: ONNX Runtime crashed on it (status {done.status}); export it again")
    return done.messages


def require_bearable(path: Path, max_batch: int = 1, input_size: tuple[int, int] | None = None) -> None:
    """Return when a bare ONNX file opens and runs once as the tracker will run it. Raises as `attempt`."""
    _call(path, "_open", {"max_batch": max_batch, "input_size": input_size})


def _open(request: dict[str, Any], report: Report) -> None:
    """The child's side: open the file as a backend, which needs one run to know all sizes, and run it."""
    from edge.infer.onnxrt.session import OnnxRuntime

    size = request["input_size"]
    try:
        network = OnnxRuntime(
            Path(request["path"]), threads=1, max_batch=request["max_batch"], input_size=tuple(size) if size else None
        )
        network.run()
    except NanoTrackError as error:
        report({"refused": str(error).removeprefix(f"{request['path']}: ")})


def _run(request: dict[str, Any], report: Report) -> None:
    """The child's side: a message with the outputs of each run, or one that says why there is none."""
    try:
        for message in _outputs(request):
            report(message)
    except DataError as error:
        report({"refused": str(error).removeprefix(f"{request['path']}: ")})


def _outputs(request: dict[str, Any]) -> list[Message]:
    import numpy as np
    import onnxruntime

    from edge.infer.onnxrt.available import CPU
    from edge.infer.onnxrt.session import DISABLED, DTYPES, first_line

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        network = onnxruntime.InferenceSession(
            request["path"], options, providers=[CPU], disabled_optimizers=DISABLED, enable_fallback=0
        )
        dtypes = {port.name: DTYPES[port.type] for port in network.get_inputs()}
        outputs = {port.name: [d if isinstance(d, int) else None for d in port.shape] for port in network.get_outputs()}
    except KeyError as error:
        raise DataError(f"an input has the unsupported type {error}") from error
    except Exception as error:  # its errors share no base class, and whatever it is, this file cannot be used
        raise DataError(
            f"expected an ONNX network that ONNX Runtime {onnxruntime.__version__} can run, found {first_line(error)};"
            " export it again"
        ) from error
    messages = []
    for shapes in request["runs"]:
        feed = {name: np.zeros(shapes[name], dtypes[name]) for name in dtypes if name in shapes}
        try:
            found = network.run(list(outputs), feed)
        except Exception as error:  # as above
            raise DataError(f"ONNX Runtime cannot run it: {first_line(error)}") from error
        seen = zip(outputs, found, strict=True)
        messages.append({"outputs": {name: (list(a.shape), a.dtype.name, outputs[name]) for name, a in seen}})
    return messages
