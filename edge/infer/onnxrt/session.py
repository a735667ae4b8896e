"""Networks on ONNX Runtime, on the CPU or on another of its providers."""

import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as native

from edge.errors import DataError, NotFoundError
from edge.files import native_name, open_file
from edge.infer.backend import Port, Running
from edge.infer.ending import runs
from edge.infer.onnxrt import shapes
from edge.infer.onnxrt.available import CPU, has_vnni, require_provider
from edge.infer.reasons import Reason, RungError

# ONNX Runtime computes a float convolution between two grids in integers, with weights that it rounds itself; the
# layers that a pack leaves in float are to stay that.
DISABLED = ("WeightBiasQuantization",)

# The runtime's errors share no base class of their own; what fails while it runs on bound arrays is a RuntimeError, and
# names that are no UTF-8 end in a UnicodeDecodeError.
ERRORS = (
    native.EngineError,
    native.EPFail,
    native.Fail,
    native.InvalidArgument,
    native.InvalidGraph,
    native.InvalidProtobuf,
    native.NotImplemented,
    native.RuntimeException,
    RuntimeError,
    UnicodeDecodeError,
)
DTYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(uint8)": "uint8",
    "tensor(int8)": "int8",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
    "tensor(bool)": "bool",
}


class OnnxRuntime:
    """A `Backend` on ONNX Runtime: `threads` threads inside an operator, operators one after another.

    Inputs and outputs are bound once to arrays of this object, so a run neither copies nor allocates them; only outputs
    as long as what is in the picture are copied. `input_size` is width and height of a picture whose size the file
    leaves open. `provider` is where it computes; what that lacks is computed on the CPU. `rung` and `variant` are what
    it says of itself, see `Running`.
    """

    def __init__(
        self,
        path: Path,
        *,
        threads: int,
        max_batch: int = 1,
        provider: str = CPU,
        input_size: tuple[int, int] | None = None,
        rung: str = "onnxruntime",
        variant: str = "",
    ):
        self._path = path
        self.running = Running(rung, variant, "onnxruntime", onnxruntime.__version__, on_gpu=provider != CPU)
        self._session = _session(path, threads, provider)
        self.input_ports = _ports(path, self._session.get_inputs())
        self.output_ports = _ports(path, self._session.get_outputs())
        self.inputs: Mapping[str, npt.NDArray[Any]] = {
            port.name: np.zeros(shapes.of_input(path, port, max_batch, input_size), port.dtype)
            for port in self.input_ports
        }
        self._varying: frozenset[str] = frozenset()
        self.outputs: Mapping[str, npt.NDArray[Any]] = self._output_buffers(max_batch)
        self._max_batch = max_batch
        self._bindings: dict[int, Any] = {}  # one for each batch size in use
        self._dynamic = {port.name for port in self.input_ports + self.output_ports if port.shape[:1] == (None,)}

    @property
    def stages_ms(self) -> Mapping[str, float]:
        """None: the library runs on the caller's clock."""
        return {}

    def run(self, batch: int | None = None) -> None:
        """See `Backend.run`."""
        rows = self._max_batch if batch is None else batch
        if rows not in self._bindings:
            self._bindings[rows] = self._bind(rows)
        binding = self._bindings[rows]
        if self._varying:  # else the arrays of the run before would be written into, whose sizes were other ones
            binding.clear_binding_outputs()
            self._bind_outputs(binding, rows)
        try:
            with runs:
                self._session.run_with_iobinding(binding)
            if self._varying:
                for name, found in zip(self.outputs, binding.get_outputs(), strict=True):
                    if name in self._varying:
                        shapes.copy_rows(found.numpy(), self.outputs[name])
        except ERRORS as error:
            raise DataError(f"{self._path}: ONNX Runtime cannot run it: {first_line(error)}") from error

    def close(self) -> None:
        """See `Backend.close`."""
        self._bindings.clear()
        del self._session

    def _output_buffers(self, max_batch: int) -> dict[str, npt.NDArray[Any]]:
        """A buffer for each output. Sizes that the file leaves open are seen in one run."""
        batched = any(port.shape[:1] == (None,) for port in self.input_ports)
        sizes = {port.name: shapes.of_output(port, max_batch, batched) for port in self.output_ports}
        unknown = [port for port in self.output_ports if None in sizes[port.name]]
        if unknown:
            self._varying = shapes.rows_vary(self._path, unknown)
            for port, seen in zip(unknown, self._seen(unknown), strict=True):
                varies = port.name in self._varying
                sizes[port.name] = shapes.roomy(sizes[port.name], seen) if varies else seen
        definite = {name: tuple(size or 0 for size in shape) for name, shape in sizes.items()}
        return {port.name: np.zeros(definite[port.name], port.dtype) for port in self.output_ports}

    def _seen(self, ports: Sequence[Port]) -> list[tuple[int, ...]]:
        """The shapes of outputs for inputs of zeros."""
        try:
            found = self._session.run([port.name for port in ports], dict(self.inputs))
        except ERRORS as error:
            raise DataError(f"{self._path}: ONNX Runtime cannot run it: {first_line(error)}") from error
        return [array.shape for array in found]

    def _bind(self, rows: int) -> Any:
        if not 1 <= rows <= self._max_batch:
            raise ValueError(f"batch {rows}: expected 1 to {self._max_batch}")
        binding = self._session.io_binding()
        for name, buffer in self.inputs.items():
            used = buffer[:rows] if name in self._dynamic else buffer
            binding.bind_input(name, "cpu", 0, used.dtype.type, used.shape, used.ctypes.data)
        if not self._varying:
            self._bind_outputs(binding, rows)
        return binding

    def _bind_outputs(self, binding: Any, rows: int) -> None:
        for name, buffer in self.outputs.items():
            if name in self._varying:
                binding.bind_output(name, "cpu")
                continue
            used = buffer[:rows] if name in self._dynamic else buffer
            binding.bind_output(name, "cpu", 0, used.dtype.type, used.shape, used.ctypes.data)


def _session(path: Path, threads: int, provider: str) -> onnxruntime.InferenceSession:
    require_provider(provider)
    # The other settings are best left alone, see benchmarks/speed/sessions.py: arena, memory pattern and denormals
    # change nothing, without prepacked weights integers lose a sixth; a saved graph opens 75 ms sooner but fits one
    # processor.
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    keep_products_exact(options)
    options.log_severity_level = 4  # errors are raised, so ONNX Runtime need not print them
    try:
        open_file(path).close()
        with runs:
            session = onnxruntime.InferenceSession(
                native_name(path),
                options,
                providers=list(dict.fromkeys([provider, CPU])),
                disabled_optimizers=DISABLED,
                enable_fallback=0,  # it would try again with all optimizers, and print so
            )
    except OSError as error:
        raise NotFoundError(f"{path}: cannot read it: {error.strerror}") from error
    except ERRORS as error:
        raise DataError(
            f"{path}: expected an ONNX network that ONNX Runtime {onnxruntime.__version__} can run, found"
            f" {first_line(error)}; export it again"
        ) from error
    if provider not in session.get_providers():  # a library of it is missing: ONNX Runtime says so and goes on without
        raise RungError(Reason.NO_PROVIDER, f"ONNX Runtime could not load {provider} and fell back to {CPU}")
    return session


def keep_products_exact(options: onnxruntime.SessionOptions) -> None:
    """Make sessions of `options` compute integer products without overflow, where they would else.

    On x86 without VNNI products of uint8 and int8 are summed in pairs in 16 bits: NanoDet-Plus-m 0.5x was off by 1.24 %
    instead of .79 % (emulated Haswell, ONNX Runtime 1.31, 2026-11-21). ONNX Runtime has slower and exact kernels, but
    would take them with VNNI as well, where they only cost: 21.1 ms instead of 12.5 (NanoDet-Plus-m 416, AMD EPYC).
    """
    if platform.machine() == "x86_64" and not has_vnni():
        options.add_session_config_entry("session.x64quantprecision", "1")


def _ports(path: Path, arguments: Sequence[Any]) -> tuple[Port, ...]:
    try:
        for argument in arguments:
            if argument.type not in DTYPES:
                raise DataError(f"{path}: input or output {argument.name} has unsupported type {argument.type}")
        return tuple(
            Port(a.name, tuple(d if isinstance(d, int) else None for d in a.shape), DTYPES[a.type]) for a in arguments
        )
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: expected names of inputs and outputs in UTF-8: {error}; export it again") from error


def first_line(error: Exception) -> str:
    """The library's message without its code, at most one line."""
    lines = str(error).rpartition(" : ")[2].splitlines() or [type(error).__name__]
    return lines[0].strip().rstrip(".")
