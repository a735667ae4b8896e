"""The tensors of one network, taken one by one, so that what is missing and what is left over are both noticed."""

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edge.errors import DataError
from export.checkpoint import Tensors

Float64s = npt.NDArray[np.float64]

BATCH_NORM_EPSILON = 1e-5  # PyTorch's default, which no published configuration of these networks changes


class Weights:
    """Named tensors of the checkpoint `file`."""

    def __init__(self, file: str, tensors: Tensors) -> None:
        self.file = file
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

    def layer(self, name: str, norm: str | None = None) -> tuple[Float64s, Float64s]:
        """Weight and bias of layer `name`, with the batch norm `norm` behind it folded in."""
        weight = self.take(f"{name}.weight")
        bias = self.take(f"{name}.bias") if f"{name}.bias" in self else np.zeros(len(weight))
        if norm is None:
            return weight, bias
        variance = self.take(f"{norm}.running_var")
        if variance.min() < 0:
            raise DataError(f"{self.file}: {norm}.running_var: expected variances >= 0, found {variance.min()}")
        scale = self.take(f"{norm}.weight") / np.sqrt(variance + BATCH_NORM_EPSILON)
        bias = (bias - self.take(f"{norm}.running_mean")) * scale + self.take(f"{norm}.bias")
        return weight * scale.reshape(-1, *[1] * (weight.ndim - 1)), bias

    def finish(self, architecture: str, ignored: Sequence[str]) -> None:
        """Raise DataError if tensors are left over whose names match none of the `ignored` patterns."""
        pattern = re.compile("|".join(["num_batches_tracked$", *ignored]))
        left = [name for name in self._tensors if name not in self._taken and not pattern.search(name)]
        if left:
            raise DataError(
                f"{self.file}: looks like {architecture}, but has {len(left)} tensors that it does not:"
                f" {', '.join(left[:4])}{', …' if len(left) > 4 else ''}; this variant is not supported"
            )

    def _get(self, name: str) -> npt.NDArray[np.generic]:
        try:
            return self._tensors[name]
        except KeyError:
            raise DataError(
                f"{self.file}: expected a tensor {name}, found none; the checkpoint is incomplete or of an"
                " architecture that is not supported"
            ) from None
