"""The self-test: a network fed the pack's golden input must put out what it did on the workstation.

Two builds of an INT8 network differ as much from each other as each does from float32, because rounding flips cascade.
So every rung is compared with the float32 outputs, and the limit for INT8 comes from the pack itself: what that variant
was already off when it was exported.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from edge.errors import DataError
from edge.infer import npz
from edge.infer.agreement import Arrays, relative_error
from edge.infer.backend import Backend
from edge.infer.reasons import Reason, RungError
from edge.modelpack import ModelPack

NetworkName = Literal["detector", "reid"]

REFERENCE = "fp32"
# Relative error that an exact variant may have: float32 sums in another order; float16 with its 11-bit mantissa
# through a hundred layers; bfloat16 with its 8 bits, twice what NanoDet-Plus-m 416 was off by.
EXACT = {"fp32": 1e-3, "fp16": 3e-2, "bf16": 0.16}
# INT8 twice as far from float32 as on the workstation is another network.
SLACK = 2.0
# No limit is as wide as this: a network that puts out zeros is off by 1.
BLIND = 0.95
# Variants whose own golden output was not recorded borrow the error of another variant with the same scales.
_SAME_SCALES = {"qdq_fp16": ("qdq_fp16", "qdq"), "qdq": ("qdq", "qdq_fp16")}


@dataclass(frozen=True)
class Golden:
    """The golden `input` of one network and its `outputs` by variant and output name."""

    input: npt.NDArray[Any]
    outputs: dict[str, Arrays]


@dataclass(frozen=True)
class Parity:
    """How far a rung is from float32: the largest relative error of its outputs, and what is allowed."""

    error: float
    limit: float

    @property
    def passed(self) -> bool:
        """Whether the error is a number within the limit."""
        return bool(self.error <= self.limit)

    def __str__(self) -> str:
        return f"error {self.error:.2g} of at most {self.limit:.2g}"


def read(pack: ModelPack, network: NetworkName) -> Golden | None:
    """The golden arrays of a network; None when the pack holds none. Raises DataError for a file that is no archive."""
    entry = pack.manifest.golden
    if entry is None:
        return None
    path = pack.path(entry)
    try:
        arrays = npz.read(path, f"{network}.")
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: expected an .npz of plain arrays ({error}); export the pack again") from error
    tensor = arrays.pop(f"{network}.input", None)
    outputs: dict[str, dict[str, npt.NDArray[Any]]] = {}
    for name, array in arrays.items():
        _, variant, output = [*name.split(".", 2), ""][:3]
        if not output or not array.size or (array.ndim == 0):
            raise DataError(f"{path}: {name}: expected <network>.<variant>.<output> with numbers; export it again")
        outputs.setdefault(variant, {})[output] = array
    if tensor is None or REFERENCE not in outputs:
        return None
    _require_alike(path, network, tensor, outputs)
    return Golden(tensor, dict(outputs))


def _require_alike(path: Path, network: NetworkName, tensor: npt.NDArray[Any], outputs: Mapping[str, Arrays]) -> None:
    """Raise DataError unless the input has rows, and every variant an output row for each, of the same shapes."""
    if tensor.ndim < 2 or not tensor.size:
        raise DataError(f"{path}: {network}.input: expected rows of numbers, found {list(tensor.shape)}; export again")
    expected = {name: (array.shape, array.dtype) for name, array in outputs[REFERENCE].items()}
    for variant, arrays in outputs.items():
        if {name: (array.shape, array.dtype) for name, array in arrays.items()} != expected:
            raise DataError(f"{path}: {network}.{variant}: other outputs than {REFERENCE}'s; export the pack again")
    for name, (shape, _) in expected.items():
        if len(tensor) > shape[0]:
            raise DataError(
                f"{path}: {network}.{REFERENCE}.{name}: expected {len(tensor)} rows, found {shape[0]}; export again"
            )


def limit(golden: Golden, variant: str) -> float:
    """The relative error that `variant` may have. Raises RungError where the golden file does not tell."""
    if variant in EXACT:
        return EXACT[variant]
    for name in _SAME_SCALES.get(variant, (variant,)):
        if name in golden.outputs:
            off = relative_error(golden.outputs[name], golden.outputs[REFERENCE])
            return min(EXACT["fp16"] + SLACK * off, BLIND)
    raise RungError(Reason.GOLDEN_MISMATCH, f"the pack's golden file holds no output of variant {variant}")


def fill(backend: Backend, tensor: npt.NDArray[Any]) -> None:
    """Put `tensor` into the first input. A joint network gets it as the previous frame too, as when a stream starts.
    Inputs of another shape keep what they hold: constants, and of a joint network that there are no tracks."""
    first, *others = backend.inputs.values()
    first[: len(tensor)] = tensor
    for other in others:
        if other.shape[1:] == tensor.shape[1:]:
            other[...] = tensor


def parity(backend: Backend, golden: Golden, variant: str, batch: int) -> Parity:
    """The parity of an open network after one run of `batch` rows, the golden rows repeated or cut to fill them.

    Raises RungError when an output is missing or has another shape, and what the backend raises.
    """
    buffer = next(iter(backend.inputs.values()))
    expected = golden.outputs[REFERENCE]
    rows = min(batch, len(buffer))
    if buffer.shape[1:] != golden.input.shape[1:] or buffer.dtype != golden.input.dtype:
        raise RungError(
            Reason.GOLDEN_MISMATCH,
            f"input is {buffer.dtype} {list(buffer.shape)}, golden {golden.input.dtype} {list(golden.input.shape)}",
        )
    repeated = np.arange(rows) % len(golden.input)
    fill(backend, golden.input[repeated])
    backend.run(rows)
    found = {}
    for name, array in expected.items():
        output = backend.outputs.get(name)
        if output is None or output.shape[1:] != array.shape[1:] or output.dtype != array.dtype:
            has = "nothing of that name" if output is None else f"{output.dtype} {list(output.shape)}"
            raise RungError(Reason.GOLDEN_MISMATCH, f"output {name}: {has}, golden {array.dtype} {list(array.shape)}")
        found[name] = output[:rows]
    return Parity(
        relative_error(found, {name: array[repeated] for name, array in expected.items()}), limit(golden, variant)
    )


def check(backend: Backend, golden: Golden, variant: str) -> Parity:
    """The parity of an open network. Raises RungError(GOLDEN_MISMATCH) beyond the limit."""
    result = parity(backend, golden, variant, len(golden.input))
    if not result.passed:
        raise RungError(Reason.GOLDEN_MISMATCH, str(result))
    return result
