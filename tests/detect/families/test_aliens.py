"""Files that are no detector of a known family, or one that was changed: none is adopted without a question.

Some 270 files: random networks with outputs of shapes that detectors have, the heads of other networks, and networks of
the families with one thing changed (`mutations`). A file that only asks for the names of its classes gets them.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from edge.detect import adopt
from edge.detect.adopt import Overrides
from edge.errors import DataError
from tests.detect.families import mutations, networks
from tests.detect.families.mutations import Mutation
from tests.detect.families.networks import SIZE, Net

RANDOM = 100
THREE = ("person", "car", "dog")
REFUSALS = (
    "not a detector that is understood|say which it is|its task is|without the anchors|but its metadata names"
    "|before boxes are made of them"
)


def adopted(path: Path) -> str:
    """What the file is taken for without a word from the user but the names of classes; empty where it is refused or
    asked about."""
    with adopt.opened(path) as network:
        for said in (adopt.NONE, Overrides(class_names=THREE)):
            try:
                return adopt.detector(path, network, said).head.type
            except DataError as error:
                refusal = str(error)
            if "does not show how many classes" not in refusal:
                break
    assert re.search(REFUSALS, refusal), refusal  # and not for any other reason
    return ""


def alien(path: Path, seed: int) -> Path:
    """A network that detects nothing that is known: random outputs, many of them of shapes that detectors have."""
    random = np.random.default_rng(seed)
    net = Net(seed)
    cells = int(random.choice([net.cells, 3 * net.cells, net.cells + 1, 64, 85, 300, 1000]))
    width = int(random.choice([4, 5, 6, 7, 9, 33, 37, 84, 85, 112, 116, 144]))
    shape = [
        (1, cells, width), (1, width, cells), (1, 1000), (1, 21, SIZE, SIZE), (1, 17, 16, 16), (1, cells, 4), (1, 512),
    ][int(random.integers(7))]  # fmt: skip
    head(net, "output", shape, str(random.choice(["", "Sigmoid", "Exp", "Tanh", "Softmax", "Relu"])))
    if random.random() < 0.3:
        net.add("Identity", [net.features[1]], "second")
        net.output("second", [1, 8, SIZE // 16, SIZE // 16])
    return net.write(path)


def head(net: Net, name: str, shape: Sequence[int], activation: str = "") -> None:
    """An output of any shape, made of the mean of the picture."""
    size = int(np.prod(shape))
    mean = net.add("Reshape", [net.add("GlobalAveragePool", [net.features[0]]), net.constant([1, 8], np.int64)])
    product = net.add("MatMul", [mean, net.constant(net.random.normal(0, 1, (8, size)))])
    if activation == "Number":
        product, activation = net.add("Abs", [net.add("Round", [product])]), ""
    values = net.add("Reshape", [product, net.constant(list(shape), np.int64)])
    if activation == "Int":
        net.add("Cast", [values], name, to=TensorProto.INT64)
        net.output(name, shape, TensorProto.INT64)
        return
    net.add(activation or "Identity", [values], name)
    net.output(name, shape)


C, N = 80, 84  # classes, cells of the three levels
# Outputs by name, shape and activation, as the projects export them.
HEADS: dict[str, list[tuple[str, tuple[int, ...], str]]] = {
    "classification": [("logits", (1, 1000), "")],
    "classification, probabilities": [("probabilities", (1, 1000), "Softmax")],
    "embedding": [("embedding", (1, 512), "")],
    "semantic segmentation": [("out", (1, 21, SIZE, SIZE), "")],
    "depth": [("depth", (1, 1, SIZE, SIZE), "Relu")],
    "super-resolution": [("picture", (1, 3, 2 * SIZE, 2 * SIZE), "")],
    "pose, heat maps": [("heatmaps", (1, 17, SIZE // 4, SIZE // 4), "Sigmoid")],
    "pose, SimCC": [("simcc_x", (1, 17, 2 * SIZE), ""), ("simcc_y", (1, 17, 2 * SIZE), "")],
    "pose, MoveNet": [("output_0", (1, 6, 56), "Sigmoid")],
    "pose, YOLOv8": [("output0", (1, 56, N), "")],
    "pose, YOLOv7": [("output", (1, 3 * N, 57), "Sigmoid")],
    "faces, RetinaFace": [("loc", (1, 168, 4), ""), ("conf", (1, 168, 2), "Softmax"), ("landms", (1, 168, 10), "")],
    "faces, BlazeFace": [("regressors", (1, 896, 16), ""), ("classificators", (1, 896, 1), "Sigmoid")],
    "faces, SCRFD": [
        (f"{kind}_{stride}", (2 * (SIZE // stride) ** 2, width), activation)
        for kind, width, activation in (("score", 1, "Sigmoid"), ("bbox", 4, "Relu"), ("kps", 10, ""))
        for stride in (8, 16, 32)
    ],
    "faces, YuNet": [
        (f"{kind}_{stride}", (1, (SIZE // stride) ** 2, width), activation)
        for kind, width, activation in (
            ("cls", 1, "Sigmoid"), ("obj", 1, "Sigmoid"), ("bbox", 4, ""), ("kps", 10, ""),
        )
        for stride in (8, 16, 32)
    ],
    "SSD before its boxes are decoded": [("locations", (1, 8732, 4), ""), ("confidences", (1, 8732, 21), "Softmax")],
    "RetinaNet": [("cls", (1, 9 * N, C), "Sigmoid"), ("box", (1, 9 * N, 4), "")],
    "FCOS": [("cls", (1, N, C), "Sigmoid"), ("box", (1, N, 4), "Relu"), ("centerness", (1, N, 1), "Sigmoid")],
    "CenterNet": [("hm", (1, C, 16, 16), "Sigmoid"), ("wh", (1, 2, 16, 16), ""), ("reg", (1, 2, 16, 16), "")],
    "YOLO-NAS": [("boxes", (1, N, 4), "Relu"), ("scores", (1, N, C), "Sigmoid")],
    "YOLOv4": [("boxes", (1, 3 * N, 1, 4), "Sigmoid"), ("confs", (1, 3 * N, C), "Sigmoid")],
    "YOLOv1": [("output", (1, 7, 7, 30), "")],
    "raw heads, RTMDet": [
        (f"{kind}_{stride}", (1, width, SIZE // stride, SIZE // stride), "")
        for kind, width in (("cls", C), ("bbox", 4))
        for stride in (8, 16, 32)
    ],
    "raw heads, YOLOv5": [
        (f"head_{stride}", (1, 3, SIZE // stride, SIZE // stride, 5 + C), "") for stride in (8, 16, 32)
    ],
    "raw heads, YOLOv3": [
        (f"head_{stride}", (1, 3 * (5 + C), SIZE // stride, SIZE // stride), "") for stride in (8, 16, 32)
    ],
    "DETR": [("pred_logits", (1, 100, 92), ""), ("pred_boxes", (1, 100, 4), "Sigmoid")],
    "DETR, probabilities": [("logits", (1, 100, 92), "Softmax"), ("pred_boxes", (1, 100, 4), "Sigmoid")],
    "RF-DETR with masks": [
        ("dets", (1, 100, 4), "Sigmoid"), ("labels", (1, 100, 91), ""), ("masks", (1, 100, 16, 16), ""),
    ],
    "Mask R-CNN of MMDeploy": [
        ("dets", (1, 100, 5), ""), ("labels", (1, 100), "Int"), ("masks", (1, 100, 28, 28), "Sigmoid"),
    ],
    "rotated boxes of MMDeploy": [("dets", (1, 100, 6), ""), ("labels", (1, 100), "Int")],
    "random lists under D-FINE's names": [
        ("labels", (1, 100), "Int"), ("boxes", (1, 100, 4), ""), ("scores", (1, 100), "Sigmoid"),
    ],
    "random lists under TensorFlow's names": [
        ("detection_boxes", (1, 10, 4), "Sigmoid"), ("detection_scores", (1, 10), "Sigmoid"),
        ("detection_classes", (1, 10), "Number"),
    ],
    "text boxes": [("geometry", (1, 5, 16, 16), "Sigmoid"), ("score", (1, 1, 16, 16), "Sigmoid")],
    "lanes": [("loc_row", (1, 100, 36, 4), ""), ("exist_row", (1, 2, 36, 4), "")],
}  # fmt: skip

OF_ROWS = (
    mutations.cells_in_any_order, mutations.coarsest_level_first, mutations.columns_rolled, mutations.turned,
    mutations.logits, mutations.scaled, mutations.small, mutations.constant, mutations.extra_output,
    mutations.extra_column, mutations.extra_input, mutations.scaled_inside, mutations.normalised_inside,
    mutations.colours_turned_inside, mutations.names_of_others, mutations.another_task, mutations.maps_turned,
    mutations.levels_joined_backwards,
)  # fmt: skip
OF_BOXES = (
    mutations.other_strides, mutations.corners, mutations.y_first, mutations.shares,
    mutations.all_levels_joined_backwards,
)  # fmt: skip
OF_LISTS = (
    mutations.list_of_middles, mutations.scores_above_one, mutations.extra_input, mutations.constant_boxes,
    mutations.another_task,
)  # fmt: skip
IN_PIXELS = (*OF_LISTS, mutations.list_in_shares)
OF_FLOATS = (mutations.scaled_inside, mutations.normalised_inside, mutations.colours_turned_inside)
OF_OUTPUTS = (mutations.one_output_less, mutations.names_exchanged, mutations.classes_between_numbers)

FAMILIES: dict[str, tuple[Callable[[Path], Path], Sequence[Mutation]]] = {
    "nanodet-plus": (networks.nanodet, (*OF_ROWS, mutations.all_levels_joined_backwards)),
    "nanodet": (
        lambda path: networks.nanodet(path, how="Add"),
        (*OF_ROWS, mutations.all_levels_joined_backwards),
    ),
    "picodet": (
        lambda path: networks.per_level(path, activation="HardSwish"),
        (
            mutations.maps_turned, mutations.logits, mutations.scaled, mutations.extra_output, mutations.extra_input,
            mutations.names_of_others, mutations.another_task, mutations.one_output_less, *OF_FLOATS,
        ),
    ),
    "yolov5": (networks.yolov5, tuple(m for m in (*OF_ROWS, *OF_BOXES) if m is not mutations.maps_turned)),
    "yolov6": (lambda path: networks.yolox(path, decoded=True, sure=True), (*OF_ROWS, *OF_BOXES)),
    "yolox": (lambda path: networks.yolox(path, decoded=True), (*OF_ROWS, *OF_BOXES)),
    "yolox, grid": (networks.yolox, OF_ROWS),
    "yolov8": (networks.yolov8, (*OF_ROWS, *OF_BOXES, mutations.objectness_before_classes)),
    "yolov8, its names": (
        lambda path: networks.yolov8(path, classes=3, names=THREE, task="detect"),
        (
            mutations.cells_in_any_order, mutations.coarsest_level_first, mutations.columns_rolled, mutations.logits,
            mutations.scaled, mutations.extra_output, mutations.extra_column, mutations.extra_input, *OF_FLOATS,
            mutations.names_of_others, mutations.another_task, *OF_BOXES, mutations.objectness_before_classes,
        ),
    ),
    "yolo-end2end": (
        lambda path: networks.end_to_end(path, names=THREE),
        (*IN_PIXELS, *OF_FLOATS, mutations.columns_rolled, mutations.turned, mutations.names_of_others,
         mutations.extra_output, mutations.extra_column),
    ),
    "yolo-nms": (networks.yolo_nms, (*IN_PIXELS, *OF_FLOATS, mutations.extra_output, mutations.columns_rolled)),
    "dfine": (
        lambda path: networks.dfine(path, classes=3),
        (*IN_PIXELS, *OF_FLOATS, *OF_OUTPUTS, mutations.size_height_first),
    ),
    "rfdetr": (
        networks.rfdetr,
        (mutations.list_of_corners, mutations.list_in_pixels, mutations.extra_output, mutations.extra_input,
         mutations.constant_boxes, *OF_FLOATS, mutations.one_output_less, mutations.names_exchanged,
         mutations.another_task),
    ),
    "rtmdet": (lambda path: networks.rtmdet(path, cspnext=True), (*IN_PIXELS, *OF_FLOATS, *OF_OUTPUTS)),
    "ssd": (networks.ssd, (mutations.list_in_pixels, *OF_OUTPUTS[1:], mutations.another_task, mutations.extra_input)),
    "torchvision": (networks.torchvision, (*IN_PIXELS, mutations.one_output_less, mutations.classes_between_numbers)),
}  # fmt: skip
MUTANTS = [(family, mutation) for family, (_, each) in FAMILIES.items() for mutation in each]


def test_there_are_enough_of_them() -> None:
    assert RANDOM + len(HEADS) + len(MUTANTS) >= 250


@pytest.mark.parametrize("part", range(4))
def test_no_random_network_is_adopted(part: int, tmp_path: Path) -> None:
    for seed in range(part, RANDOM, 4):
        assert adopted(alien(tmp_path / "alien.onnx", seed)) == "", f"seed {seed}"


@pytest.mark.parametrize("name", HEADS)
def test_no_head_of_another_network_is_adopted(name: str, tmp_path: Path) -> None:
    net = Net()
    for output in HEADS[name]:
        head(net, *output)
    assert adopted(net.write(tmp_path / "other.onnx")) == ""


@pytest.mark.parametrize(("family", "mutation"), MUTANTS, ids=lambda v: v if isinstance(v, str) else v.__name__)
def test_no_mutant_is_adopted(family: str, mutation: Mutation, tmp_path: Path) -> None:
    path = FAMILIES[family][0](tmp_path / "mutant.onnx")
    model = onnx.load(path)
    mutation(model)
    onnx.save(model, path)
    assert adopted(path) == ""


@pytest.mark.parametrize("family", [name for name in FAMILIES if not name.startswith("yolox")])
def test_what_is_not_changed_is_adopted(family: str, tmp_path: Path) -> None:
    """So that the others show something; of a YOLOX it is always asked how pictures are prepared."""
    assert adopted(FAMILIES[family][0](tmp_path / "a.onnx")) == family.partition(",")[0].replace("yolov6", "yolov5")
