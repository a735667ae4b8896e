"""Files that are no detector of a known family, or one that was changed: none is adopted without a question.

The generator is seeded. Half of the files are networks for other tasks or with heads of nobody; the other half are
proper networks of the families with one thing changed: cells in another order, other strides, parts exchanged, scores
without their sigmoid, rows turned, a column more.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge.detect import adopt
from edge.errors import DataError
from tests.detect.families import networks
from tests.detect.families.networks import SIZE, Net

COUNT = 100  # of each kind; enough for every mutation of every family three times


def alien(path: Path, seed: int) -> Path:
    """A network that detects nothing that is known: random outputs, many of them of shapes that detectors have."""
    random = np.random.default_rng(seed)
    net = Net(seed)
    cells = int(random.choice([net.cells, 3 * net.cells, net.cells + 1, 64, 85, 300, 1000]))
    width = int(random.choice([4, 5, 6, 7, 9, 33, 37, 84, 85, 112, 116, 144]))
    shape = [
        (1, cells, width), (1, width, cells), (1, 1000), (1, 21, SIZE, SIZE), (1, 17, 16, 16), (1, cells, 4), (1, 512),
    ][int(random.integers(7))]  # fmt: skip
    activation = str(random.choice(["", "Sigmoid", "Exp", "Tanh", "Softmax", "Relu"]))
    size = int(np.prod(shape))
    mean = net.add("Reshape", [net.add("GlobalAveragePool", [net.features[0]]), net.constant([1, 8], np.int64)])
    weight = net.constant(random.normal(0, 1, (8, size)))
    values = net.add("Reshape", [net.add("MatMul", [mean, weight]), net.constant(shape, np.int64)])
    net.add(activation or "Identity", [values], "output")
    net.output("output", shape)
    if random.random() < 0.3:
        net.add("Identity", [net.features[1]], "second")
        net.output("second", [1, 8, SIZE // 16, SIZE // 16])
    return net.write(path)


def _outputs(model: onnx.ModelProto) -> str:
    return model.graph.output[0].name


def _behind(model: onnx.ModelProto, op: str, constants: dict[str, np.ndarray], **attributes: int) -> None:
    """Put an operator behind the first output."""
    name = _outputs(model)
    for node in model.graph.node:
        node.output[:] = ["inner" if output == name else output for output in node.output]
    model.graph.initializer.extend(numpy_helper.from_array(value, key) for key, value in constants.items())
    model.graph.node.append(helper.make_node(op, ["inner", *constants], [name], **attributes))


def _axis_of(model: onnx.ModelProto, cells: bool) -> int:
    shape = [d.dim_value for d in model.graph.output[0].type.tensor_type.shape.dim]
    large = int(np.argmax(shape[1:])) + 1
    return large if cells else 3 - large


def shuffle_cells(model: onnx.ModelProto, random: np.random.Generator) -> None:
    """Levels from the coarsest to the finest, as some exporters have them, or cells in any order."""
    axis = _axis_of(model, True)
    count = model.graph.output[0].type.tensor_type.shape.dim[axis].dim_value
    order = np.arange(count)[::-1] if random.random() < 0.5 else random.permutation(count)
    _behind(model, "Gather", {"order": order.astype(np.int64)}, axis=axis)


def shuffle_columns(model: onnx.ModelProto, random: np.random.Generator) -> None:
    """Scores before boxes, or anything before anything."""
    axis = _axis_of(model, False)
    count = model.graph.output[0].type.tensor_type.shape.dim[axis].dim_value
    order = np.roll(np.arange(count), int(random.integers(5, count - 5)))
    _behind(model, "Gather", {"order": order.astype(np.int64)}, axis=axis)


def without_sigmoid(model: onnx.ModelProto, random: np.random.Generator) -> None:
    """Logits where probabilities belong."""
    for node in model.graph.node:
        if node.op_type == "Sigmoid":
            node.op_type = "Identity"


def scaled(model: onnx.ModelProto, random: np.random.Generator) -> None:
    """Boxes and scores in other units."""
    _behind(model, "Mul", {"factor": np.float32(random.choice([0.01, 7.0, 100.0]))})


def constant(model: onnx.ModelProto, random: np.random.Generator) -> None:
    """A network that puts out the same number everywhere: its values prove nothing."""
    _behind(model, "Mul", {"factor": np.float32(0)})


def other_strides(model: onnx.ModelProto, random: np.random.Generator) -> None:
    """Boxes decoded with strides that are not those of the cells; where the graph has none, cells in another order."""
    factor, changed = random.choice([0.5, 2.0, 4.0]), False
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and values.size and np.isin(values, networks.STRIDES).all():
            tensor.CopyFrom(numpy_helper.from_array((values * factor).astype(np.float32), tensor.name))
            changed = True
    if not changed:
        shuffle_cells(model, random)


MUTATIONS: list[Callable[[onnx.ModelProto, np.random.Generator], None]] = [
    shuffle_cells, shuffle_columns, without_sigmoid, scaled, constant, other_strides,
]  # fmt: skip
FAMILIES: list[Callable[[Path], Path]] = [
    networks.nanodet,
    networks.yolov5,
    networks.yolov8,
    lambda path: networks.yolox(path, decoded=True),
    networks.yolox,
]


def mutant(path: Path, seed: int) -> Path:
    """A family's network with one mutation."""
    random = np.random.default_rng(seed)
    family = FAMILIES[seed % len(FAMILIES)]
    mutation = MUTATIONS[seed // len(FAMILIES) % len(MUTATIONS)]
    model = onnx.load(family(path))
    mutation(model, random)
    onnx.save(model, path)
    return path


def adopted(path: Path) -> str:
    """What the file is taken for without a word from the user; empty where it is refused or asked about."""
    with adopt.opened(path) as network:
        try:
            found = adopt.detector(path, network)
        except DataError:
            return ""
    return found.head.type


@pytest.mark.parametrize("part", range(4))
def test_no_alien_is_adopted(part: int, tmp_path: Path) -> None:
    for seed in range(part, COUNT, 4):
        assert adopted(alien(tmp_path / "alien.onnx", seed)) == "", f"seed {seed}"


@pytest.mark.parametrize("part", range(4))
def test_no_mutant_is_adopted(part: int, tmp_path: Path) -> None:
    for seed in range(part, COUNT, 4):
        assert adopted(mutant(tmp_path / "mutant.onnx", seed)) == "", f"seed {seed}"


def test_networks_of_todays_tasks_are_refused(tmp_path: Path) -> None:
    """Classification, segmentation and poses, by the shapes that exporters give them."""
    for shape in ((1, 1000), (1, 150, 64, 64), (1, 56, 84), (1, 17, 16, 12), (1, 512), (1, 1, SIZE, SIZE)):
        net = Net()
        mean = net.add("Reshape", [net.add("GlobalAveragePool", [net.features[0]]), net.constant([1, 8], np.int64)])
        weight = net.constant(net.random.normal(0, 1, (8, int(np.prod(shape)))))
        net.add("Reshape", [net.add("MatMul", [mean, weight]), net.constant(shape, np.int64)], "output")
        net.output("output", shape, TensorProto.FLOAT)
        assert adopted(net.write(tmp_path / "a.onnx")) == ""
