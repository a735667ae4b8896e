"""Networks on OpenVINO's plug-in for the CPU, from a file or as they were compiled here before."""

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import openvino

from edge.errors import DataError, NotFoundError
from edge.files import native_name, open_file
from edge.infer.backend import Port, Running
from edge.infer.ending import runs
from edge.infer.openvino.available import Precision
from edge.infer.reasons import Reason, RungError

# What float operators are computed in; the few of an INT8 network in what OpenVINO finds best on this processor.
_FLOATS: Mapping[Precision, str] = {"bf16": "bf16", "fp32": "f32"}


class OpenVino:
    """A `Backend` on OpenVINO: `threads` threads compute one run at a time.

    Float operators of the network in `path` are computed in `precision`. `compiled` is what `compiled` of the same
    network gave before: it opens several times faster. Inputs, and outputs of fixed size, are bound once to arrays of
    this object; outputs with a dynamic batch are copied. `rung` and `variant` are what it says of itself, see
    `Running`. Raises NotFoundError, DataError for a network that OpenVINO does not take, RungError for one whose
    outputs have other open sizes than the batch.
    """

    def __init__(
        self,
        path: Path,
        *,
        precision: Precision = "fp32",
        threads: int = 1,
        max_batch: int = 1,
        compiled: bytes | None = None,
        rung: str = "openvino",
        variant: str = "",
    ):
        self._path = path
        self.running = Running(rung, variant, "openvino", openvino.__version__.partition("-")[0])
        self._model = model = _compiled(path, _settings(precision, threads), compiled)
        self.input_ports, self.output_ports = (_ports(path, side) for side in (model.inputs, model.outputs))
        self._max_batch = max_batch
        for port in (*self.input_ports, *self.output_ports):
            if None in port.shape[1:]:
                raise RungError(Reason.BACKEND_FAILED, f"{port}: a size beside the batch is open")
        self.inputs: Mapping[str, npt.NDArray[Any]] = _buffers(self.input_ports, max_batch)
        self.outputs: Mapping[str, npt.NDArray[Any]] = _buffers(self.output_ports, max_batch)
        self._dynamic = {port.name for port in (*self.input_ports, *self.output_ports) if port.shape[:1] == (None,)}
        self._request = model.create_infer_request()
        for name, buffer in self.inputs.items():
            self._bind(name, buffer)
        for name, buffer in self.outputs.items():
            if name not in self._dynamic:
                self._bind(name, buffer)
        self._rows = max_batch

    @property
    def stages_ms(self) -> Mapping[str, float]:
        """None: the library runs on the caller's clock."""
        return {}

    @property
    def compiled(self) -> bytes:
        """The network as it was compiled for this processor, to be opened again by the same version on it."""
        content: bytes = self._model.export_model().getvalue()
        return content

    def run(self, batch: int | None = None) -> None:
        """See `Backend.run`."""
        rows = self._max_batch if batch is None else batch
        if not 1 <= rows <= self._max_batch:
            raise ValueError(f"batch {rows}: expected 1 to {self._max_batch}")
        try:
            if rows != self._rows:
                for name in self._dynamic & self.inputs.keys():
                    self._bind(name, self.inputs[name][:rows])
                self._rows = rows
            with runs:
                self._request.infer(share_outputs=True)
            for name in self._dynamic & self.outputs.keys():
                self.outputs[name][:rows] = self._request.get_tensor(name).data
        except (RuntimeError, ValueError) as error:
            raise DataError(f"{self._path}: OpenVINO cannot run it: {_first_line(error)}") from error

    def close(self) -> None:
        """See `Backend.close`."""
        del self._request, self._model

    def _bind(self, name: str, buffer: npt.NDArray[Any]) -> None:
        self._request.set_tensor(name, openvino.Tensor(buffer, shared_memory=True))


@functools.cache
def _core() -> openvino.Core:
    return openvino.Core()


def _settings(precision: Precision, threads: int) -> dict[str, Any]:
    # Threads that are pinned to cores would all be pinned to the same ones when several networks run side by side.
    settings = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "ENABLE_CPU_PINNING": False}
    hint = {"INFERENCE_PRECISION_HINT": _FLOATS[precision]} if precision in _FLOATS else {}
    return settings | hint


def _compiled(path: Path, settings: dict[str, Any], compiled: bytes | None) -> openvino.CompiledModel:
    try:
        with runs:
            if compiled is not None:
                return _core().import_model(compiled, "CPU", settings)
            open_file(path).close()
            return _core().compile_model(_core().read_model(native_name(path)), "CPU", settings)
    except OSError as error:
        raise NotFoundError(f"{path}: cannot read it: {error.strerror}") from error
    except RuntimeError as error:
        raise DataError(
            f"{path}: expected a network that OpenVINO {openvino.__version__} can run, found {_first_line(error)}"
        ) from error


def _ports(path: Path, ports: Any) -> tuple[Port, ...]:
    return tuple(
        Port(
            port.get_any_name(),
            tuple(length.get_length() if length.is_static else None for length in port.get_partial_shape()),
            np.dtype(port.get_element_type().to_dtype()).name,
        )
        for port in ports
    )


def _buffers(ports: Sequence[Port], max_batch: int) -> dict[str, npt.NDArray[Any]]:
    return {p.name: np.zeros([max_batch if size is None else size for size in p.shape], p.dtype) for p in ports}


def _first_line(error: Exception) -> str:
    """The library's message: the last line that says something, for the first ones name its own source files."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines or [type(error).__name__])[-1].rstrip(".")
