"""A state_dict out of an ONNX file, for an architecture of which no checkpoint is at hand: NanoDet-m of v0.x."""

from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from export.checkpoint import Tensors
from export.weights import NORM_EPSILON


def nanodet_m(path: Path) -> Tensors:
    """The parameters of NanoDet-m 1.0x by their names; the file has them in the order of the layers.

    Batch norm is folded into them already, so here it is the identity with the layer's bias.
    """
    graph = onnx.load(str(path)).graph
    constants = {c.name: numpy_helper.to_array(c) for c in graph.initializer}
    convolutions = [[constants[name] for name in node.input[1:]] for node in graph.node if node.op_type == "Conv"]
    state: Tensors = {}
    for (layer, norm), (weight, bias) in zip(_layers(), convolutions, strict=True):
        state[f"{layer}.weight"] = weight
        if norm:
            ones, zeros = np.ones(len(weight)), np.zeros(len(weight))
            state |= {f"{norm}.weight": ones, f"{norm}.bias": bias, f"{norm}.running_mean": zeros}
            state[f"{norm}.running_var"] = ones - NORM_EPSILON
        else:
            state[f"{layer}.bias"] = bias
    return state


def _layers() -> list[tuple[str, str]]:
    """Convolutions in the order of execution, each with the batch norm behind it, "" for none."""
    names = [("backbone.conv1.0", "backbone.conv1.1")]
    for stage, blocks in ((2, 4), (3, 8), (4, 4)):
        for block in range(blocks):
            at = f"backbone.stage{stage}.{block}"
            names += [(f"{at}.branch1.{i}", f"{at}.branch1.{i + 1}") for i in (0, 2) if block == 0]
            names += [(f"{at}.branch2.{i}", f"{at}.branch2.{i + 1}") for i in (0, 3, 5)]
    names += [(f"fpn.lateral_convs.{i}.conv", "") for i in range(3)]
    for level in range(3):
        for i in range(2):
            at = f"head.cls_convs.{level}.{i}"
            names += [(f"{at}.depthwise", f"{at}.dwnorm"), (f"{at}.pointwise", f"{at}.pwnorm")]
        names.append((f"head.gfl_cls.{level}", ""))
    return names
