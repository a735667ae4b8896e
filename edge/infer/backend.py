"""What an inference backend is: fixed buffers and a `run`, the same shape for every library."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import numpy.typing as npt

from edge.errors import UnavailableError

# Those of ONNX Runtime with a GPU are never automatic: only some builds of it have them.
BackendName = Literal["auto", "tensorrt", "onnxruntime", "onnxruntime-cuda", "onnxruntime-tensorrt"]
VariantName = Literal["auto", "fp32", "int8"]


class Port(NamedTuple):
    """An input or output of a network: `shape` has None where it is dynamic, `dtype` is numpy's name of it."""

    name: str
    shape: tuple[int | None, ...]
    dtype: str

    def __str__(self) -> str:
        return f"{self.name} {self.dtype}[{','.join('?' if d is None else str(d) for d in self.shape)}]"


class Backend(Protocol):
    """A network ready to run, used by one thread at a time.

    `input_ports` and `output_ports` are the network's own description. `inputs` are the buffers it reads: fill them,
    call `run`, read `outputs`. All buffers belong to the backend and stay the same arrays for its whole life; outputs
    are valid until the next call, so copy what you keep. A dynamic first dimension is `max_batch` rows long, of which
    one run uses the first `batch`.
    """

    input_ports: tuple[Port, ...]
    output_ports: tuple[Port, ...]
    inputs: Mapping[str, npt.NDArray[Any]]
    outputs: Mapping[str, npt.NDArray[Any]]

    @property
    def stages_ms(self) -> Mapping[str, float]:
        """Milliseconds of each stage of the last run by the device's own clock; empty where there is none."""

    def run(self, batch: int | None = None) -> None:
        """Compute `outputs` from `inputs`; `batch` rows of a dynamic batch, None for all. Raises DataError."""

    def close(self) -> None:
        """Release the network and its memory."""


def open_backend(path: Path, *, name: BackendName = "auto", threads: int = 1, max_batch: int = 1) -> Backend:
    """The network in ONNX file `path` on ONNX Runtime, with its buffers made and bound.

    What a board runs out of a pack is chosen by `edge.infer.ladder`. Raises NotFoundError, DataError for a file that is
    no network, UnavailableError for another backend: TensorRT takes engines, and those are built from packs.
    """
    if name not in ("auto", "onnxruntime"):
        raise UnavailableError(
            f"{path}: a bare ONNX file runs on ONNX Runtime's CPU only; make a pack of it with nanotrack-export pack"
        )
    from edge.infer.onnxrt.session import OnnxRuntime

    return OnnxRuntime(path, threads=threads, max_batch=max_batch)
