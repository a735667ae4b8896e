"""Changes to a network of a family that make its outputs mean something else, or its pictures be prepared otherwise.

Each takes a model as `networks` writes it, and changes it in place. What a file cannot show is none of them: which of
two equal inputs is red, or in a list which of two equal columns is x.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.detect.families import networks
from tests.detect.families.networks import SIZE

Mutation = Callable[[onnx.ModelProto], None]


def _random() -> np.random.Generator:
    return np.random.default_rng(1)


def shape(model: onnx.ModelProto, output: int = 0) -> list[int]:
    return [d.dim_value for d in model.graph.output[output].type.tensor_type.shape.dim]


def constants(model: onnx.ModelProto, values: Mapping[str, Any]) -> None:
    model.graph.initializer.extend(numpy_helper.from_array(np.asarray(value), name) for name, value in values.items())


def behind(
    model: onnx.ModelProto,
    op: str,
    values: Mapping[str, Any],
    output: int = 0,
    *,
    first: bool = True,
    **attributes: Any,
) -> None:
    """Put an operator with constants behind an output; `first`: the output's values are its first input."""
    name = model.graph.output[output].name
    inner = f"{name} before {len(model.graph.node)}"
    for node in model.graph.node:
        for part in (node.output, node.input):
            part[:] = [inner if other == name else other for other in part]
    constants(model, values)
    inputs = [inner, *values] if first else [*values, inner]
    model.graph.node.append(helper.make_node(op, inputs, [name], **attributes))


def before(model: onnx.ModelProto, op: str, values: Mapping[str, Any], **attributes: Any) -> None:
    """Put an operator with constants between the picture and all that reads it."""
    name = model.graph.input[0].name
    for node in model.graph.node:
        node.input[:] = ["prepared" if other == name else other for other in node.input]
    constants(model, values)
    model.graph.node.insert(0, helper.make_node(op, [name, *values], ["prepared"], **attributes))


def columns_axis(model: onnx.ModelProto, output: int = 0) -> int:
    """The axis of a table along which the parts of a row lie: of rows and columns the shorter, or the last."""
    sizes = shape(model, output)
    upright = len(sizes) == 3 and model.graph.output[output].name == "output0" and sizes[2] == networks.Net().cells
    return 1 if upright else len(sizes) - 1


def rows_axis(model: onnx.ModelProto) -> int:
    return 3 - columns_axis(model)


def mixed(model: onnx.ModelProto, boxes: np.ndarray, first: int = 0, output: int = 0) -> None:
    """Multiply the four columns of boxes, the first of which is `first`, with a matrix."""
    axis = columns_axis(model, output)
    width = shape(model, output)[axis]
    matrix = np.eye(width, dtype=np.float32)
    matrix[first : first + 4, first : first + 4] = boxes
    upright = axis == 1 and len(shape(model, output)) == 3
    behind(model, "MatMul", {"mixing": matrix.T if upright else matrix}, output, first=not upright)


CORNERS_OF_MIDDLES = np.array([[1, 0, 1, 0], [0, 1, 0, 1], [-0.5, 0, 0.5, 0], [0, -0.5, 0, 0.5]], np.float32)
MIDDLES_OF_CORNERS = np.linalg.inv(CORNERS_OF_MIDDLES).astype(np.float32)
Y_FIRST = np.eye(4, dtype=np.float32)[[1, 0, 3, 2]]
SHARES = np.eye(4, dtype=np.float32) / SIZE


def cells_in_any_order(model: onnx.ModelProto) -> None:
    axis = rows_axis(model)
    order = _random().permutation(shape(model)[axis])
    behind(model, "Gather", {"order": order.astype(np.int64)}, axis=axis)


def coarsest_level_first(model: onnx.ModelProto) -> None:
    axis = rows_axis(model)
    order = np.arange(shape(model)[axis])[::-1].copy()
    behind(model, "Gather", {"order": order.astype(np.int64)}, axis=axis)


def levels_joined_backwards(model: onnx.ModelProto) -> None:
    """The last of what is joined along cells joins them from the coarsest to the finest level."""
    joints = [n for n in model.graph.node if n.op_type == "Concat" and n.attribute[0].i == 2 and len(n.input) > 2]
    joints[-1].input[:] = list(joints[-1].input)[::-1]


def all_levels_joined_backwards(model: onnx.ModelProto) -> None:
    for node in model.graph.node:
        if node.op_type == "Concat" and node.attribute[0].i == 2 and len(node.input) > 2:
            node.input[:] = list(node.input)[::-1]


def maps_turned(model: onnx.ModelProto) -> None:
    """Cells column by column in place of row by row."""
    nodes = list(model.graph.node)
    flat = [n for n in nodes if n.op_type == "Reshape" and any(_is_map(nodes, name) for name in n.input[:1])]
    for i, node in enumerate(flat):
        turned = helper.make_node("Transpose", [node.input[0]], [f"turned{i}"], perm=[0, 1, 3, 2])
        model.graph.node.insert(list(model.graph.node).index(node), turned)
        node.input[0] = f"turned{i}"


def _is_map(nodes: list[onnx.NodeProto], name: str) -> bool:
    maker = next((n for n in nodes if name in n.output), None)
    return maker is not None and maker.op_type in ("Conv", "Concat", "Sigmoid")


def columns_rolled(model: onnx.ModelProto) -> None:
    axis = columns_axis(model)
    order = np.roll(np.arange(shape(model)[axis]), 5)
    behind(model, "Gather", {"order": order.astype(np.int64)}, axis=axis)


def turned(model: onnx.ModelProto) -> None:
    """Rows as columns."""
    sizes = shape(model)
    behind(model, "Transpose", {}, perm=[0, 2, 1])
    for dim, size in zip(model.graph.output[0].type.tensor_type.shape.dim, (sizes[0], sizes[2], sizes[1]), strict=True):
        dim.dim_value = size


def logits(model: onnx.ModelProto) -> None:
    for node in model.graph.node:
        if node.op_type == "Sigmoid":
            node.op_type = "Identity"


def scaled(model: onnx.ModelProto) -> None:
    behind(model, "Mul", {"factor": np.float32(7)})


def small(model: onnx.ModelProto) -> None:
    behind(model, "Mul", {"factor": np.float32(0.01)})


def constant(model: onnx.ModelProto) -> None:
    """The same number everywhere: the values prove nothing."""
    behind(model, "Mul", {"factor": np.zeros((), _dtype(model))})


def _dtype(model: onnx.ModelProto) -> np.dtype[Any]:
    return helper.tensor_dtype_to_np_dtype(model.graph.output[0].type.tensor_type.elem_type)


def other_strides(model: onnx.ModelProto) -> None:
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and values.size and np.isin(values, networks.STRIDES).all():
            tensor.CopyFrom(numpy_helper.from_array((values * 2).astype(np.float32), tensor.name))


def corners(model: onnx.ModelProto) -> None:
    mixed(model, CORNERS_OF_MIDDLES)


def y_first(model: onnx.ModelProto) -> None:
    mixed(model, Y_FIRST)


def shares(model: onnx.ModelProto) -> None:
    mixed(model, SHARES)


def extra_output(model: onnx.ModelProto) -> None:
    """A second output, as masks have."""
    maker = next(n for n in model.graph.node if n.op_type == "AveragePool")
    model.graph.node.append(helper.make_node("Identity", [maker.output[0]], ["more"]))
    sizes = [1, 8, SIZE // networks.STRIDES[0], SIZE // networks.STRIDES[0]]
    model.graph.output.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, sizes))


def extra_column(model: onnx.ModelProto) -> None:
    """An angle, a track's number or the like behind each row."""
    axis, sizes = columns_axis(model), shape(model)
    sizes[axis] = 1
    behind(model, "Concat", {"angles": _random().uniform(-0.7, 2.3, sizes).astype(np.float32)}, axis=axis)
    model.graph.output[0].type.tensor_type.shape.dim[axis].dim_value += 1


def objectness_before_classes(model: onnx.ModelProto) -> None:
    """A column of probabilities more behind the boxes: COCO's 80 classes become 81."""
    axis, sizes = columns_axis(model), shape(model)
    sizes[axis] = 1
    objects = _random().uniform(0, 1, sizes).astype(np.float32)
    order = np.r_[0:4, shape(model)[axis], 4 : shape(model)[axis]].astype(np.int64)
    behind(model, "Concat", {"objects": objects}, axis=axis)
    behind(model, "Gather", {"places": order}, axis=axis)
    model.graph.output[0].type.tensor_type.shape.dim[axis].dim_value += 1


def extra_input(model: onnx.ModelProto) -> None:
    """A threshold that is to be fed."""
    kind = model.graph.output[0].type.tensor_type.elem_type
    model.graph.input.append(helper.make_tensor_value_info("threshold", kind, [1]))
    behind(model, "Add", {"none": np.zeros((), _dtype(model))})
    model.graph.node[-1].input[1] = "threshold"


def scaled_inside(model: onnx.ModelProto) -> None:
    """Pixels are divided by 255 in the file."""
    before(model, "Div", {"largest": np.float32(255)})


def normalised_inside(model: onnx.ModelProto) -> None:
    before(model, "Sub", {"pixel_mean": np.array([123.675, 116.28, 103.53], np.float32).reshape(1, 3, 1, 1)})


def colours_turned_inside(model: onnx.ModelProto) -> None:
    before(model, "Gather", {"bgr": np.array([2, 1, 0])}, axis=1)


def names_of_others(model: onnx.ModelProto) -> None:
    """Class names in the metadata, of which there are not as many as classes."""
    kept = {entry.key: entry.value for entry in model.metadata_props}
    helper.set_model_props(model, kept | {"names": str({i: f"thing {i}" for i in range(2)})})


def another_task(model: onnx.ModelProto) -> None:
    kept = {entry.key: entry.value for entry in model.metadata_props}
    helper.set_model_props(model, kept | {"task": "segment"})


def one_output_less(model: onnx.ModelProto) -> None:
    del model.graph.output[0]


def names_exchanged(model: onnx.ModelProto) -> None:
    """Outputs under each other's names."""
    names = [value.name for value in model.graph.output]
    others = dict(zip(names, names[1:] + names[:1], strict=True))
    for node in model.graph.node:
        for part in (node.output, node.input):
            part[:] = [others.get(name, name) for name in part]
    for value in model.graph.output:
        value.name = others[value.name]


def _output(model: onnx.ModelProto, *wanted: str) -> int:
    names = [value.name for value in model.graph.output]
    return next((names.index(name) for name in wanted if name in names), 0)


def list_of_middles(model: onnx.ModelProto) -> None:
    mixed(model, MIDDLES_OF_CORNERS, *_boxes(model))


def list_in_shares(model: onnx.ModelProto) -> None:
    mixed(model, SHARES, *_boxes(model))


def list_in_pixels(model: onnx.ModelProto) -> None:
    mixed(model, np.eye(4, dtype=np.float32) * SIZE, *_boxes(model))


def list_of_corners(model: onnx.ModelProto) -> None:
    mixed(model, CORNERS_OF_MIDDLES, *_boxes(model))


def _boxes(model: onnx.ModelProto) -> tuple[int, int]:
    """The first column of boxes, and the output."""
    output = _output(model, "boxes", "dets", "detection_boxes", "pred_boxes", "det_boxes")
    return (1 if shape(model, output)[-1] == 7 else 0), output


def constant_boxes(model: onnx.ModelProto) -> None:
    first, output = _boxes(model)
    factors = np.ones(shape(model, output)[-1], np.float32)
    factors[first : first + 4] = 0
    behind(model, "Mul", {"factors": factors}, output)


def scores_above_one(model: onnx.ModelProto) -> None:
    output = _output(model, "scores", "dets", "detection_scores", "det_scores")
    behind(model, "Mul", {"factor": np.float32(30)}, output)


def classes_between_numbers(model: onnx.ModelProto) -> None:
    output = _output(model, "labels", "detection_classes", "det_classes")
    value = model.graph.output[output]
    if value.type.tensor_type.elem_type != TensorProto.FLOAT:
        behind(model, "Cast", {}, output, to=TensorProto.FLOAT)
        value.type.tensor_type.elem_type = TensorProto.FLOAT
    behind(model, "Add", {"half": np.float32(0.5)}, output)


def size_height_first(model: onnx.ModelProto) -> None:
    """D-FINE's boxes in a size that names its height first."""
    for node in model.graph.node:
        node.input[:] = ["turned size" if name == "orig_target_sizes" else name for name in node.input]
    constants(model, {"turn": np.array([1, 0])})
    turn = helper.make_node("Gather", ["orig_target_sizes", "turn"], ["turned size"], axis=1)
    model.graph.node.insert(0, turn)
