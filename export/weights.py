"""The tensors of one network, taken one by one, so that what is missing and what is left over are both noticed."""

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edge.errors import DataError
from export.checkpoint import Meta, Tensors

Float64s = npt.NDArray[np.float64]

NOTHING_SAID = Meta()
NORM_EPSILON = 1e-5  # PyTorch's default, which no published configuration of these networks changes


class Weights:
    """Named tensors of the checkpoint `file`, and what it says of itself."""

    def __init__(self, file: str, tensors: Tensors, meta: Meta = NOTHING_SAID) -> None:
        self.file = file
        self.meta = meta
        self._tensors = tensors
        self._taken: set[str] = set()

    def __contains__(self, name: str) -> bool:
        return name in self._tensors

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of tensor `name`; DataError where there is none."""
        return self._get(name).shape

    def count(self, pattern: str) -> int:
        """How many different integers stand at the only group of `pattern` in the names: the length of a list."""
        return len({m[1] for name in self._tensors if (m := re.match(pattern, name))})

    def outline(self) -> str:
        """What there is, in a few words: the first names and how many tensors each has."""
        groups = Counter(".".join(name.split(".")[:2]) for name in self._tensors)
        listed = ", ".join(f"{group}.* ({count})" for group, count in groups.most_common(6))
        return f"{listed}{', …' if len(groups) > 6 else ''}"

    def take(self, name: str) -> Float64s:
        """Tensor `name` as float64, in which all folding is done; DataError for one that is not all finite."""
        self._taken.add(name)
        values = self._get(name).astype(np.float64)
        if not np.isfinite(values).all():
            raise DataError(
                f"{self.file}: {name} holds NaN or infinity; training went astray: take an earlier checkpoint"
            )
        return values

    def layer(
        self,
        name: str,
        norm: str | None = None,
        *,
        inputs: int,
        outputs: int | None = None,
        size: int | None = None,
        flat: bool = False,
        epsilon: float = NORM_EPSILON,
    ) -> tuple[Float64s, Float64s]:
        """Weight and bias of layer `name`, with the batch norm `norm` behind it folded in; arrays of the caller's own.

        Raises DataError unless it is a convolution with an odd kernel, or `flat` a matrix, that reads `inputs` channels
        and makes `outputs`, with a kernel of `size` x `size`, where these are given.
        """
        shape = self.shape(f"{name}.weight")
        if len(shape) != (2 if flat else 4) or any(size % 2 == 0 for size in shape[2:]):
            wanted = "[outputs, inputs]" if flat else "[outputs, inputs, height, width] with odd height and width"
            raise DataError(f"{self.file}: {name}.weight: expected shape {wanted}, found {list(shape)}")
        kernel = shape[2:] if size is None else (size, size)
        self._expect(f"{name}.weight", (shape[0] if outputs is None else outputs, inputs, *kernel))
        weight = self.take(f"{name}.weight")
        bias = self._vector(f"{name}.bias", len(weight)) if f"{name}.bias" in self else np.zeros(len(weight))
        if norm is None:
            return weight, bias
        scale, shift = self.batch_norm(norm, len(weight), epsilon)
        return weight * scale.reshape(-1, *[1] * (weight.ndim - 1)), bias * scale + shift

    def batch_norm(self, name: str, channels: int, epsilon: float = NORM_EPSILON) -> tuple[Float64s, Float64s]:
        """Factor and shift of the batch norm `name` over so many channels; DataError where they do not fit."""
        factor, shift, mean, variance = (
            self._vector(f"{name}.{part}", channels) for part in ("weight", "bias", "running_mean", "running_var")
        )
        if variance.min() < 0:
            raise DataError(f"{self.file}: {name}.running_var: expected variances >= 0, found {variance.min()}")
        scale = factor / np.sqrt(variance + epsilon)
        return scale, shift - mean * scale

    def instance_norm(self, name: str, channels: int) -> tuple[Float64s, Float64s]:
        """Factor and shift of the instance norm `name` over so many channels; DataError where they do not fit."""
        return self._vector(f"{name}.weight", channels), self._vector(f"{name}.bias", channels)

    def finish(self, architecture: str, ignored: Sequence[str]) -> None:
        """Raise DataError if tensors are left over whose names match none of the `ignored` patterns."""
        pattern = re.compile("|".join(["num_batches_tracked$", *ignored]))
        left = [name for name in self._tensors if name not in self._taken and not pattern.search(name)]
        if left:
            raise DataError(
                f"{self.file}: looks like {architecture}, but has {len(left)} tensors that it does not:"
                f" {', '.join(left[:4])}{', …' if len(left) > 4 else ''}; this variant is not supported"
            )

    def _vector(self, name: str, length: int) -> Float64s:
        self._expect(name, (length,))
        return self.take(name)

    def _expect(self, name: str, shape: tuple[int, ...]) -> None:
        found = self.shape(name)
        if found != shape:
            raise DataError(
                f"{self.file}: {name}: expected shape {list(shape)}, found {list(found)};"
                " the layers of this checkpoint do not fit together"
            )

    def _get(self, name: str) -> npt.NDArray[np.generic]:
        try:
            return self._tensors[name]
        except KeyError:
            raise DataError(
                f"{self.file}: expected a tensor {name}, found none; the checkpoint is incomplete or of an"
                " architecture that is not supported"
            ) from None
