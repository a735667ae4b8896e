"""TensorRT-RTX takes the exporter's graphs and refuses what it should; lean TensorRT crashes as the probe expects.

TensorRT-RTX importer: no statement on TensorRT's speed, fusion or accuracy.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import edge.demo
from edge.infer import child
from edge.infer.child import Report
from edge.infer.reasons import Reason, RungError
from edge.infer.tensorrt.available import verdict
from tests.infer.importer import Importer
from tests.infer.packs import network
from tests.infer.wheels import LEAN, importable_as_tensorrt, unpacked

pytestmark = [pytest.mark.slow, pytest.mark.wheels]


def quantized(path: Path, *, zero_point: int = 0, integer_bias: bool = False) -> Path:
    """A convolution with Q/DQ around it: TensorRT takes int8, zero points of 0 and float biases only."""
    random = np.random.default_rng(0)
    weight = random.integers(-127, 128, (16, 8, 3, 3), np.int8)
    constants = {
        "scale": np.array(0.1, np.float32),
        "zero": np.array(zero_point, np.int8),
        "w": weight,
        "w.scale": np.full(16, 0.01, np.float32),
        "w.zero": np.zeros(16, np.int8),
        "b": np.zeros(16, np.int32 if integer_bias else np.float32),
        "b.zero": np.zeros(16, np.int32),
    }
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["x.q"]),
        helper.make_node("DequantizeLinear", ["x.q", "scale", "zero"], ["x.dq"]),
        helper.make_node("DequantizeLinear", ["w", "w.scale", "w.zero"], ["w.dq"], axis=0),
    ]
    if integer_bias:
        nodes.append(helper.make_node("DequantizeLinear", ["b", "w.scale", "b.zero"], ["b.dq"], axis=0))
    nodes.append(helper.make_node("Conv", ["x.dq", "w.dq", "b.dq" if integer_bias else "b"], ["y"], pads=[1, 1, 1, 1]))
    graph = helper.make_graph(
        nodes,
        "quantized",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 8, 16, 16])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 16, 16, 16])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


def test_symmetric_int8_with_float_bias_is_accepted(tensorrt_importer: Importer, tmp_path: Path) -> None:
    assert tensorrt_importer.accepts(quantized(tmp_path / "q.onnx")) == []


@pytest.mark.parametrize(("wrong", "complaint"), [({"zero_point": 3}, "zero point"), ({"integer_bias": True}, "Int32")])
def test_what_tensorrt_cannot_do_is_refused_with_its_words(
    tensorrt_importer: Importer, tmp_path: Path, wrong: dict[str, Any], complaint: str
) -> None:
    (error,) = tensorrt_importer.accepts(quantized(tmp_path / "q.onnx", **wrong))
    assert complaint in error


def test_raw_pixels_go_in_and_a_dynamic_batch_is_fixed(tensorrt_importer: Importer, tmp_path: Path) -> None:
    path = tmp_path / "reid.onnx"
    path.write_bytes(network("crops", {"embedding": 4}, "N", "fp32", 0.0))
    built = tensorrt_importer.build(path, {"crops": (8, 16, 16, 3)})
    assert built["errors"] == []
    assert built["outputs"] == {"embedding": [8, 4, 4]}


def test_a_dynamic_input_that_nobody_gave_a_shape_is_named(tensorrt_importer: Importer, tmp_path: Path) -> None:
    path = tmp_path / "reid.onnx"
    path.write_bytes(network("crops", {"embedding": 4}, "N", "fp32", 0.0))
    assert tensorrt_importer.build(path, {})["errors"] == ["reid.onnx: input crops has no fixed shape"]


def test_the_exporters_networks_are_accepted(tensorrt_importer: Importer, data: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "export.cli", "pack", "-o", str(tmp_path / "real.pack")]
    command += ["--detector", str(data / "models/nanodet-plus-m_416.pth")]
    command += ["--reid", str(data / "models/osnet_x0_25_msmt17.pth")]
    subprocess.run(command, check=True, capture_output=True)
    assert tensorrt_importer.accepts(tmp_path / "real.pack/detector.fp32.onnx") == []
    for batch in (1, 16):
        assert tensorrt_importer.accepts(tmp_path / "real.pack/reid.fp32.onnx", batch) == []


@pytest.mark.parametrize("name", ["detector", "joint"])
def test_calibrated_networks_are_accepted_in_every_form_for_gpus(
    tensorrt_importer: Importer, tmp_path: Path, name: str
) -> None:
    weights = Path(edge.demo.__file__).with_name("weights") / f"{name}.pth"
    streets = [f"demo://?people=20&size=640x352&fps=5&frames=9&seed={seed}" for seed in (100_000, 100_001)]
    pack = tmp_path / "gpu.pack"
    command = [sys.executable, "-m", "export.cli", "pack", "--detector", str(weights), "--input-size", "320x192"]
    limits = "ap50=0,ap=0,score_bias=1"  # what is accepted, not how good it is
    subprocess.run(
        [*command, "-o", str(pack), "--calibrate", *streets, "--boards", "tensorrt", "--limits", limits],
        check=True,
        capture_output=True,
    )
    variants = sorted(path.name for path in pack.glob("*.onnx"))
    assert {"detector.fp16.onnx", "detector.fp32.onnx", "detector.qdq.onnx", "detector.qdq_fp16.onnx"} <= set(variants)
    for variant in variants:
        assert tensorrt_importer.accepts(pack / variant) == [], variant


def test_error_35_of_a_real_runtime_is_a_missing_driver(tensorrt_importer: Importer) -> None:
    program = (
        "from edge.infer.tensorrt.session import load_engine\n"
        "from edge.infer.reasons import RungError\n"
        "try: load_engine(bytes(100000))\n"
        "except RungError as error: print(error.reason.value, '|', error.detail)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=tensorrt_importer.environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("no_driver | ")
    assert "cudaError 35: CUDA driver version is insufficient" in done.stdout


def load_in_lean(_: None, report: Report) -> None:
    """What a lean runtime does without a driver: gives an object, and crashes at the first engine."""
    from edge.infer.tensorrt.session import load_engine

    report({"stage": "builder"})
    load_engine(bytes(100000))


def test_the_segmentation_fault_of_a_lean_runtime_is_survived_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = unpacked(tmp_path, *LEAN)
    importable_as_tensorrt(folder, "tensorrt_lean_bindings")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("LD_LIBRARY_PATH", str(folder / "tensorrt_lean_libs"))
    outcome = child.call("tests.infer.test_importer:load_in_lean", None, timeout_s=60)
    assert outcome.status == -11
    with pytest.raises(RungError, match="killed by SIGSEGV") as caught:
        verdict(outcome)
    assert caught.value.reason is Reason.TENSORRT_BROKEN
