"""The self-test: a network fed the pack's golden input must put out what it did on the workstation.

Two builds of an INT8 network differ as much from each other as each does from float32, because rounding flips cascade.
So every rung is compared with the float32 outputs, and the limit for INT8 comes from the pack itself: what that variant
was already off when it was exported.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from edge.errors import DataError
from edge.infer import npz
from edge.infer.backend import Backend
from edge.infer.reasons import Reason, RungError
from edge.modelpack import JOINT_OUTPUTS, ModelPack

Arrays = Mapping[str, npt.NDArray[Any]]
NetworkName = Literal["detector", "reid"]

REFERENCE = "fp32"
# Relative error that an exact variant may have: float32 sums in another order; float16 with its 11-bit mantissa
# through a hundred layers.
EXACT = {"fp32": 1e-3, "fp16": 3e-2}
# INT8 twice as far from float32 as on the workstation is another network.
SLACK = 2.0
# No limit is as wide as this: a network that puts out zeros is off by 1.
BLIND = 0.95
# Of a joint network's peaks those count that have at least this share of the best one's score.
CLEAR = 0.5
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
        raise DataError(f"{path}: expected an .npz of plain arrays ({error}); export the pack anew") from error
    tensor = arrays.pop(f"{network}.input", None)
    outputs: dict[str, dict[str, npt.NDArray[Any]]] = {}
    for name, array in arrays.items():
        _, variant, output = [*name.split(".", 2), ""][:3]
        if not output or not array.size or (array.ndim == 0):
            raise DataError(f"{path}: {name}: expected <network>.<variant>.<output> with numbers; export the pack anew")
        outputs.setdefault(variant, {})[output] = array
    if tensor is None or REFERENCE not in outputs:
        return None
    return Golden(tensor, dict(outputs))


def relative_error(found: Arrays, expected: Arrays) -> float:
    """The largest |found - expected| / |expected| over all outputs, norms over the whole array; inf for NaN.

    A joint network's rows are peaks sorted by score, an order that small errors change: so only the strongest peaks are
    compared, cell by cell.
    """
    if set(JOINT_OUTPUTS) <= set(expected):
        found, expected = _at_peaks(found, expected)
    errors = [
        np.linalg.norm((found[name] - array).astype(np.float64)) / max(float(np.linalg.norm(array)), 1e-12)
        for name, array in expected.items()
    ]
    worst = float(np.max(errors))
    return np.inf if np.isnan(worst) else worst


def _at_peaks(found: Arrays, expected: Arrays) -> tuple[Arrays, Arrays]:
    """Of both: the heat map, its values at the strongest expected peaks, and for those found in the same cell edges
    with offsets to the previous frame `[N, 6]` and embeddings; zeros where there is none.

    Of two cells with equal values either may become the peak, so one that moved is compared by its value alone.
    """
    scores = expected["scores"][0]
    rows = np.flatnonzero(scores >= CLEAR * scores.max())
    cells = expected["peaks"][0][rows]
    same = np.all(cells[:, None] == found["peaks"][0], axis=2)
    same &= expected["classes"][0][rows, None] == found["classes"][0]
    a, b = (_of_peaks(arrays, cells, some) for arrays, some in ((found, same.argmax(1)), (expected, rows)))
    there = same.any(1)
    for name in ("geometry", "embeddings"):
        a[name] = a[name][there] if there.any() else np.zeros_like(b[name])
        b[name] = b[name][there] if there.any() else b[name]
    return a, b


def _of_peaks(arrays: Arrays, cells: npt.NDArray[Any], rows: npt.NDArray[Any]) -> dict[str, npt.NDArray[Any]]:
    columns, lines = cells.astype(np.int64).T
    heat = arrays["heatmap"]
    geometry = np.concatenate([arrays["edges"][0], arrays["offsets"][0]], 1)
    at_rows = {"geometry": geometry[rows], "embeddings": arrays["embeddings"][0][rows]}
    return {"heatmap": heat, "scores": heat[0, lines, columns], **at_rows}


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
