"""TensorRT-RTX's importer takes our TensorRT forms and refuses those for CPUs and ONNX Runtime's defaults.

TensorRT-RTX importer: no statement on TensorRT's speed, fusion or accuracy.
"""

from pathlib import Path

import onnx
import pytest

from calibration import float16, lint, search
from calibration.gate import DetectorJudge
from calibration.matrix_outputs import with_matrix_outputs
from calibration.network import Network
from calibration.runtime import Runner
from calibration.search import Quantized, Subject, Target
from tests.calibration import toy
from tests.infer.importer import Importer

pytestmark = [pytest.mark.slow, pytest.mark.wheels]


def _calibrated(target: Target) -> Quantized:
    content = toy.detector()
    described = toy.description(content)
    images = [image.repeat(4, 1).repeat(4, 2) for image in toy.images(4)]
    network = Network.parse(content)
    network = with_matrix_outputs(network) if target is search.CPU else network
    subject = Subject(network, images, [], DetectorJudge(described, Runner(content), images))
    return search.rough(subject, target, search.observed(subject, target))


def test_the_forms_for_tensorrt_are_accepted(tensorrt_importer: Importer, tmp_path: Path) -> None:
    qdq = onnx.load_from_string(_calibrated(search.TENSORRT).content())
    for name, model in (("qdq", qdq), ("qdq_fp16", float16.to_float16(qdq))):
        assert lint.problems(model) == []
        onnx.save(model, tmp_path / f"{name}.onnx")
        assert tensorrt_importer.accepts(tmp_path / f"{name}.onnx") == []
    (tmp_path / "fp16.onnx").write_bytes(float16.to_float16(onnx.load_from_string(toy.detector())).SerializeToString())
    assert tensorrt_importer.accepts(tmp_path / "fp16.onnx") == []


def test_the_form_for_cpus_is_refused_as_the_lint_says(tensorrt_importer: Importer, tmp_path: Path) -> None:
    path = tmp_path / "int8.onnx"
    path.write_bytes(_calibrated(search.CPU).content())
    assert tensorrt_importer.accepts(path) != []
    assert any("zero point" in problem or "UINT8" in problem for problem in lint.problems(onnx.load(path)))


def test_what_onnx_runtime_makes_by_default_is_refused(tensorrt_importer: Importer, tmp_path: Path) -> None:
    from onnxruntime.quantization import CalibrationDataReader, quantize_static

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.left = [image.repeat(4, 1).repeat(4, 2) for image in toy.images(4)]

        def get_next(self) -> dict[str, object] | None:
            return {"image": self.left.pop()} if self.left else None

    (tmp_path / "float.onnx").write_bytes(toy.detector())
    quantize_static(tmp_path / "float.onnx", tmp_path / "default.onnx", Reader())
    (error,) = tensorrt_importer.accepts(tmp_path / "default.onnx")
    assert "Int32" in error or "zero point" in error
    assert any("INT32" in problem for problem in lint.problems(onnx.load(tmp_path / "default.onnx")))
