"""Placement, grids and the files that come out, on a network with every kind of layer."""

import numpy as np
import onnx
import pytest

from calibration import activations, half, lint, placement, quantize, ranges, rounding
from calibration.network import Network, opset_of
from calibration.placement import Placement
from calibration.quantize import Family
from calibration.ranges import Range
from calibration.runtime import Runner
from calibration.tail import as_products
from tests.calibration import toy


def _quantized(network: Network, placed: Placement, family: Family) -> onnx.ModelProto:
    images = toy.images(8)
    seen = activations.extremes(network, placed.gridded, images)
    limits = {name: (float(e.lows.min()), float(e.highs.max())) for name, e in seen.items()}
    counts = activations.histograms(network, limits, images)
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


def _kinds(model: onnx.ModelProto, tmp_path) -> list[str]:
    """The operators that ONNX Runtime really runs."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return [node.op_type for node in onnx.load(options.optimized_model_filepath).graph.node]


def test_on_a_cpu_everything_but_the_first_convolution_is_integer(tmp_path):
    network = as_products(toy.network())
    model = _quantized(network, placement.for_cpu(network), quantize.CPU)
    kinds = _kinds(model, tmp_path)
    assert kinds.count("QLinearConv") == 6
    assert kinds.count("QGemm") == 1
    assert kinds.count("QLinearLeakyRelu") == 4
    assert sum(kind in ("Conv", "FusedConv") for kind in kinds) == 1
    assert kinds.count("QuantizeLinear") == 1
    image = toy.images(1, seed=5)[0]
    assert toy.off(Runner(model.SerializeToString())(image)["rows"], Runner(network.content)(image)["rows"]) < 0.06


def test_layers_named_float_are_float(tmp_path):
    network = as_products(toy.network())
    floats = ["body.0.in", "body.0.deep", "body.0.out"]
    model = _quantized(network, placement.for_cpu(network, floats), quantize.CPU)
    assert _kinds(model, tmp_path).count("QLinearConv") == 3
    kept = {tensor.name for tensor in model.graph.initializer}
    assert {f"{name}.weight" for name in floats} <= kept
    assert "body.1.in.weight" not in kept


def test_without_a_product_at_the_end_the_last_convolution_stays_float():
    network = toy.network()
    assert "head.0.last" not in placement.candidates(network)
    assert "head.0.last" in placement.candidates(as_products(network))


def test_a_concat_and_what_only_moves_values_share_a_grid():
    network = toy.network()
    grids = placement.grids(network, placement.for_cpu(network).gridded)
    assert len({grids[name] for name in ("body.0.out.act", "left", "right", "joined")}) == 1
    assert grids["body.0.in"] != grids["body.0.in.act"]


def test_tails_are_the_unbranched_end():
    tails = placement.tails(toy.network())
    assert {"head.0.deep", "head.0.deep.act", "head.0.last"} <= tails
    assert not {"total", "body.1.in", "joined"} & tails


def test_the_tensorrt_form_is_legal_and_right_in_both_precisions():
    network = toy.network()
    model = _quantized(network, placement.for_tensorrt(network), quantize.TENSORRT)
    assert lint.problems(model) == []
    image = toy.images(1, seed=5)[0]
    expected = Runner(network.content)(image)["rows"]
    found = Runner(model.SerializeToString(), exact=True)(image)["rows"]
    assert toy.off(found, expected) < 0.06
    halved = half.halved(model)
    assert opset_of(halved) >= 19
    assert lint.problems(halved) == []
    again = Runner(halved.SerializeToString(), exact=True)(image)["rows"]
    assert again.dtype == np.float32
    assert toy.off(again, found) < 0.03


def test_float16_alone_keeps_the_opset_and_is_near():
    network = toy.network()
    halved = half.halved(network.model)
    assert opset_of(halved) == opset_of(network.model)
    assert not any(t.data_type == onnx.TensorProto.FLOAT for t in halved.graph.initializer)
    image = toy.images(1)[0]
    assert toy.off(Runner(halved.SerializeToString())(image)["rows"], Runner(network.content)(image)["rows"]) < 5e-3


def test_the_end_as_matrix_products_is_exact():
    network = toy.network()
    image = toy.images(1)[0]
    changed = as_products(network)
    assert "Gemm" in [node.op_type for node in changed.nodes]
    assert np.allclose(Runner(changed.content)(image)["rows"], Runner(network.content)(image)["rows"], atol=1e-6)


@pytest.mark.parametrize("covered", [Range(-1, 3), Range(0, 2), Range(-5, 0)])
def test_a_grid_holds_zero_exactly_and_covers_its_range(covered):
    scale, zero = quantize.grid(covered, quantize.CPU)
    assert 0 <= zero <= 255
    assert -zero * scale == pytest.approx(covered.low, abs=scale)
    assert (255 - zero) * scale == pytest.approx(covered.high, abs=scale)


def test_scales_for_tensorrt_are_float16_numbers():
    for high in (1e-5, 0.37, 61.0):
        scale, zero = quantize.grid(Range(-high, high), quantize.TENSORRT)
        assert zero == 0
        assert float(np.float16(scale)) == scale
