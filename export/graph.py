"""A small builder over `onnx.helper`: a graph is written top to bottom, every tensor bears the name of its node."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from edge import __version__

# 17 is the newest opset that TensorRT 8.6 (JetPack 6.0) reads, and every operator used here means the same up to 21, so
# float16 Q/DQ (which needs 19) only has to raise the number. IR 8 is the version that came with opset 17.
OPSET = 17
IR_VERSION = 8

# Weights below this feel like zero to every sum, and are written as that. Training leaves such in dead channels, and
# some processors (Intel's) take a hundred cycles for each product too small for a normal float: the published OSNet
# x0.25 has 498 of 201,235, with which it takes 9.5 ms there instead of 1.9.
LEAST = 1e-20

Shape = Sequence[int | str]


class Graph:
    """Nodes, constants, inputs and outputs in the order in which they were added."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []

    def input(self, name: str, shape: Shape, dtype: int = TensorProto.FLOAT) -> str:
        """Declare an input; a text in `shape` names a dynamic dimension."""
        self._inputs.append(helper.make_tensor_value_info(name, dtype, shape))
        return name

    def output(self, name: str, shape: Shape, dtype: int = TensorProto.FLOAT) -> None:
        """Declare tensor `name` an output."""
        self._outputs.append(helper.make_tensor_value_info(name, dtype, shape))

    def constant(self, name: str, values: npt.ArrayLike, dtype: npt.DTypeLike = np.float32) -> str:
        """Store `values` under `name`; numbers smaller than `LEAST` as zero."""
        kept = np.ascontiguousarray(values, dtype)
        if kept.dtype.kind == "f":
            kept = np.where(np.abs(kept) < LEAST, kept.dtype.type(0), kept)
        self._constants[name] = numpy_helper.from_array(kept, name)
        return name

    def add(self, operator: str, inputs: Sequence[str], name: str, **attributes: Any) -> str:
        """Append a node with one output, which is called `name` too."""
        self._nodes.append(helper.make_node(operator, inputs, [name], name, **attributes))
        return name

    def split(self, x: str, sizes: Sequence[int], names: Sequence[str]) -> list[str]:
        """Cut `x` along its channels into tensors called `names`."""
        lengths = self.constant(f"{x}.split.sizes", sizes, np.int64)
        self._nodes.append(helper.make_node("Split", [x, lengths], names, f"{x}.split", axis=1))
        return list(names)

    def model(self, name: str) -> onnx.ModelProto:
        """The finished, checked model; the same calls give the same bytes."""
        graph = helper.make_graph(
            self._nodes, name, self._inputs, self._outputs, initializer=list(self._constants.values())
        )
        model = helper.make_model(
            graph,
            producer_name="nanotrack-edge",
            producer_version=__version__,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
        )
        onnx.checker.check_model(model, full_check=True)
        return model
