"""What an ONNX file says of itself beyond its inputs and outputs: metadata, operators, and what computes an output.

Some detectors have outputs of the same shapes and are told apart only by what comes before them. ONNX Runtime does not
show the graph and the package `onnx` belongs to the workstation, so the few fields that matter are read here: the
protocol buffer wire format (protobuf.dev/programming-guides/encoding) with the field numbers of onnx.proto. Weights are
skipped, not loaded.
"""

import mmap
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from edge.errors import DataError, NotFoundError

# Operators that move values about without changing them, or change only how they are stored.
MOVES = frozenset(
    (
        "Cast",
        "DequantizeLinear",
        "Flatten",
        "Identity",
        "QuantizeLinear",
        "Reshape",
        "Squeeze",
        "Transpose",
        "Unsqueeze",
    )
)
# Operators with weights: layers.
LAYERS = frozenset(
    (
        "Conv",
        "ConvInteger",
        "ConvTranspose",
        "Gemm",
        "MatMul",
        "MatMulInteger",
        "QLinearConv",
        "QLinearMatMul",
    )
)
# Operators that change the numbers of pixels or the order of colours.
_PREPARES = frozenset(("Add", "BatchNormalization", "Div", "Gather", "InstanceNormalization", "Mul", "Split", "Sub"))
_NOT_VALUES = frozenset(("Shape", "Size"))  # what they put out does not depend on the values that they read
_LARGEST_CONSTANT_BYTES = 8
_NUMBERS = {1: "<f", 6: "<i", 7: "<q", 11: "<d"}  # TensorProto.DataType: float, int32, int64, double


@dataclass(frozen=True)
class Node:
    """One operator: names of the tensors it reads and writes, and its attributes that are whole numbers."""

    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    numbers: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Graph:
    """The operators of a file. `metadata` are its own notes, `shapes` those of its weights by name, `constants` its
    single numbers by name."""

    nodes: tuple[Node, ...]
    metadata: Mapping[str, str]
    shapes: Mapping[str, tuple[int, ...]]
    constants: Mapping[str, float]

    @cached_property
    def makers(self) -> Mapping[str, Node]:
        """The operator that writes a tensor, by the tensor's name."""
        return {name: node for node in self.nodes for name in node.outputs}

    @cached_property
    def readers(self) -> Mapping[str, Sequence[Node]]:
        """The operators that read a tensor, by the tensor's name."""
        found: dict[str, list[Node]] = {}
        for node in self.nodes:
            for name in node.inputs:
                found.setdefault(name, []).append(node)
        return found

    @cached_property
    def operators(self) -> frozenset[str]:
        """The kinds of operators in use."""
        return frozenset(node.op for node in self.nodes)

    def maker(self, tensor: str) -> Node | None:
        """The operator that computes the values of `tensor`, past all that only move them; None for an input."""
        node = self.makers.get(tensor)
        for _ in range(len(self.nodes)):
            if node is None or node.op not in MOVES:
                return node
            node = self.makers.get(node.inputs[0]) if node.inputs else None
        return None

    def is_joined(self, tensor: str) -> bool:
        """Whether `tensor` is put together from parts, and nothing changes or reorders it behind that."""
        node = self.maker(tensor)
        while node is not None and node.op == "Slice":
            node = self.maker(node.inputs[0])
        return node is not None and node.op == "Concat"

    def parts(self, tensor: str) -> tuple[str, ...]:
        """The kinds of operators that compute the parts that `tensor` is put together from, in order; one part where it
        is not put together."""
        node = self.maker(tensor)
        if node is None:
            return ("",)
        if node.op != "Concat":
            return (node.op,)
        return tuple(made.op if (made := self.maker(name)) else "" for name in node.inputs)

    def feeds(self, *kinds: str) -> frozenset[str]:
        """The kinds of operators that read what operators of `kinds` compute."""
        found = set()
        for node in self.nodes:
            if node.op in kinds:
                found |= {reader.op for name in node.outputs for reader in self._real_readers(name)}
        return frozenset(found)

    def behind(self, tensor: str) -> frozenset[str]:
        """The kinds of all operators that `tensor` depends on."""
        found: set[str] = set()
        waiting, seen = [tensor], {tensor}
        while waiting:
            node = self.makers.get(waiting.pop())
            if node is not None:
                found.add(node.op)
                fresh = [name for name in node.inputs if name not in seen]
                seen.update(fresh)
                waiting += fresh
        return frozenset(found)

    def before_layers(self, tensor: str) -> frozenset[str]:
        """The kinds of operators, those of `MOVES` apart, that the values of an input pass before the first layers."""
        found: set[str] = set()
        waiting, seen = [tensor], {tensor}
        while waiting:
            for node in self._real_readers(waiting.pop()):
                if node.op in LAYERS or node.op in _NOT_VALUES:
                    continue
                found.add(node.op)
                fresh = [name for name in node.outputs if name not in seen]
                seen.update(fresh)
                waiting += fresh
        return frozenset(found)

    def prepares(self, tensor: str) -> str:
        """The operators that change the pixels of an input before the first layers see them, listed; empty without."""
        return ", ".join(sorted(self.before_layers(tensor) & _PREPARES))

    def _real_readers(self, tensor: str) -> Iterator[Node]:
        waiting, seen = [tensor], {tensor}
        while waiting:
            for node in self.readers.get(waiting.pop(), ()):
                if node.op not in MOVES:
                    yield node
                    continue
                fresh = [name for name in node.outputs if name not in seen]
                seen.update(fresh)
                waiting += fresh


def read(path: Path) -> Graph:
    """The graph in ONNX file `path`. Raises NotFoundError, and DataError for a file that is none."""
    try:
        with path.open("rb") as file:
            return _model(memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)))
    except OSError as error:
        raise NotFoundError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, IndexError, struct.error) as error:
        raise DataError(f"{path}: not a valid ONNX model ({error}); export it again") from error


def _model(content: memoryview) -> Graph:
    nodes: list[Node] = []
    shapes: dict[str, tuple[int, ...]] = {}
    constants: dict[str, float] = {}
    metadata: dict[str, str] = {}
    for number, value in _fields(content):
        if number == 14:
            entry = {n: _text(v) for n, v in _fields(value)}
            metadata[entry.get(1, "")] = entry.get(2, "")
        elif number == 7:
            for of_graph, item in _fields(value):
                if of_graph == 1:
                    node, constant = _node(item)
                    nodes.append(node)
                    if constant is not None:
                        constants[node.outputs[0]] = constant
                elif of_graph == 5:
                    name, shape, constant = _tensor(item)
                    shapes[name] = shape
                    if constant is not None:
                        constants[name] = constant
    return Graph(tuple(nodes), metadata, shapes, constants)


def _node(content: memoryview) -> tuple[Node, float | None]:
    """An operator, and the number that it is where it is a constant."""
    names: dict[int, list[str]] = {1: [], 2: [], 4: []}
    numbers: dict[str, tuple[int, ...]] = {}
    constant = None
    for number, value in _fields(content):
        if number in names:
            names[number].append(_text(value))
        elif number == 5:
            name, integers, held = _attribute(value)
            if integers:
                numbers[name] = integers
            constant = held if held is not None else constant
    op = names[4][0] if names[4] else ""
    node = Node(op, tuple(names[1]), tuple(names[2]), numbers)
    return node, constant if op == "Constant" and node.outputs else None


def _attribute(content: memoryview) -> tuple[str, tuple[int, ...], float | None]:
    name, integers, constant = "", [], None
    for number, value in _fields(content):
        if number == 1:
            name = _text(value)
        elif number == 3:
            integers.append(_signed(value))
        elif number == 8:
            integers += _integers(value)
        elif number == 5:
            constant = _tensor(value)[2]
        elif number == 2:
            constant = float(struct.unpack("<f", value)[0])
    if name == "value_int" and integers:
        constant = float(integers[0])
    return name, tuple(integers), constant


def _tensor(content: memoryview) -> tuple[str, tuple[int, ...], float | None]:
    """Name and shape of a weight, and its value where it is a single number."""
    name, shape, kind = "", [], 0
    held: Any = None
    for number, value in _fields(content):
        if number == 8:
            name = _text(value)
        elif number == 1:
            shape += _integers(value)
        elif number == 2:
            kind = int(value)
        elif number in (4, 5, 7, 9, 10):
            held = number, value
    return name, tuple(shape), _single(kind, held)


def _single(kind: int, held: tuple[int, Any] | None) -> float | None:
    if held is None or kind not in _NUMBERS:
        return None
    number, value = held
    if number in (5, 7):
        integers = _integers(value)
        return float(integers[0]) if len(integers) == 1 else None
    if isinstance(value, int) or len(value) > _LARGEST_CONSTANT_BYTES or len(value) != struct.calcsize(_NUMBERS[kind]):
        return None
    return float(struct.unpack(_NUMBERS[kind], value)[0])


def _fields(content: memoryview) -> Iterator[tuple[int, Any]]:
    """Field numbers and values of a message: an int for a varint, else its bytes."""
    place = 0
    while place < len(content):
        key, place = _varint(content, place)
        kind = key & 7
        if kind == 0:
            value, place = _varint(content, place)
            yield key >> 3, value
            continue
        if kind == 2:
            length, place = _varint(content, place)
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
        else:
            raise ValueError(f"wire type {kind} at byte {place}")
        if place + length > len(content):
            raise ValueError("it ends in the middle of a field")
        yield key >> 3, content[place : place + length]
        place += length


def _varint(content: memoryview, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = content[place]
        place += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, place
    raise ValueError(f"a number without an end at byte {place}")


def _integers(value: Any) -> list[int]:
    """A repeated field of whole numbers, packed or one of them."""
    if isinstance(value, int):
        return [_signed(value)]
    numbers, place = [], 0
    while place < len(value):
        number, place = _varint(value, place)
        numbers.append(_signed(number))
    return numbers


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


def _text(value: Any) -> str:
    return bytes(value).decode("utf-8", "replace")
