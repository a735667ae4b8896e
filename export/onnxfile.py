"""ONNX files as they come: read, checked, and their inputs and outputs listed."""

from collections.abc import Iterable
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError
from onnx import helper

from edge.errors import DataError, NotFoundError
from edge.infer.backend import Port


def load(path: Path) -> tuple[bytes, onnx.ModelProto]:
    """The bytes of `path` and the checked model in them.

    Raises NotFoundError where there is no file, DataError where it is no valid ONNX model or not complete in one file.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise NotFoundError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        model = onnx.load_from_string(content)
        if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in model.graph.initializer):
            raise DataError(f"{path}: its weights lie in other files; save it as one file")
        onnx.checker.check_model(model)
    except (DecodeError, onnx.checker.ValidationError, ValueError) as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise DataError(f"{path}: not a valid ONNX model ({first}); export it again") from error
    return content, model


def ports(model: onnx.ModelProto) -> tuple[list[Port], list[Port]]:
    """The inputs that must be fed, and the outputs. (Old files list their weights as inputs too.)"""
    weights = {tensor.name for tensor in model.graph.initializer}
    return _ports(v for v in model.graph.input if v.name not in weights), _ports(model.graph.output)


def opset(model: onnx.ModelProto) -> int:
    """The version of the standard operators that the model uses."""
    return max((int(entry.version) for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=0)


def _ports(values: Iterable[onnx.ValueInfoProto]) -> list[Port]:
    found = []
    for value in values:
        tensor = value.type.tensor_type
        shape = tuple(d.dim_value if d.HasField("dim_value") else None for d in tensor.shape.dim)
        known = tensor.elem_type != onnx.TensorProto.UNDEFINED
        dtype = helper.tensor_dtype_to_np_dtype(tensor.elem_type).name if known else "undefined"
        found.append(Port(value.name, shape, dtype))
    return found
