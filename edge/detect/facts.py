"""What can be known of a network without being told: names, shapes, metadata, operators, and what it puts out.

Families read it (`edge.detect.families`). Values are evidence that no shape gives: columns that stay within 0..1 are
probabilities, others are not.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from edge.detect import part
from edge.detect.classes import class_names, names_in
from edge.detect.pictures import built_in
from edge.infer import graph
from edge.infer.backend import Backend
from edge.modelpack import Colour, ImageInput, Layout, Resize, Source, sha256_of

_SEEDS = (1, 2)
_LARGEST = (1.0, 255.0)  # value of each of the two pictures
_TOLERANCE = 1e-3  # of probabilities in half precision


class Tensor(NamedTuple):
    """Shape and dtype of an input or output, sizes fixed, batch 1."""

    shape: tuple[int, ...]
    dtype: str


class Picture(NamedTuple):
    """A network's picture input."""

    name: str
    width: int
    height: int
    layout: Layout

    def wants(
        self,
        colour: Colour,
        mean: tuple[float, float, float],
        std: tuple[float, float, float],
        resize: Resize,
        pad: int = 0,
    ) -> ImageInput:
        """The input's full description for a family that prepares pictures in this way."""
        return ImageInput(self.name, self.width, self.height, self.layout, colour, mean, std, resize, pad)


class Columns(NamedTuple):
    """The columns of an output `[1, N, W]` over all rows of all samples: bool `[W]` each.

    `unit`: all values are within 0..1. `varied`: not all values are the same, so that `unit` says something.
    """

    unit: npt.NDArray[np.bool_]
    varied: npt.NDArray[np.bool_]

    @property
    def say_something(self) -> bool:
        """Whether anything varies: values that are all the same prove nothing and contradict nothing."""
        return bool(self.varied.any())

    @property
    def leading(self) -> int:
        """How many columns from the first on are within 0..1."""
        return _run(self.unit)

    @property
    def trailing(self) -> int:
        """How many columns up to the last are within 0..1."""
        return _run(self.unit[::-1])

    @classmethod
    def over(cls, table: npt.NDArray[np.float32], axis: int) -> "Columns":
        """The columns of `table`, whose rows run along `axis`."""
        with np.errstate(invalid="ignore"):
            low, high = table.min(axis), table.max(axis)
            return cls((low >= -_TOLERANCE) & (high <= 1 + _TOLERANCE), high > low)


class Facts:
    """The facts about the network in ONNX file `path`, which is open as `network`.

    `inputs` and `outputs` are in the file's order. `picture` is the input that takes one, None where there is none or
    more than one, or where the batch is not 1. `own_names` are those of its classes in its metadata, `names` those that
    the user gave or else its own; None where there are none. Numbers of classes are below `named`, which is how many
    names of its own it has; what the user says is no evidence.
    """

    def __init__(self, path: Path, network: Backend, names: tuple[str, ...] | None = None):
        self.file = path.name
        self.graph = graph.read(path)
        self.metadata = self.graph.metadata
        self.own_names = names_in(self.metadata)
        self.names = names or self.own_names
        self.named = len(self.own_names) if self.own_names and not names else None
        self.inputs = {name: Tensor(array.shape, array.dtype.name) for name, array in network.inputs.items()}
        self.outputs = {name: Tensor(array.shape, array.dtype.name) for name, array in network.outputs.items()}
        self.picture = _picture(self.inputs)
        self._network = network
        self._sha256 = sha256_of(path)

    def source(self, architecture: str) -> Source:
        """Where the network came from."""
        return Source(self.file, self._sha256, f"{architecture} (ONNX)")

    def classes(self, count: int) -> tuple[str, ...]:
        """Names of its `count` classes: the file's own where they are as many, else the usual ones."""
        own = self.own_names
        return own if own is not None and len(own) == count else class_names(count)

    @cached_property
    def samples(self) -> list[dict[str, npt.NDArray[np.float32]]]:
        """All outputs by name, as float32, for two built-in pictures: values of 0..1 first, then of 0..255.

        How the picture is to be prepared is not known yet, and does not matter to what is asked of the values.
        """
        if self.picture is None:
            return []
        found = []
        for seed, largest in zip(_SEEDS, _LARGEST, strict=True):
            self._fill(seed, largest)
            self._network.run()
            found.append({name: np.array(array, np.float32) for name, array in self._network.outputs.items()})
        return found

    @cached_property
    def prepares(self) -> str:
        """The operators in the file that change pixels before its first layer sees them, listed; empty without any."""
        return self.graph.prepares(self.picture.name) if self.picture is not None else ""

    @cached_property
    def _moved(self) -> list[dict[str, npt.NDArray[np.float32]]]:
        """How far outputs are from `samples` where a part of the picture is changed, for the same two pictures."""
        found = []
        for seed, largest, before in zip(_SEEDS, _LARGEST, self.samples, strict=False):
            self._fill(seed, largest)
            self._change_part(largest)
            self._network.run()
            with np.errstate(invalid="ignore"):  # infinities of half precision
                found.append({name: np.abs(array - before[name]) for name, array in self._network.outputs.items()})
        return found

    def follows(
        self, strides: Sequence[int], outputs: Sequence[str], columns: slice, *, upright: bool = False, anchors: int = 1
    ) -> bool | None:
        """Whether rows of cells lie where they are thought to: those that a changed part of the picture moves most lie
        there. The levels of `strides` are all in one output or each in its own of `outputs`, of which `columns` are
        looked at; see `part.is_followed`, also for None.
        """
        assert self.picture is not None
        found = []
        for moved in self._moved:
            tables = [moved[name].reshape(moved[name].shape[-2:]) for name in outputs]
            changes = np.concatenate([(table.T if upright else table)[:, columns].sum(1) for table in tables])
            found.append(part.is_followed(changes, self.picture.width, self.picture.height, strides, anchors))
        return None if all(one is None for one in found) else True in found

    def with_constant(self, name: str, values: Sequence[float]) -> dict[str, npt.NDArray[np.float32]]:
        """All outputs for the second built-in picture where input `name` holds `values`."""
        self._fill(_SEEDS[1], _LARGEST[1])
        self._network.inputs[name][...] = values
        self._network.run()
        return {name: np.array(array, np.float32) for name, array in self._network.outputs.items()}

    def columns(self, *outputs: str) -> Columns:
        """The columns of outputs of the same width, their rows taken together."""
        rows = [sample[name] for sample in self.samples for name in outputs]
        return Columns.over(np.concatenate([array.reshape(-1, array.shape[-1]) for array in rows]), axis=0)

    def _fill(self, seed: int, largest: float) -> None:
        wanted = self.picture
        assert wanted is not None
        pixels = built_in(wanted.width, wanted.height, seed)
        for name, array in self._network.inputs.items():
            if name == wanted.name:
                planes = pixels if wanted.layout == "nhwc-uint8" else pixels.transpose(2, 0, 1) * (largest / 255)
                array[...] = planes
            elif array.shape == (1, 2):
                array[...] = wanted.width, wanted.height
            else:
                array[...] = 0

    def _change_part(self, largest: float) -> None:
        wanted = self.picture
        assert wanted is not None
        picture = self._network.inputs[wanted.name].reshape(self.inputs[wanted.name].shape[-3:])
        if wanted.layout == "nhwc-uint8":
            part.invert(picture.transpose(2, 0, 1), 255)
        else:
            part.invert(picture, largest)


def _run(flags: npt.NDArray[np.bool_]) -> int:
    return len(flags) if flags.all() else int(np.argmin(flags))


def _picture(inputs: Mapping[str, Tensor]) -> Picture | None:
    found = [picture for name, tensor in inputs.items() if (picture := _as_picture(name, tensor))]
    return found[0] if len(found) == 1 else None


def _as_picture(name: str, tensor: Tensor) -> Picture | None:
    shape, dtype = tensor
    if len(shape) == 4 and shape[0] == 1:
        shape = shape[1:]
    if len(shape) == 3 and dtype == "uint8" and shape[2] == 3:
        return Picture(name, shape[1], shape[0], "nhwc-uint8")
    if len(shape) == 3 and dtype in ("float32", "float16") and shape[0] == 3:
        return Picture(name, shape[2], shape[1], "nchw-float32" if dtype == "float32" else "nchw-float16")
    return None


def listed(tensors: Mapping[str, Any]) -> str:
    """Names, types and shapes for an error message."""
    return ", ".join(f"{name} {t.dtype}[{','.join(map(str, t.shape))}]" for name, t in tensors.items()) or "nothing"
