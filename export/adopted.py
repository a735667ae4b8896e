"""A foreign ONNX file brought to the one form that everything behind the exporter knows.

Weights in the file itself, float32 throughout, and every size fixed but a ReID network's batch. What already has that
form is kept byte for byte. The result has been run, in a child process with limits, before anybody else opens it.
"""

import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto, helper, numpy_helper

from edge.errors import DataError, NanoTrackError, UsageError
from edge.files import native_name
from edge.infer.backend import Port
from edge.infer.onnxrt import trial
from export import onnxfile

_HALVES = (TensorProto.FLOAT16, TensorProto.BFLOAT16)
# Attributes that name a type of what a node puts out.
_TYPE_ATTRIBUTES = ("to", "dtype", "output_dtype", "stash_type")
Size = tuple[int, int]

_MOST_PIXELS = 1 << 28  # of an input, all colours and rows of a batch counted; memory for more is not even asked for
BATCHES = (1, 3)  # 2 is what exporters are given, and what a network may be wired to


class Adopted(NamedTuple):
    """A model and its bytes; inputs and outputs have fixed sizes but for what is said to be free."""

    content: bytes
    model: onnx.ModelProto


def detector(path: Path, size: Size | None = None) -> Adopted:
    """The detector in `path`, for pictures of `size` (width, height) where the file leaves that open, batch 1.

    Raises NotFoundError, DataError for a file that is no network, that wants a size, or that cannot be run with a batch
    of 1, UsageError for a size that the file has fixed otherwise.
    """
    native_name(path)
    original, model = onnxfile.load(path)
    inputs, _ = onnxfile.ports(model)
    fixed = {port.name: _picture_shape(path, port, size) for port in inputs}
    at_once = max((shape[0] for shape in fixed.values() if len(shape) == 4), default=1)
    fixed = {name: [1, *shape[1:]] if shape[:1] == [at_once] else shape for name, shape in fixed.items()}
    changed = [_to_float32(model), _fix_inputs(model, fixed)]
    content = _serialised(model) if any(changed) else original
    try:
        (seen,) = _tried(path, content, [fixed])
    except DataError as error:
        if at_once == 1:
            raise
        raise DataError(
            f"{path}: takes {at_once} pictures at once, and cannot be run with one ({error}); export it with batch 1"
        ) from error
    if _fix_outputs(model, seen):
        content = _serialised(model)
    return Adopted(content, model)


def reid(path: Path, size: Size | None = None, output: str | None = None) -> Adopted:
    """The ReID network in `path`, for crops of `size` where the file leaves that open; its batch stays as it is.

    `output` names the embedding where there are several outputs; a map of features is pooled to its mean. Raises
    NotFoundError, DataError for a file that is no network, or whose batch is free in name only.
    """
    native_name(path)
    original, model = onnxfile.load(path)
    inputs, _ = onnxfile.ports(model)
    if len(inputs) != 1 or len(inputs[0].shape) != 4:
        found = ", ".join(map(str, inputs)) or "none"
        raise DataError(f"{path}: not a ReID network: expected one input [N,3,H,W] or [N,H,W,3], found {found}")
    (port,) = inputs
    _, *rest = _picture_shape(path, port, size)
    free = port.shape[0] is None
    changed = [_to_float32(model), _fix_inputs(model, {port.name: [port.shape[0] or 0, *rest]})]
    changed += [_one_output(path, model, output), _pooled(model)]
    content = _serialised(model) if any(changed) else original
    batches = BATCHES if free else (port.shape[0] or 1,)
    try:
        runs = _tried(path, content, [{port.name: [count, *rest]} for count in batches])
    except DataError as error:
        if not free:
            raise
        raise DataError(
            f"{error}; it was run with {_listed(batches)} crops, since its batch is called"
            " free: export it with a dynamic batch, or with a fixed one of 1"
        ) from error
    if free and any(
        found.shape[:1] != (count,) for count, seen in zip(batches, runs, strict=True) for found in seen.values()
    ):
        raise DataError(
            f"{path}: its batch is called free, but it puts out as many rows for 1 crop as for {batches[-1]}"
        )
    if _fix_outputs(model, runs[0], keep_first=free):
        content = _serialised(model)
    return Adopted(content, model)


def _one_output(path: Path, model: onnx.ModelProto, wanted: str | None) -> bool:
    """Leave one output, that which is `wanted`; whether there were more."""
    outputs = list(model.graph.output)
    listed = ", ".join(str(port) for port in onnxfile.ports(model)[1])
    if wanted is not None and wanted not in {value.name for value in outputs}:
        raise UsageError(f"--reid-output {wanted}: {path} has no such output, only {listed}")
    if wanted is None and len(outputs) > 1:
        raise DataError(f"{path}: has several outputs, {listed}; say which is the embedding: --reid-output NAME")
    del model.graph.output[:]
    model.graph.output.extend(value for value in outputs if wanted in (None, value.name))
    return len(outputs) > 1


def _pooled(model: onnx.ModelProto) -> bool:
    """Put a mean over rows and columns behind an output that is a map of features `[N,C,h,w]`; whether it is one."""
    (value,) = model.graph.output
    dims = value.type.tensor_type.shape.dim
    if len(dims) != 4:
        return False
    name = f"{value.name}.pooled"
    nodes = (
        helper.make_node("GlobalAveragePool", [value.name], [f"{name}.map"]),
        helper.make_node("Flatten", [f"{name}.map"], [name]),
    )
    model.graph.node.extend(nodes)
    batch, channels = (d.dim_value if d.HasField("dim_value") else d.dim_param or None for d in list(dims)[:2])
    model.graph.output.remove(value)
    model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, channels]))
    return True


def _listed(numbers: Sequence[int]) -> str:
    return " and ".join(map(str, numbers))


def _serialised(model: onnx.ModelProto) -> bytes:
    return bytes(model.SerializeToString(deterministic=True))


@contextmanager
def on_disk(path: Path, content: bytes) -> Iterator[Path]:
    """`content` in a file of the name of `path`, for as long as it is looked at; errors that name it name `path`."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        copy.write_bytes(content)
        try:
            yield copy
        except NanoTrackError as error:
            raise type(error)(str(error).replace(str(copy), str(path))) from error


def _tried(path: Path, content: bytes, runs: Sequence[trial.Shapes]) -> list[dict[str, trial.Seen]]:
    with on_disk(path, content) as copy:
        return trial.attempt(copy, runs)


def _picture_shape(path: Path, port: Port, size: Size | None) -> list[int]:
    """The shape of an input with batch 1 and open sizes taken from `size`."""
    shape = [1 if i == 0 and known is None else known for i, known in enumerate(port.shape)]
    if len(shape) not in (3, 4):
        return [1 if known is None else known for known in shape]
    planes = port.dtype != "uint8" and shape[-3] in (3, None)
    rows, columns = (-2, -1) if planes else (-3, -2)
    for axis, name, value in ((columns, "width", size and size[0]), (rows, "height", size and size[1])):
        if shape[axis] is None:
            if value is None:
                raise DataError(f"{path}: leaves the size of its picture open ({port}); say it: --input-size WxH")
            shape[axis] = value
        elif value is not None and shape[axis] != value:
            raise UsageError(f"--input-size: {path} has a fixed {name} of {shape[axis]}, found {value}; leave it out")
    found = [3 if known is None else known for known in shape]
    if min(found) < 1 or math.prod(found) > _MOST_PIXELS:
        raise DataError(f"{path}: expected a picture, found an input of {found} ({port}); export it again")
    return found


def _fix_inputs(model: onnx.ModelProto, shapes: Mapping[str, Sequence[int]]) -> bool:
    """Write `shapes` into the model's inputs, leaving what is 0 as it is; whether anything changed."""
    changed = False
    for value in model.graph.input:
        for dim, size in zip(value.type.tensor_type.shape.dim, shapes.get(value.name, ()), strict=False):
            if size and not (dim.HasField("dim_value") and dim.dim_value == size):
                dim.dim_value = size
                changed = True
    if changed:
        del model.graph.value_info[:]  # what was inferred for other sizes
    return changed


def _fix_outputs(model: onnx.ModelProto, seen: Mapping[str, trial.Seen], *, keep_first: bool = False) -> bool:
    """Write the shapes that were `seen` into outputs that leave theirs open or say something else; whether any did."""
    changed = False
    for value in model.graph.output:
        tensor = value.type.tensor_type
        shape, dtype, always = seen[value.name]
        said = [d.dim_value if d.HasField("dim_value") else None for d in tensor.shape.dim]
        known = always if len(always) == len(shape) else (None,) * len(shape)
        # What the file leaves open and ONNX Runtime does not know either depends on the picture: a list of objects.
        varies = [a is None and b is None for a, b in zip(known, said, strict=False)]
        wanted = [None if i < len(varies) and varies[i] else size for i, size in enumerate(shape)]
        if keep_first:
            wanted[0] = None
        if tensor.HasField("shape") and said == wanted:
            continue
        changed = True
        tensor.ClearField("shape")
        tensor.elem_type = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        for size in wanted:
            dim = tensor.shape.dim.add()
            if size is None:
                dim.dim_param = f"{value.name}_{len(tensor.shape.dim) - 1}"
            else:
                dim.dim_value = size
    return changed


def _to_float32(model: onnx.ModelProto) -> bool:
    """Compute in float32 whatever is in half precision; whether anything was.

    CPUs compute halves as floats anyway and convert before and behind every operator; the variants for GPUs that do
    better are made of the float32 one.
    """
    changed = False
    for tensor in onnxfile.tensors(model.graph):
        if tensor.data_type in _HALVES:
            name = tensor.name
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float32), name))
            changed = True
    for graph in onnxfile.graphs(model.graph):
        for node in graph.node:
            for attribute in node.attribute:
                is_type = attribute.name in _TYPE_ATTRIBUTES and attribute.type == AttributeProto.INT
                if is_type and attribute.i in _HALVES:
                    attribute.i = TensorProto.FLOAT
                    changed = True
        for value in (*graph.input, *graph.output, *graph.value_info):
            if value.type.tensor_type.elem_type in _HALVES:
                value.type.tensor_type.elem_type = TensorProto.FLOAT
                changed = True
    return changed
