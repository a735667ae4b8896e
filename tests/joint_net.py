"""A joint network in ONNX whose outputs are known: bright 4 x 4 blocks are its "people", their colour is their look.

`hm` is 4 times the mean of the normalised block; its second class wants a block bluer than it is green and red. Offsets
are the first two channels of the frame before at the same cell, boxes reach (-2, -3, 2.5, 3) cells around the peak.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

WIDTH, HEIGHT = 96, 64
EDGES = (-2.0, -3.0, 2.5, 3.0)


def write(path: Path, *, sized: bool = False, tracks: bool = False, opset: int = 13, dead: bool = False) -> Path:
    """`sized` gives `wh` and `reg` in place of `ltrb_amodal`, `tracks` adds the input `pre_hm`; `dead` puts out NaN."""
    cells = [HEIGHT // 4, WIDTH // 4]
    grey = np.full((2, 3, 1, 1), 4 / 3, np.float32)
    grey[1] = np.array([4, -2, -2], np.float32).reshape(3, 1, 1)
    left, top, right, bottom = EDGES
    heads: dict[str, tuple[float, ...]] = {"ltrb_amodal": EDGES}
    if sized:
        heads = {"wh": (right - left, bottom - top), "reg": ((left + right) / 2, (top + bottom) / 2)}
    constants = {
        "grey": grey * (np.nan if dead else 1),
        "first_two": np.eye(3, dtype=np.float32)[:2].reshape(2, 3, 1, 1),
        "zero": np.float32(0),
        **{f"{name}_values": np.array(values, np.float32).reshape(1, -1, 1, 1) for name, values in heads.items()},
    }
    nodes = [
        helper.make_node("AveragePool", ["image"], ["blocks"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("AveragePool", ["pre_img"], ["blocks_before"], kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("Conv", ["blocks", "grey"], ["hm"]),
        helper.make_node("Identity", ["blocks"], ["embedding"]),
        helper.make_node("Conv", ["blocks_before", "first_two"], ["tracking_image"]),
    ]
    if tracks:  # the offset also tells what was drawn there
        nodes.append(helper.make_node("AveragePool", ["pre_hm"], ["drawn"], kernel_shape=[4, 4], strides=[4, 4]))
        nodes.append(helper.make_node("Add", ["tracking_image", "drawn"], ["tracking"]))
    else:
        nodes.append(helper.make_node("Identity", ["tracking_image"], ["tracking"]))
    nodes.append(helper.make_node("ReduceMean", ["blocks"], ["one_channel"], axes=[1]))
    nodes.append(helper.make_node("Mul", ["one_channel", "zero"], ["nothing"]))
    nodes += [helper.make_node("Add", ["nothing", f"{name}_values"], [name]) for name in heads]
    shape = [1, 3, HEIGHT, WIDTH]
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("pre_img", "image")]
    if tracks:
        inputs.append(helper.make_tensor_value_info("pre_hm", TensorProto.FLOAT, [1, 1, HEIGHT, WIDTH]))
    widths = {"embedding": 3, "hm": 2, "tracking": 2, **{name: len(values) for name, values in heads.items()}}
    outputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, w, *cells]) for n, w in widths.items()]
    tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "joint", inputs, outputs, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    return path
