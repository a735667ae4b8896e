"""Placement, grids and the files that come out, on a network with every kind of layer."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from calibration import activations, float16, lint, placement, quantize, ranges, rounding
from calibration.matrix_outputs import with_matrix_outputs
from calibration.network import Network, opset_of
from calibration.placement import Placement
from calibration.quantize import Family
from calibration.ranges import Range
from calibration.runtime import Runner
from edge.infer.onnxrt.available import CPU
from edge.infer.onnxrt.session import DISABLED
from export.graph import Graph
from tests.calibration import toy


def _quantized(network: Network, placed: Placement, family: Family) -> onnx.ModelProto:
    images = toy.images(8)
    seen = activations.extremes(network, placed.gridded, images)
    counts = {name: found.together() for name, found in activations.histograms(network, seen, images).items()}
    members: dict[str, list[str]] = {}
    for name, root in placement.grids(network, placed.gridded).items():
        members.setdefault(root, []).append(name)
    grids = {}
    for names in members.values():
        covered = ranges.choose(ranges.merged(counts[n] for n in names), "max", symmetric=family.symmetric)
        grids.update(dict.fromkeys(names, quantize.grid(covered, family)))
    model = quantize.quantized(network, placed, grids, rounding.rounded(network, {}, family), family)
    onnx.checker.check_model(model, full_check=True)
    return model


def _kinds(model: onnx.ModelProto, tmp_path: Path) -> list[str]:
    """The operators that ONNX Runtime really runs."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(model.SerializeToString(), options, providers=[CPU], disabled_optimizers=DISABLED)
    return [node.op_type for node in onnx.load(options.optimized_model_filepath).graph.node]


def test_on_a_cpu_everything_but_the_first_convolution_is_integer(tmp_path: Path) -> None:
    network = with_matrix_outputs(toy.network())
    model = _quantized(network, placement.for_cpu(network), quantize.CPU)
    kinds = _kinds(model, tmp_path)
    assert kinds.count("QLinearConv") == 6
    assert kinds.count("QGemm") == 1
    assert kinds.count("QLinearLeakyRelu") == 4
    assert sum(kind in ("Conv", "FusedConv") for kind in kinds) == 1
    assert kinds.count("QuantizeLinear") == 1
    image = toy.images(1, seed=5)[0]
    assert toy.off(Runner(model.SerializeToString())(image)["rows"], Runner(network.content)(image)["rows"]) < 0.06


def test_layers_named_float_are_float(tmp_path: Path) -> None:
    network = with_matrix_outputs(toy.network())
    floats = ["body.0.in", "body.0.deep", "body.0.out"]
    model = _quantized(network, placement.for_cpu(network, floats), quantize.CPU)
    assert _kinds(model, tmp_path).count("QLinearConv") == 3
    kept = {tensor.name for tensor in model.graph.initializer}
    assert {f"{name}.weight" for name in floats} <= kept
    assert "body.1.in.weight" not in kept


def test_a_float_layer_between_grids_is_not_quantized_by_the_runtime(tmp_path: Path) -> None:
    """ONNX Runtime would round its weights itself; then what is measured of a layer in float is not true."""
    network = with_matrix_outputs(toy.network())
    model = _quantized(network, placement.for_cpu(network, ["body.0.deep"]), quantize.CPU)
    kinds = _kinds(model, tmp_path)
    assert kinds.count("QLinearConv") == 5
    assert sum(kind in ("Conv", "FusedConv") for kind in kinds) == 2


def _summed() -> Network:
    """Two convolutions on one, their sum through a ReLU into a last one; the maximum of each row comes out."""
    random = np.random.default_rng(0)
    graph = Graph()

    def conv(x: str, name: str) -> str:
        weights = [graph.constant(f"{name}.weight", random.normal(0, 0.3, (16, 16, 1, 1)))]
        return graph.add("Conv", [x, *weights, graph.constant(f"{name}.bias", random.normal(0, 0.3, 16))], name)

    x = conv(graph.input("x", [1, 16, 16, 16]), "first")
    x = graph.add("Relu", [graph.add("Add", [conv(x, "left"), conv(x, "right")], "sum")], "active")
    graph.add("ReduceMax", [conv(x, "last")], "highest", axes=[3], keepdims=0)
    graph.output("highest", [1, 16, 16])
    return Network(graph.model("toy"))


def test_a_sum_before_a_relu_needs_no_grid_of_its_own(tmp_path: Path) -> None:
    network = _summed()
    placed = placement.for_cpu(network)
    assert "sum" in placed.integer
    assert "sum" not in placed.gridded
    assert {"left", "right", "active"} <= set(placed.gridded)
    images = [np.random.default_rng(i).normal(0, 1, (1, 16, 16, 16)).astype(np.float32) for i in range(8)]
    grids = {}
    for name, seen in activations.extremes(network, placed.gridded, images).items():
        grids[name] = quantize.grid(Range(min(seen.lows.min(), 0), max(seen.highs.max(), 0)), quantize.CPU)
    weights = rounding.rounded(network, {}, quantize.CPU)
    model = quantize.quantized(network, placed, grids, weights, quantize.CPU)
    kinds = _kinds(model, tmp_path)
    assert kinds.count("QLinearAdd") == 1
    assert "Relu" not in kinds
    found, expected = (Runner(c)(images[0])["highest"] for c in (model.SerializeToString(), network.content))
    assert toy.off(found, expected) < 0.03


def test_float16_grids_take_a_newer_opset_and_reductions_with_them() -> None:
    """Up to opset 17 their axes are an attribute, from 18 on an input."""
    network = _summed()
    image = np.random.default_rng(0).normal(0, 1, (1, 16, 16, 16)).astype(np.float32)
    names = placement.for_tensorrt(network)
    limits = activations.extremes(network, names.gridded, [image])
    grids = {n: quantize.grid(Range(e.lows.min(), e.highs.max()), quantize.TENSORRT) for n, e in limits.items()}
    weights = rounding.rounded(network, {}, quantize.TENSORRT)
    halved = float16.to_float16(quantize.quantized(network, names, grids, weights, quantize.TENSORRT))
    assert opset_of(halved) == float16.QDQ_OPSET
    found, expected = (Runner(c)(image)["highest"] for c in (halved.SerializeToString(), network.content))
    assert found.dtype == np.float32
    assert toy.off(found, expected) < 0.05


def test_without_a_product_at_the_end_the_last_convolution_stays_float() -> None:
    network = toy.network()
    assert "head.0.last" not in placement.candidates(network)
    assert "head.0.last" in placement.candidates(with_matrix_outputs(network))


def test_a_concat_and_what_only_moves_values_share_a_grid() -> None:
    network = toy.network()
    grids = placement.grids(network, placement.for_cpu(network).gridded)
    assert len({grids[name] for name in ("body.0.out.act", "left", "right", "joined")}) == 1
    assert grids["body.0.in"] != grids["body.0.in.act"]


def test_output_branches_are_the_unbranched_ends() -> None:
    branches = placement.output_branches(toy.network())
    assert {"head.0.deep", "head.0.deep.act", "head.0.last"} <= branches
    assert not {"total", "body.1.in", "joined"} & branches


def test_the_tensorrt_form_is_legal_and_right_in_both_precisions() -> None:
    network = toy.network()
    model = _quantized(network, placement.for_tensorrt(network), quantize.TENSORRT)
    assert lint.problems(model) == []
    image = toy.images(1, seed=5)[0]
    expected = Runner(network.content)(image)["rows"]
    found = Runner(model.SerializeToString(), exact=True)(image)["rows"]
    assert toy.off(found, expected) < 0.06
    halved = float16.to_float16(model)
    assert opset_of(halved) >= 19
    assert lint.problems(halved) == []
    again = Runner(halved.SerializeToString(), exact=True)(image)["rows"]
    assert again.dtype == np.float32
    assert toy.off(again, found) < 0.03


def test_float16_alone_keeps_the_opset_and_is_near() -> None:
    network = toy.network()
    halved = float16.to_float16(network.model)
    assert opset_of(halved) == opset_of(network.model)
    assert not any(t.data_type == onnx.TensorProto.FLOAT for t in halved.graph.initializer)
    image = toy.images(1)[0]
    assert toy.off(Runner(halved.SerializeToString())(image)["rows"], Runner(network.content)(image)["rows"]) < 5e-3


def test_the_end_as_matrix_products_is_exact() -> None:
    network = toy.network()
    image = toy.images(1)[0]
    changed = with_matrix_outputs(network)
    assert "Gemm" in [node.op_type for node in changed.nodes]
    assert np.allclose(Runner(changed.content)(image)["rows"], Runner(network.content)(image)["rows"], atol=1e-6)


@pytest.mark.parametrize("covered", [Range(-1, 3), Range(0, 2), Range(-5, 0)])
def test_a_grid_holds_zero_exactly_and_covers_its_range(covered: Range) -> None:
    scale, zero = quantize.grid(covered, quantize.CPU)
    assert 0 <= zero <= 255
    assert -zero * scale == pytest.approx(covered.low, abs=scale)
    assert (255 - zero) * scale == pytest.approx(covered.high, abs=scale)


def test_scales_for_tensorrt_are_float16_numbers() -> None:
    for high in (1e-5, 0.37, 61.0):
        scale, zero = quantize.grid(Range(-high, high), quantize.TENSORRT)
        assert zero == 0
        assert float(np.float16(scale)) == scale
