"""ONNX files as they come: read with limits, external weights taken in, checked, their inputs and outputs listed."""

import math
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO

import onnx
from google.protobuf.message import DecodeError
from onnx import AttributeProto, GraphProto, TensorProto, helper

from edge.errors import DataError, NotFoundError
from edge.files import open_file, read_file
from edge.infer.backend import Port

MOST_BYTES = (1 << 31) - 1  # of one protobuf message, and so of a model with its weights
_DEEPEST = 20  # graphs within graphs

# Two numbers share a byte; the newest only in new releases of the library.
_HALF_BYTES = tuple(
    getattr(TensorProto, name) for name in ("INT4", "UINT4", "FLOAT4E2M1") if hasattr(TensorProto, name)
)
_INVALID = (DecodeError, onnx.checker.ValidationError, ValueError, TypeError, RecursionError)


def load(path: Path) -> tuple[bytes, onnx.ModelProto]:
    """A self-contained, checked model and its bytes: those of `path` itself where no weights lie in other files.

    Raises NotFoundError where a file is missing, DataError where it is no valid ONNX model.
    """
    try:
        content = read_file(path, MOST_BYTES)
    except OSError as error:
        raise NotFoundError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        model = onnx.load_from_string(content)
        if _take_in(path, model):
            content = bytes(model.SerializeToString(deterministic=True))
        for tensor in tensors(model.graph):
            _check(tensor)
        if not all(isinstance(v.name, str) for v in (*model.graph.input, *model.graph.output)):
            raise ValueError("names of inputs or outputs are not UTF-8")
        onnx.checker.check_model(model)
    except _INVALID as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise DataError(f"{path}: not a valid ONNX model ({first}); export it again") from error
    return content, model


def ports(model: onnx.ModelProto) -> tuple[list[Port], list[Port]]:
    """The inputs that must be fed, and the outputs. (Old files list their weights as inputs too.)"""
    weights = {tensor.name for tensor in model.graph.initializer}
    return _ports(v for v in model.graph.input if v.name not in weights), _ports(model.graph.output)


def opset(model: onnx.ModelProto) -> int:
    """The version of the standard operators that the model uses."""
    return max((int(entry.version) for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=0)


def graphs(graph: GraphProto, depth: int = 0) -> Iterator[GraphProto]:
    """`graph` and those in its nodes (branches, loops). Raises ValueError where they are nested without reason."""
    if depth > _DEEPEST:
        raise ValueError(f"more than {_DEEPEST} graphs within each other")
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == AttributeProto.GRAPH:
                yield from graphs(attribute.g, depth + 1)


def tensors(graph: GraphProto) -> Iterator[TensorProto]:
    """Every constant: weights and the values of nodes, in `graph` and those in its nodes."""
    for inner in graphs(graph):
        yield from inner.initializer
        for node in inner.node:
            yield from (a.t for a in node.attribute if a.type == AttributeProto.TENSOR)


def _take_in(path: Path, model: onnx.ModelProto) -> bool:
    """Move weights that lie in files beside `path` into the model; whether there were any.

    PyTorch writes them so by default since 2.9. Such a file must be named plainly, without a way out of the folder.
    """
    outside = [tensor for tensor in tensors(model.graph) if tensor.data_location == TensorProto.EXTERNAL]
    left = MOST_BYTES - model.ByteSize()
    files: dict[str, IO[bytes]] = {}
    try:
        for tensor in outside:
            size = _size_bytes(tensor)
            left -= size
            if left < 0:
                raise DataError(f"{path}: its weights are larger than {MOST_BYTES / 1e9:.1f} GB together")
            tensor.raw_data = _read_outside(path, tensor, size, files)
            tensor.data_location = TensorProto.DEFAULT
            del tensor.external_data[:]
    finally:
        for file in files.values():
            file.close()
    return bool(outside)


def _read_outside(path: Path, tensor: TensorProto, size: int, files: dict[str, IO[bytes]]) -> bytes:
    said = {entry.key: entry.value for entry in tensor.external_data}
    location, offset = said.get("location", ""), int(said.get("offset") or 0)
    parts = PurePosixPath(location).parts
    if not parts or location.startswith("/") or ".." in parts:
        raise DataError(f"{path}: the weights {tensor.name!r} lie in {location!r}: expected a file beside it")
    if location not in files:
        try:
            files[location] = open_file(path.parent / location)
        except OSError as error:
            raise NotFoundError(
                f"{path}: its weights lie in {location!r}, which cannot be read ({error.strerror}); copy that file too"
            ) from error
    file = files[location]
    end = file.seek(0, 2)
    if offset < 0 or int(said.get("length") or size) != size or offset + size > end:
        raise DataError(
            f"{path}: the weights {tensor.name!r} want {size} bytes from {offset} of {location!r}, which has {end};"
            " copy both files again"
        )
    file.seek(offset)
    return file.read(size)


def _check(tensor: TensorProto) -> None:
    """Raise ValueError where a constant does not hold what its shape announces."""
    if tensor.data_type == TensorProto.STRING:
        return
    size = _size_bytes(tensor)
    if tensor.HasField("raw_data"):
        if len(tensor.raw_data) != size:
            raise ValueError(f"{tensor.name}: {len(tensor.raw_data)} bytes for shape {list(tensor.dims)}")
        return
    if tensor.data_type in (*_HALF_BYTES, TensorProto.COMPLEX64, TensorProto.COMPLEX128):
        return  # several numbers in one value, or one in several; no weights are
    found = len(getattr(tensor, helper.tensor_dtype_to_field(tensor.data_type)))
    if found != math.prod(tensor.dims):
        raise ValueError(f"{tensor.name}: {found} values for shape {list(tensor.dims)}")


def _size_bytes(tensor: TensorProto) -> int:
    """What the numbers of `tensor` take. Raises ValueError for a type or shape that there is not."""
    if any(size < 0 for size in tensor.dims) or len(tensor.dims) > 64:
        raise ValueError(f"{tensor.name}: shape {list(tensor.dims)[:8]}")
    count = math.prod(tensor.dims)
    if tensor.data_type in _HALF_BYTES:
        return int((count + 1) // 2)
    try:
        return int(count * helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize)
    except KeyError:
        raise ValueError(f"{tensor.name}: unknown type {tensor.data_type}") from None


def _ports(values: Iterable[onnx.ValueInfoProto]) -> list[Port]:
    found = []
    for value in values:
        tensor = value.type.tensor_type
        shape = tuple(d.dim_value if d.HasField("dim_value") else None for d in tensor.shape.dim)
        try:
            dtype = helper.tensor_dtype_to_np_dtype(tensor.elem_type).name
        except KeyError:
            dtype = "undefined"
        found.append(Port(value.name, shape, dtype))
    return found
