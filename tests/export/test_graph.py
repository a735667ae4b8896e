"""The builder writes checked models, the same bytes for the same calls, in operators that later opsets leave alone."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from export import checkpoint, crops, nanodet, osnet
from export.graph import OPSET, Graph
from export.weights import Weights
from tests.export.onnxrun import run


def _doubler() -> onnx.ModelProto:
    graph = Graph()
    x = graph.input("x", ["n", 4])
    parts = graph.split(graph.add("Mul", [x, graph.constant("two", [2.0])], "twice"), [1, 3], ["head", "tail"])
    graph.add("Concat", parts[::-1], "y", axis=1)
    graph.output("y", ["n", 4])
    return graph.model("doubler")


def test_a_graph_is_written_top_to_bottom() -> None:
    model = _doubler()
    assert [node.name for node in model.graph.node] == ["twice", "twice.split", "y"]
    x = np.arange(8, dtype=np.float32).reshape(2, 4)
    np.testing.assert_array_equal(run(model, x=x)["y"], 2 * x[:, [1, 2, 3, 0]])


def test_the_same_calls_give_the_same_bytes() -> None:
    assert _doubler().SerializeToString() == _doubler().SerializeToString()


def test_weights_that_no_sum_can_feel_are_zero() -> None:
    graph = Graph()
    graph.constant("w", [1.0, -1e-21, 1e-40, 2e-20, 0.0])
    graph.output(graph.add("Identity", ["w"], "out"), [5])
    (stored,) = graph.model("g").graph.initializer
    assert onnx.numpy_helper.to_array(stored).tolist() == [1, 0, 0, np.float32(2e-20), 0]


def test_a_graph_with_a_loose_end_is_not_finished() -> None:
    graph = Graph()
    graph.add("Relu", ["nowhere"], "y")
    graph.output("y", [1])
    with pytest.raises(onnx.checker.ValidationError):
        graph.model("loose")


@pytest.mark.parametrize("opset", [19, 21])
@pytest.mark.parametrize("network", ["detector", "reid"])
def test_later_opsets_mean_the_same(data: Path, network: str, opset: int) -> None:
    """float16 Q/DQ wants 19: raising the number must be all there is to it."""
    if network == "detector":
        tensors, _ = checkpoint.read(data / "models" / "nanodet-plus-m_416.pth")
        model, image, _ = nanodet.build(Weights("d", tensors), "nanodet-plus", 96, 64)
    else:
        tensors, _ = checkpoint.read(data / "models" / "osnet_x0_25_msmt17.pth")
        model, image, _ = osnet.build(Weights("r", tensors), *crops.PUBLISHED_SIZE)
    assert model.opset_import[0].version == OPSET
    pixels = np.random.default_rng(1).integers(0, 256, (1, image.height, image.width, 3), np.uint8)
    before = run(model, **{image.name: pixels})
    model.opset_import[0].version = opset
    model.ir_version = 10
    onnx.checker.check_model(model, full_check=True)
    for name, array in run(model, **{image.name: pixels}).items():
        np.testing.assert_allclose(array, before[name], rtol=1e-5, atol=1e-5)
