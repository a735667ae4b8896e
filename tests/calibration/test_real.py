"""Published networks, of our own building and foreign ones, in integers without any search: near float32 and legal."""

from pathlib import Path

import onnx
import pytest

from calibration import feeds, float16, frames, lint, search
from calibration.gate import Agreement, DetectorJudge
from calibration.matrix_outputs import with_matrix_outputs
from calibration.network import Network
from calibration.runtime import Runner
from calibration.search import Subject
from export import networks

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    "file", ["nanodet-plus-m_416.pth", "nanodet-plus-m_416.onnx", "object_detection_nanodet_2022nov.onnx"]
)
def test_published_detectors_stay_right(data: Path, file: str) -> None:
    network = networks.detector(data / "models" / file)
    chosen = frames.find(24, str(data / "images/coco128"))
    tensors = [feeds.tensor(network.description.input, [picture]) for picture in chosen.pictures()]
    judge = DetectorJudge(network.description, Runner(network.content), tensors[12:])
    parsed = Network.parse(network.content)
    for target, floats in ((search.CPU, with_matrix_outputs(parsed)), (search.TENSORRT, parsed)):
        subject = Subject(floats, tensors[:12], [], judge)
        content = search.rough(subject, target, search.observed(subject, target)).content()
        found = judge.verdict(Runner(content), 1)
        assert isinstance(found, Agreement)
        assert found.ap50 > 0.9
        assert found.truths > 20
    qdq = onnx.load_from_string(content)
    assert lint.problems(qdq) == []
    assert lint.problems(float16.to_float16(qdq)) == []
    halved = float16.to_float16(parsed.model).SerializeToString()
    assert judge.verdict(Runner(halved), 1).ap50 > 0.98
