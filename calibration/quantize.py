"""A float network, a placement, grids and rounded weights into an ONNX file with Q/DQ pairs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from calibration.network import Array, Network, attribute
from calibration.placement import Placement
from calibration.ranges import Range

Int8s = npt.NDArray[np.int8]


DEAD = 1e-9  # weights of a channel that training switched off; their scale would underflow in products


@dataclass(frozen=True)
class Family:
    """How one family of runtimes wants its integers.

    `dtype` of activations; `symmetric`: zero points are 0; `integer_bias`: biases are int32 on the product's own grid.
    Scales of a `half` family are float16 numbers, so that its float32 and float16 files hold the same grids.
    """

    dtype: npt.DTypeLike
    symmetric: bool
    integer_bias: bool
    half: bool = False


CPU = Family(np.uint8, symmetric=False, integer_bias=True)
TENSORRT = Family(np.int8, symmetric=True, integer_bias=False, half=True)


class Grid(NamedTuple):
    """value = scale * (integer - zero_point)."""

    scale: float
    zero_point: int


class Rounded(NamedTuple):
    """Integer weights, output channels first, and the scale of each output channel (float32)."""

    integers: Int8s
    scales: npt.NDArray[np.float32]


def grid(covered: Range, family: Family) -> Grid:
    """The grid of `family` for a range."""
    if family.symmetric:
        return Grid(_stored(max(-covered.low, covered.high) / 127, family), 0)
    limits = np.iinfo(np.dtype(family.dtype))
    scale = _stored((covered.high - covered.low) / (limits.max - limits.min), family)
    return Grid(scale, int(np.clip(round(-covered.low / scale) + limits.min, limits.min, limits.max)))


def weight_scales(weight: Array, family: Family) -> npt.NDArray[np.float32]:
    """The scale of each output channel: the largest weight is 127, a dead channel has any."""
    largest = np.abs(weight.reshape(len(weight), -1)).max(1)
    scales = np.where(largest > DEAD, largest / 127, 1.0)
    return np.array([_stored(float(s), family) for s in scales], np.float32)


def nearest(weight: Array, scales: npt.NDArray[np.float32]) -> Rounded:
    """Each weight on its nearest grid point."""
    rounded = np.rint(weight / scales.reshape(-1, *[1] * (weight.ndim - 1)))
    return Rounded(np.clip(rounded, -127, 127).astype(np.int8), scales)


def quantized(
    network: Network,
    placement: Placement,
    grids: Mapping[str, Grid],
    weights: Mapping[str, Rounded],
    family: Family,
) -> onnx.ModelProto:
    """The model with integer nodes as `placement` says. `weights` by layer (first output) may hold more than needed."""
    writer = _Writer(network, placement, grids, family)
    for node in network.nodes:
        writer.write(node, weights)
    return writer.model()


def _stored(scale: float, family: Family) -> float:
    """`scale` as the file will hold it."""
    if not family.half:
        return float(np.float32(scale))
    # Below 2^-14 a float16 loses digits; such a grid is finer than anything that matters.
    return float(np.float16(max(scale, 2.0**-14)))


class _Writer:
    def __init__(self, network: Network, placement: Placement, grids: Mapping[str, Grid], family: Family):
        self._network = network
        self._integer = set(placement.integer)
        self._gridded = set(placement.gridded)
        self._grids = grids
        self._family = family
        self._nodes: list[NodeProto] = []
        self._constants: dict[str, TensorProto] = {}
        self._paired: set[str] = set()

    def write(self, node: NodeProto, weights: Mapping[str, Rounded]) -> None:
        """Append `node`, its inputs from pairs where it is an integer node or their maker was."""
        network, integer = self._network, node.output[0] in self._integer
        copy = NodeProto()
        copy.CopyFrom(node)
        for i, name in enumerate(node.input):
            if name in self._gridded and (integer or self._made_integer(name)):
                copy.input[i] = self._pair(name)
        if integer and node.op_type in ("Conv", "Gemm"):
            rounded = weights[node.output[0]]
            copy.input[1] = self._weight(node, rounded)
            if self._family.integer_bias and network.bias(node) is not None:
                copy.input[2] = self._bias(node, rounded)
        self._nodes.append(copy)

    def model(self) -> onnx.ModelProto:
        """The finished model; weights that nothing reads any more are left out."""
        model = onnx.ModelProto()
        model.CopyFrom(self._network.model)
        del model.graph.node[:], model.graph.value_info[:]
        model.graph.node.extend(self._nodes)
        read = {name for node in self._nodes for name in node.input}
        constants = [t for t in model.graph.initializer if t.name in read] + list(self._constants.values())
        del model.graph.initializer[:]
        model.graph.initializer.extend(constants)
        return model

    def _made_integer(self, tensor: str) -> bool:
        maker = self._network.maker(tensor)
        return self._family.integer_bias and maker is not None and maker.output[0] in self._integer

    def _constant(self, name: str, values: Array) -> str:
        self._constants[name] = numpy_helper.from_array(values, name)
        return name

    def _pair(self, tensor: str) -> str:
        """The tensor behind the Q/DQ pair of `tensor`, which is written where it is first needed."""
        out = f"{tensor}.dq"
        if tensor not in self._paired:
            self._paired.add(tensor)
            found = self._grids[tensor]
            scale = self._constant(f"{tensor}.scale", np.array(found.scale, np.float32))
            zero = self._constant(f"{tensor}.zero", np.array(found.zero_point, self._family.dtype))
            self._add("QuantizeLinear", [tensor, scale, zero], f"{tensor}.q")
            self._add("DequantizeLinear", [f"{tensor}.q", scale, zero], out)
        return out

    def _weight(self, node: NodeProto, rounded: Rounded) -> str:
        name = f"{node.output[0]}.weight"
        rows_first = node.op_type == "Conv" or attribute(node, "transB", 0)
        values = self._constant(
            f"{name}.q", np.ascontiguousarray(rounded.integers if rows_first else rounded.integers.T)
        )
        scales = self._constant(f"{name}.scale", rounded.scales)
        zeros = self._constant(f"{name}.zero", np.zeros(len(rounded.scales), np.int8))
        return self._add("DequantizeLinear", [values, scales, zeros], f"{name}.dq", axis=0 if rows_first else 1)

    def _bias(self, node: NodeProto, rounded: Rounded) -> str:
        name = f"{node.output[0]}.bias"
        scales = (np.float32(self._grids[node.input[0]].scale) * rounded.scales).astype(np.float32)
        limit = 2.0**31 - 1
        integers = np.clip(np.rint(self._network.weights[node.input[2]] / scales.astype(np.float64)), -limit, limit)
        values = self._constant(f"{name}.q", integers.astype(np.int32))
        scale = self._constant(f"{name}.scale", scales)
        zeros = self._constant(f"{name}.zero", np.zeros(len(scales), np.int32))
        return self._add("DequantizeLinear", [values, scale, zeros], f"{name}.dq", axis=0)

    def _add(self, operator: str, inputs: list[str], output: str, **attributes: int) -> str:
        self._nodes.append(helper.make_node(operator, inputs, [output], output, **attributes))
        return output
