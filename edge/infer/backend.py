"""What an inference backend is: fixed buffers and a `run`, the same shape for every library."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

import numpy.typing as npt

from edge.infer.reasons import Skip

# Those of ONNX Runtime with a GPU are never automatic: only some builds of it have them.
BackendName = Literal["auto", "tensorrt", "openvino", "onnxruntime", "onnxruntime-cuda", "onnxruntime-tensorrt"]
VariantName = Literal["auto", "fp32", "int8"]


class Port(NamedTuple):
    """An input or output of a network: `shape` has None where it is dynamic, `dtype` is numpy's name of it."""

    name: str
    shape: tuple[int | None, ...]
    dtype: str

    def __str__(self) -> str:
        return f"{self.name} {self.dtype}[{','.join('?' if d is None else str(d) for d in self.shape)}]"


@dataclass(frozen=True)
class Running:
    """How a network runs here.

    `rung` is its name on the ladder, the library's alone for a bare ONNX file; `variant` what it computes in ("int8",
    "bf16", "fp16", "fp32"), "" where none was chosen. `library` and `version` name what computes, `on_gpu` whether that
    is a GPU. `passed_over` are the rungs above that were not taken, and why.
    """

    rung: str
    variant: str
    library: str
    version: str
    on_gpu: bool = False
    passed_over: tuple[Skip, ...] = ()


class Backend(Protocol):
    """A network ready to run, used by one thread at a time.

    `running` says how it runs, which may change from one run to the next. `input_ports` and `output_ports` are the
    network's own description. `inputs` are the buffers it reads: fill them, call `run`, read `outputs`. All buffers
    belong to the backend and stay the same arrays for its whole life; outputs are valid until the next call, so copy
    what you keep. A dynamic first dimension is `max_batch` rows long, of which one run uses the first `batch`.
    """

    input_ports: tuple[Port, ...]
    output_ports: tuple[Port, ...]
    inputs: Mapping[str, npt.NDArray[Any]]
    outputs: Mapping[str, npt.NDArray[Any]]

    @property
    def running(self) -> Running:
        """How the network runs now."""

    @property
    def stages_ms(self) -> Mapping[str, float]:
        """Milliseconds of each stage of the last run by the device's own clock; empty where there is none."""

    def run(self, batch: int | None = None) -> None:
        """Compute `outputs` from `inputs`; `batch` rows of a dynamic batch, None for all. Raises DataError."""

    def close(self) -> None:
        """Release the network and its memory."""


def hold(network: Backend, constants: Mapping[str, Sequence[float]]) -> None:
    """Put the values of inputs that are the same in every run into their buffers, where they stay."""
    for name, values in constants.items():
        if name in network.inputs:
            network.inputs[name][...] = values
