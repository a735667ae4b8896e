"""What an inference backend is: fixed buffers and a `run`, the same shape for every library."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import numpy.typing as npt

from edge.errors import DataError, UnavailableError
from edge.modelpack import Variant

BackendName = Literal["auto", "onnxruntime", "tensorrt"]
VariantName = Literal["auto", "fp32", "int8"]

# What `auto` takes on a CPU, best first; a variant that failed its accuracy gate is never automatic.
CPU_PREFERENCE = ("int8", "fp32")


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

    def run(self, batch: int | None = None) -> None:
        """Compute `outputs` from `inputs`; `batch` rows of a dynamic batch, None for all. Raises DataError."""

    def close(self) -> None:
        """Release the network and its memory."""


def open_backend(path: Path, *, name: BackendName = "auto", threads: int = 1, max_batch: int = 1) -> Backend:
    """The network in ONNX file `path`, loaded by the named library with its buffers made and bound.

    Raises NotFoundError, DataError for a file that is no network, UnavailableError for a library this board lacks.
    """
    if name == "tensorrt":
        raise UnavailableError("--backend tensorrt: not available on this board; use --backend onnxruntime")
    from edge.infer.onnxrt import OnnxRuntime

    return OnnxRuntime(path, threads=threads, max_batch=max_batch)


def choose_variant(variants: Mapping[str, Variant], wanted: VariantName, where: str) -> tuple[str, Variant]:
    """The variant to run on a CPU, by name: the wanted one, or with `auto` the first preferred that passed its gate.

    Raises DataError that lists what there is.
    """
    names = CPU_PREFERENCE if wanted == "auto" else (wanted,)
    for name in names:
        if name in variants and (variants[name].passed or wanted != "auto"):
            return name, variants[name]
    raise DataError(
        f"{where}: expected variant {' or '.join(names)}{' that passed its gate' if wanted == 'auto' else ''}, found"
        f" {', '.join(variants) or 'none'}; export the pack with it"
    )
