"""The search for peaks in the graph equals a search in NumPy, and networks that cannot be decoded are named."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from edge.errors import DataError
from edge.modelpack import JOINT_OUTPUTS
from export import networks, onnxfile
from export.joint import with_peaks
from tests import joint_net


def _dense_and_peaks(path: Path, peaks: int) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """What the network puts out for noise, with its dense heads and with peaks."""
    random = np.random.default_rng(0)
    _, model = onnxfile.load(path)
    found = []
    for version in (model, with_peaks("joint.onnx", model, peaks)):
        session = onnxruntime.InferenceSession(version.SerializeToString(), providers=["CPUExecutionProvider"])
        random = np.random.default_rng(0)
        feed = {i.name: random.normal(size=i.shape).astype(np.float32) for i in sorted(session.get_inputs(), key=str)}
        names = [o.name for o in session.get_outputs()]
        found.append(dict(zip(names, session.run(None, feed), strict=True)))
    return found[0], found[1]


@pytest.mark.parametrize("sized", [False, True])
def test_peaks_are_those_of_a_search_in_numpy(tmp_path: Path, sized: bool) -> None:
    dense, found = _dense_and_peaks(joint_net.write(tmp_path / "joint.onnx", sized=sized), 40)
    probability = 1 / (1 + np.exp(-dense["hm"][0].astype(np.float64)))
    padded = np.pad(probability, ((0, 0), (1, 1), (1, 1)), constant_values=-1)
    _, rows, columns = probability.shape
    around = np.stack([padded[:, y : y + rows, x : x + columns] for y in range(3) for x in range(3)]).max(axis=0)
    scores = np.where(probability == around, probability, 0)
    best = np.argsort(-scores, axis=None)[:40]
    kinds, ys, xs = np.unravel_index(best, scores.shape)
    assert tuple(found) == JOINT_OUTPUTS
    assert len(set(kinds.tolist())) == 2
    assert found["scores"][0] == pytest.approx(scores.ravel()[best], abs=1e-6)
    assert found["classes"][0].tolist() == kinds.tolist()
    assert found["peaks"][0].tolist() == np.stack([xs, ys], 1).tolist()
    for head, name in (("tracking", "offsets"), ("embedding", "embeddings")):
        assert found[name][0] == pytest.approx(dense[head][0][:, ys, xs].T)
    assert found["edges"][0] == pytest.approx(np.tile(joint_net.EDGES, (40, 1)))
    assert found["heatmap"][0] == pytest.approx(probability.max(axis=0), abs=1e-6)


def test_a_pack_says_what_the_network_is(tmp_path: Path) -> None:
    network = networks.detector(joint_net.write(tmp_path / "joint.onnx", tracks=True), names=["person", "car"])
    said = network.description
    assert (said.head.type, said.head.strides, said.classes) == ("centernet-joint", (4,), ("person", "car"))
    assert (said.input.name, said.input.width, said.input.height, said.input.resize) == ("image", 96, 64, "centre")
    inputs, outputs = onnxfile.ports(onnx.load_from_string(network.content))
    assert [p.name for p in inputs] == ["image", "pre_img", "pre_hm"]  # the picture first, whatever it was before
    assert [p.name for p in outputs] == list(JOINT_OUTPUTS)


def test_networks_that_cannot_be_decoded_are_named(tmp_path: Path) -> None:
    path = joint_net.write(tmp_path / "joint.onnx")
    _, model = onnxfile.load(path)
    with pytest.raises(DataError, match="fewer than the 100000 peaks"):
        with_peaks("joint.onnx", model, 100_000)
    for node in model.graph.node:
        for names in (node.input, node.output):
            for k, name in enumerate(names):
                names[k] = "scores" if name == "blocks" else name
    with pytest.raises(DataError, match="tensors called scores"):
        with_peaks("joint.onnx", model)
    old = joint_net.write(tmp_path / "old.onnx", opset=12)
    with pytest.raises(DataError, match="opset 12; expected 13 to"):
        networks.detector(old)
    _, model = onnxfile.load(path)
    model.graph.input[0].name = "previous"
    for node in model.graph.node:
        for k, name in enumerate(node.input):
            node.input[k] = "previous" if name == "pre_img" else name
    (tmp_path / "other.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(DataError, match="export it so"):
        networks.detector(tmp_path / "other.onnx")
