"""What is read of an ONNX file without a library for it is what the library reads; damaged files are refused."""

import contextlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from edge.errors import DataError, NotFoundError
from edge.infer import graph
from tests import tiny
from tests.detect.families import networks
from tests.export import foreign

WRITERS: dict[str, Callable[[Path], Path]] = {
    "nanodet": networks.nanodet,
    "yolov8, half": lambda path: networks.yolov8(path, half=True, names=("a", "b"), classes=2),
    "dfine": networks.dfine,
    "rtmdet": networks.rtmdet,
    "nms": lambda path: foreign.save(path, foreign.with_nms()),
    "opset 9": lambda path: foreign.save(path, foreign.detector(opset=9)),
}


@pytest.fixture(params=WRITERS)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return WRITERS[request.param](tmp_path / "a.onnx")


def compare(path: Path) -> None:
    """Every operator, attribute of whole numbers, weight's shape, single number and note is that of the library."""
    found, model = graph.read(path), onnx.load(path, load_external_data=False)
    assert [(n.op, list(n.inputs), list(n.outputs)) for n in found.nodes] == [
        (n.op_type, list(n.input), list(n.output)) for n in model.graph.node
    ]
    for mine, theirs in zip(found.nodes, model.graph.node, strict=True):
        numbers = {a.name: tuple(a.ints) or (a.i,) for a in theirs.attribute if a.type in (a.INT, a.INTS)}
        assert {name: mine.numbers[name] for name in numbers if numbers[name] != (0,)} == {
            name: value for name, value in numbers.items() if value != (0,)
        }
    assert found.metadata == {entry.key: entry.value for entry in model.metadata_props}
    assert found.shapes == {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.size == 1 and values.dtype in (np.float32, np.float64, np.int32, np.int64):
            assert found.constants[tensor.name] == pytest.approx(float(values.reshape(())))
        else:
            assert tensor.name not in found.constants


def test_it_reads_what_the_library_reads(path: Path) -> None:
    compare(path)


def test_a_published_network(data: Path) -> None:
    compare(data / "models/nanodet-plus-m_416.onnx")


def test_numbers_of_every_form(tmp_path: Path) -> None:
    """As raw bytes, in fields of their type, as the attribute of a constant, below zero."""
    nodes = [
        helper.make_node("Constant", [], ["tensor"], value=helper.make_tensor("", TensorProto.FLOAT, [], [2.5])),
        helper.make_node("Constant", [], ["float"], value_float=-0.75),
        helper.make_node("Constant", [], ["integer"], value_int=-3),
        helper.make_node("Constant", [], ["many"], value_ints=[1, 2]),
        helper.make_node("Unsqueeze", ["x"], ["y"], axes=[-1, 300]),
        helper.make_node("Cast", ["y"], ["z"], to=TensorProto.INT64),
    ]
    weights = [
        helper.make_tensor("floats", TensorProto.FLOAT, [], [1.5]),
        helper.make_tensor("longs", TensorProto.INT64, [1], [-(1 << 40)]),
        helper.make_tensor("ints", TensorProto.INT32, [1, 1], [-7]),
        helper.make_tensor("doubles", TensorProto.DOUBLE, [], [0.1]),
        helper.make_tensor("raw", TensorProto.INT64, [], np.int64(-9).tobytes(), raw=True),
        helper.make_tensor("pair", TensorProto.INT64, [2], [1, 2]),
        helper.make_tensor("half", TensorProto.FLOAT16, [], [1.0]),
    ]
    made = helper.make_graph(nodes, "numbers", [], [], weights)
    found = graph.read(foreign.save(tmp_path / "a.onnx", helper.make_model(made)))
    expected = {"tensor": 2.5, "float": -0.75, "integer": -3, "floats": 1.5, "longs": -(1 << 40), "ints": -7}
    assert found.constants == pytest.approx({**expected, "doubles": 0.1, "raw": -9})
    assert found.nodes[4].numbers["axes"] == (-1, 300)
    assert found.nodes[5].numbers["to"] == (TensorProto.INT64,)


def of(*nodes: tuple[str, str, str]) -> graph.Graph:
    """A graph of operators, each with its inputs and outputs in a string."""
    return graph.Graph(tuple(graph.Node(op, tuple(a.split()), tuple(b.split())) for op, a, b in nodes), {}, {}, {})


JOINED = of(
    ("Conv", "x w", "a"), ("Sigmoid", "a", "b"), ("Reshape", "b s", "c"), ("Conv", "x v", "d"),
    ("Concat", "d c", "e"), ("Transpose", "e", "f"), ("Slice", "f i j", "g"), ("Gather", "f k", "h"),
    ("Shape", "x", "n"), ("Div", "n k", "s"),
)  # fmt: skip


def test_what_computes_an_output_is_seen_past_what_only_moves_it() -> None:
    maker = JOINED.maker("f")
    assert maker is not None
    assert maker.op == "Concat"
    assert JOINED.maker("x") is None
    assert JOINED.parts("f") == ("Conv", "Sigmoid")
    assert JOINED.parts("c") == ("Sigmoid",)
    assert JOINED.parts("x") == ("",)
    assert [JOINED.is_joined(name) for name in ("f", "g", "h", "b", "x")] == [True, True, False, False, False]
    assert JOINED.feeds("Sigmoid") == {"Concat"}
    assert JOINED.behind("c") == {"Reshape", "Sigmoid", "Conv", "Div", "Shape"}
    assert JOINED.operators >= {"Conv", "Concat"}


def test_what_a_picture_passes_before_the_first_layer() -> None:
    assert JOINED.before_layers("x") == frozenset()  # shapes are no values
    prepared = of(
        ("Cast", "x", "a"), ("Div", "a k", "b"), ("Gather", "b i", "c"), ("Conv", "c w", "d"), ("Mul", "d e", "f")
    )
    assert prepared.before_layers("x") == {"Div", "Gather"}
    focus = of(*[("Slice", f"x {i}", f"s{i}") for i in "abcd"], ("Concat", "sa sb sc sd", "j"), ("Conv", "j w", "o"))
    assert focus.before_layers("x") == {"Slice", "Concat"}
    assert of(("Relu", "x", "x")).before_layers("x") == {"Relu"}  # a circle ends


def test_circles_of_moves_end() -> None:
    circle = of(("Reshape", "b", "a"), ("Transpose", "a", "b"))
    assert circle.maker("a") is None
    assert circle.behind("a") == {"Reshape", "Transpose"}


def test_a_file_that_is_cut_off_is_refused_or_has_less_in_it(tmp_path: Path) -> None:
    content = networks.yolov8(tmp_path / "a.onnx").read_bytes()
    whole = len(graph.read(tmp_path / "a.onnx").nodes)
    cut = tmp_path / "cut.onnx"
    for length in range(1, len(content), 97):
        cut.write_bytes(content[:length])
        with contextlib.suppress(DataError):
            assert len(graph.read(cut).nodes) <= whole


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_damaged_bytes_end_in_an_error_or_in_a_graph(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Never in another exception, nor in no end."""
    folder = tmp_path_factory.getbasetemp()
    if not (folder / "whole.onnx").exists():
        tiny.write_network(folder / "whole.onnx")
    content = bytearray((folder / "whole.onnx").read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=8)):
        content[place] = data.draw(st.integers(0, 255))
    damaged = folder / "damaged.onnx"
    damaged.write_bytes(content)
    with contextlib.suppress(DataError):
        graph.read(damaged).behind("output")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"\x3a\xff\x01", "ends in the middle"),
        (b"\x80" * 12, "without an end"),
        (b"\x0b", "wire type 3"),
        (b"", "empty"),
    ],
)
def test_what_is_no_model_says_why(content: bytes, complaint: str, tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(content)
    with pytest.raises(DataError, match=f"not a valid ONNX model .*{complaint}"):
        graph.read(tmp_path / "a.onnx")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="cannot be read"):
        graph.read(tmp_path / "a.onnx")
