"""Each family's network is recognised by itself or asked about, prepared as published, and decoded as NumPy decodes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from edge.detect import adopt
from edge.detect.adopt import Overrides
from edge.detect.detector import Detector
from edge.detect.open import open_detector
from edge.detect.pictures import built_in
from edge.errors import DataError, UsageError
from tests.detect.families import mutations, networks
from tests.detect.families.networks import SIZE

THREE = ("person", "car", "dog")


def described(path: Path, **said: Any) -> Any:
    with adopt.opened(path, said.get("input_size")) as network:
        return adopt.detector(path, network, Overrides(**said))


# Writer, flags, family, classes, resize, colour, mean and std of the first channel, box form.
CASES: dict[str, tuple[Callable[..., Path], dict[str, Any], dict[str, Any], tuple[Any, ...]]] = {
    "plus": (networks.nanodet, {}, {}, ("nanodet-plus", 80, "squash", "bgr", 103.53, 57.375, "distributions")),
    "plus, reg_max 10": (
        networks.nanodet,
        {"classes": 1, "reg_max": 10},
        {},
        ("nanodet-plus", 1, "squash", "bgr", 103.53, 57.375, "distributions"),
    ),
    "v0.x": (
        networks.nanodet,
        {"how": "Add"},
        {},
        ("nanodet", 80, "letterbox-centre", "bgr", 103.53, 57.375, "distributions"),
    ),
    "v0.x on EfficientNet-Lite": (
        networks.nanodet,
        {"how": "Add", "activation": "Clip"},  # ReLU6; its configurations have a mean and std of their own
        {},
        ("nanodet", 80, "letterbox-centre", "bgr", 127, 128, "distributions"),
    ),
    "v0.x by level": (
        networks.per_level,
        {"how": "Add", "shuffled": True},
        {},
        ("nanodet", 80, "letterbox-centre", "bgr", 103.53, 57.375, "distributions"),
    ),
    "picodet": (
        networks.per_level,
        {"activation": "HardSwish"},
        {},
        ("picodet", 80, "squash", "rgb", 123.675, 58.395, "distributions"),
    ),
    "yolox": (networks.yolox, {}, {"family": "yolox"}, ("yolox", 80, "letterbox", "bgr", 0, 1, "grid")),
    "yolox decoded": (
        networks.yolox,
        {"decoded": True, "classes": 1},
        {"family": "yolox"},
        ("yolox", 1, "letterbox", "bgr", 0, 1, "cxcywh"),
    ),
    "bytetrack": (
        networks.yolox,
        {"classes": 1},
        {"family": "yolox-imagenet"},
        ("yolox-imagenet", 1, "letterbox", "rgb", 123.675, 58.395, "grid"),
    ),
    "yolov5": (networks.yolov5, {}, {}, ("yolov5", 80, "letterbox-centre", "rgb", 0, 255, "cxcywh")),
    "yolov6": (
        networks.yolox,
        {"decoded": True, "sure": True},
        {},
        ("yolov5", 80, "letterbox-centre", "rgb", 0, 255, "cxcywh"),
    ),
    "yolov6 before 2.0": (
        networks.yolox,
        {"decoded": True},
        {"family": "yolov5"},
        ("yolov5", 80, "letterbox-centre", "rgb", 0, 255, "cxcywh"),
    ),
    "yolov8": (networks.yolov8, {}, {}, ("yolov8", 80, "letterbox-centre", "rgb", 0, 255, "cxcywh")),
    "yolov8, its names": (
        networks.yolov8,
        {"classes": 3, "names": THREE, "task": "detect"},
        {},
        ("yolov8", 3, "letterbox-centre", "rgb", 0, 255, "cxcywh"),
    ),
    "yolov8, half": (networks.yolov8, {"half": True}, {}, ("yolov8", 80, "letterbox-centre", "rgb", 0, 255, "cxcywh")),
    "yolov8, open batch": (
        networks.yolov8,
        {"batch": "batch"},
        {},
        ("yolov8", 80, "letterbox-centre", "rgb", 0, 255, "cxcywh"),
    ),
    "yolov8, open size": (
        networks.yolov8,
        {"open_size": True},
        {"input_size": (SIZE, SIZE)},
        ("yolov8", 80, "letterbox-centre", "rgb", 0, 255, "cxcywh"),
    ),
    "end to end": (
        networks.end_to_end,
        {"names": THREE},
        {},
        ("yolo-end2end", 3, "letterbox-centre", "rgb", 0, 255, "xyxy"),
    ),
    "dfine": (networks.dfine, {}, {}, ("dfine", 80, "squash", "rgb", 0, 255, "xyxy")),
    "rfdetr": (networks.rfdetr, {}, {}, ("rfdetr", 91, "squash", "rgb", 123.675, 58.395, "cxcywh-share")),
    "rt-detr of hugging face": (
        networks.queries,
        {"classes": 80},
        {"family": "dfine"},
        ("dfine", 80, "squash", "rgb", 0, 255, "cxcywh-share"),
    ),
    "rf-detr of hugging face": (
        networks.queries,
        {"logits": "pred_logits"},
        {"family": "rfdetr"},
        ("rfdetr", 91, "squash", "rgb", 123.675, 58.395, "cxcywh-share"),
    ),
    "rtmdet": (
        networks.rtmdet,
        {},
        {"family": "rtmdet", "class_names": THREE},
        ("rtmdet", 3, "letterbox-rounded", "bgr", 103.53, 57.375, "xyxy"),
    ),
    "rtmdet, its blocks": (
        networks.rtmdet,
        {"cspnext": True},
        {"class_names": THREE},
        ("rtmdet", 3, "letterbox-rounded", "bgr", 103.53, 57.375, "xyxy"),
    ),
    "yolov7 with nms": (
        networks.yolo_nms,
        {},
        {"class_names": THREE},
        ("yolo-nms", 3, "letterbox-centre", "rgb", 0, 255, "xyxy"),
    ),
    "yolov6 with nms": (
        networks.yolo_nms,
        {"together": False},
        {"family": "yolo-nms", "class_names": THREE},
        ("yolo-nms", 3, "letterbox-centre", "rgb", 0, 255, "xyxy"),
    ),
    "ssd": (networks.ssd, {}, {"class_names": THREE}, ("ssd", 3, "squash", "rgb", 0, 1, "yxyx-share")),
    "torchvision": (
        networks.torchvision,
        {},
        {"class_names": THREE},
        ("torchvision", 3, "squash", "rgb", 0, 255, "xyxy"),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_network_is_read_as_its_family(case: str, tmp_path: Path) -> None:
    write, options, said, expected = CASES[case]
    found = described(write(tmp_path / "a.onnx", **options), **said)
    image, head = found.input, found.head
    facts = (head.type, len(found.classes), image.resize, image.colour, image.mean[0], image.std[0], head.boxes)
    assert facts == pytest.approx(expected)
    if "names" in options:
        assert found.classes == THREE


@pytest.mark.parametrize("case", CASES)
def test_boxes_are_those_of_a_slow_obvious_decoder(case: str, tmp_path: Path) -> None:
    write, options, said, _ = CASES[case]
    path = write(tmp_path / "a.onnx", **options)
    names = described(path, **said).classes
    detector = open_detector(path, classes=names, floor=0.3, overrides=Overrides(**said))
    assert isinstance(detector, Detector)
    for seed in range(3):
        picture = built_in(SIZE, SIZE, seed)  # of the network's own size: nothing is resized
        found = detector(picture)
        raw = outputs_of(path, detector.description, picture)
        boxes, scores, classes = twin(detector.description, raw, 0.3)
        assert len(found) > 0
        order = np.lexsort((boxes[:, 0], -scores))
        mine = np.lexsort((found.boxes_xyxy[:, 0], -found.scores))
        assert found.classes is not None
        tolerance = 0.2 if "half" in options else 1e-3
        np.testing.assert_allclose(found.scores[mine], scores[order], atol=1e-5)
        np.testing.assert_allclose(found.boxes_xyxy[mine], boxes[order], atol=tolerance)
        np.testing.assert_array_equal(found.classes[mine], classes[order])


def outputs_of(path: Path, description: Any, picture: np.ndarray) -> dict[str, np.ndarray]:
    """The network's outputs for a picture of its own size, prepared by the formula."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    image = description.input
    pixels = picture[..., ::-1] if image.colour == "rgb" else picture
    if image.layout == "nhwc-uint8":
        tensor = pixels[None]
    else:
        planes = (pixels.astype(np.float32) - np.float32(image.mean)) / np.float32(image.std)
        tensor = planes.transpose(2, 0, 1).astype(image.layout.removeprefix("nchw-"))
        tensor = tensor[None] if len(session.get_inputs()[0].shape) == 4 else tensor
    feed = {image.name: np.ascontiguousarray(tensor)}
    feed |= {name: np.array([values], np.int64) for name, values in description.constants.items()}
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, feed), strict=True))


def twin(description: Any, raw: dict[str, np.ndarray], floor: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Boxes, scores and classes in float64, by the papers and the exporters' documentation, NMS included."""
    head, count = description.head, len(description.classes)
    tables = [raw[name].astype(np.float64) for name in head.outputs]
    if head.boxes == "distributions":
        boxes, table = distances(description, tables)
    elif len(tables) == 3 or head.type in ("rtmdet", "yolo-end2end", "yolo-nms"):
        boxes, scores, classes = lists(head.type, tables)
        kept = scores >= floor
        return boxes[kept] * (SIZE if head.type == "ssd" else 1), scores[kept], classes[kept].astype(int)
    elif head.boxes == "cxcywh-share":
        boxes, table = corners(tables[0][0]) * SIZE, 1 / (1 + np.exp(-tables[1][0]))
    else:
        rows = tables[0][0].T if head.upright else tables[0][0]
        middles = on_grid(rows[:, :4]) if head.boxes == "grid" else rows[:, :4]
        boxes = corners(middles)
        table = rows[:, 5:] * rows[:, 4:5] if rows.shape[1] == count + 5 else rows[:, 4:]
    if head.type not in ("dfine", "rfdetr", "nanodet", "nanodet-plus", "picodet"):
        best = table.argmax(1)
        table = np.where(np.arange(count) == best[:, None], table, -1)
    cells, classes = np.nonzero(table >= floor)
    return suppressed(boxes[cells], table[cells, classes], classes, description.nms_iou)


def distances(description: Any, tables: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    head, count = description.head, len(description.classes)
    if len(tables) == 1:
        scores, sides = tables[0][0][:, :count], tables[0][0][:, count:]
    else:
        scores, sides = (np.concatenate([t[0] for t in part]) for part in (tables[:3], tables[3:]))
    weights = np.exp(sides.reshape(len(sides), 4, -1))
    reach = weights @ np.arange(head.reg_max + 1) / weights.sum(2)
    x, y, stride = cells()
    left, top = (x + head.cell_offset) * stride, (y + head.cell_offset) * stride
    reach = reach * stride[:, None]
    box = np.stack([left - reach[:, 0], top - reach[:, 1], left + reach[:, 2], top + reach[:, 3]], 1)
    return np.clip(box, 0, SIZE), scores


def cells() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    parts = []
    for stride in networks.STRIDES:
        for y in range(SIZE // stride):
            parts += [(x, y, stride) for x in range(SIZE // stride)]
    x, y, stride = np.array(parts, np.float64).T
    return x, y, stride


def on_grid(rows: np.ndarray) -> np.ndarray:
    x, y, stride = cells()
    sizes = np.exp(rows[:, 2:]) * stride[:, None]
    return np.column_stack([(rows[:, 0] + x) * stride, (rows[:, 1] + y) * stride, sizes])


def corners(boxes: np.ndarray) -> np.ndarray:
    return np.hstack([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2])


def lists(kind: str, tables: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if kind == "yolo-end2end":
        return tables[0][0][:, :4], tables[0][0][:, 4], tables[0][0][:, 5]
    if kind == "yolo-nms" and len(tables) == 1:
        return tables[0][:, 1:5], tables[0][:, 6], tables[0][:, 5]
    if kind == "rtmdet":
        return tables[0][0][:, :4], tables[0][0][:, 4], tables[1][0]
    if kind == "dfine":
        return tables[1][0], tables[2][0], tables[0][0]
    if kind == "ssd":
        return tables[0][0][:, [1, 0, 3, 2]], tables[1][0], tables[2][0]
    return tuple(table[0] for table in tables) if kind == "yolo-nms" else tables  # type: ignore[return-value]


def suppressed(
    boxes: np.ndarray, scores: np.ndarray, classes: np.ndarray, limit: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    kept: list[int] = []
    for row in np.argsort(-scores, kind="stable"):
        if limit >= 1 or all(classes[row] != classes[k] or iou(boxes[row], boxes[k]) <= limit for k in kept):
            kept.append(row)
    return boxes[kept], scores[kept], classes[kept]


def iou(a: np.ndarray, b: np.ndarray) -> float:
    inter = np.prod(np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None))
    union = np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - inter
    return float(inter / union) if union > 0 else 0.0


# What is asked: the network, and what the question must say.
QUESTIONS: dict[str, tuple[Callable[..., Path], dict[str, Any], str]] = {
    "yolox": (networks.yolox, {}, r"--family yolox .*--family yolox-imagenet "),
    "yolox or yolov6": (networks.yolox, {"decoded": True}, r"--family yolox .*--family yolov5 "),
    "end to end without names": (networks.end_to_end, {}, r"--family yolo-end2end .*how pictures are prepared"),
    "nanodet or picodet": (networks.per_level, {"activation": "Relu"}, r"--family nanodet-plus .*--family picodet "),
    "which pyramid": (networks.nanodet, {"how": "none"}, r"--family nanodet-plus .*--family nanodet "),
    "an angle": (networks.yolov8, {"extra": "angle"}, r"--family yolov8 .*not an angle or points"),
    "a transformer's patches": (networks.dfine, {"patches": True}, r"--family dfine .*DEIMv2"),
    "another second input": (networks.dfine, {"size_input": "other"}, r"--family dfine .*that other is the size"),
    "queries": (networks.queries, {}, r"--family dfine .*--family rfdetr .*how pictures are prepared"),
    "nms of whom": (networks.yolo_nms, {"together": False}, r"--family yolo-nms .*how pictures are prepared"),
    "mmdeploy": (networks.rtmdet, {}, r"--family rtmdet .*another detector of MMDeploy"),
}


@pytest.mark.parametrize("case", QUESTIONS)
def test_what_is_not_proven_is_asked_with_the_flag_that_decides(case: str, tmp_path: Path) -> None:
    write, options, question = QUESTIONS[case]
    with pytest.raises(DataError, match=question) as caught:
        described(write(tmp_path / "a.onnx", **options))
    assert "say which it is" in str(caught.value)


def test_masks_points_and_other_tasks_are_refused(tmp_path: Path) -> None:
    for write, options in (
        (networks.yolov8, {"classes": 1, "extra": "points"}),
        (networks.rfdetr, {"masks": True}),
        (networks.rfdetr, {"probabilities": True}),
    ):
        with pytest.raises(DataError, match="not a detector that is understood: found images "):
            described(write(tmp_path / "a.onnx", **options))
    for said in ({}, {"family": "yolov8"}, {"class_names": ("a",) * 112}):
        with pytest.raises(DataError, match=r"its task is to segment, by 32 masks; .* export the detector"):
            described(networks.yolov8(tmp_path / "a.onnx", extra="mask"), **said)
    with pytest.raises(DataError, match="its task is 'pose'"):
        described(networks.yolov8(tmp_path / "a.onnx", task="pose"))


def test_maps_of_levels_are_refused_with_how_to_export(tmp_path: Path) -> None:
    """As MMDeploy writes RTMDet for boards that decode by themselves: class logits and distances of each level."""
    net = networks.Net()
    for kind, width in (("cls", 80), ("bbox", 4)):
        for x, stride in zip(net.features, networks.STRIDES, strict=True):
            net.add("Identity", [net.conv(x, width, 8)], f"{kind}_{stride}")
            net.output(f"{kind}_{stride}", [1, width, SIZE // stride, SIZE // stride])
    path = net.write(tmp_path / "a.onnx")
    for family in (None, "rtmdet"):
        with pytest.raises(DataError, match=r"maps of several levels, before boxes are .* export it with its boxes"):
            described(path, family=family)


def test_class_names_that_the_file_does_not_show_must_be_given(tmp_path: Path) -> None:
    path = networks.ssd(tmp_path / "a.onnx")
    with pytest.raises(DataError, match=r"does not show how many classes .* --class-names"):
        described(path)
    assert described(path, class_names=THREE).classes == THREE
    with pytest.raises(UsageError, match=r"--class-names has 3 names, a\.onnx has 80 classes"):
        described(networks.yolov8(path), class_names=THREE)


@pytest.mark.parametrize("family", [None, "yolov8"])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{0: 'person'}", r"YOLOv8 to 12 \(ONNX\) of 3 classes, but its metadata names 1; name them: --class-names"),
        ("['a', 'b', 'c', 'd']", r"of 3 classes, but its metadata names 4; name them: --class-names"),
        ("person,car,dog", r"expected .* as a list or by numbers from 0, found 'person,car,dog'; .* --class-names"),
        ("{0: 'a', 1: 'b', 7: 'c'}", r"as a list or by numbers from 0, found .* --class-names"),
    ],
)
def test_names_in_the_file_that_do_not_fit_are_asked_about(
    text: str, message: str, family: str | None, tmp_path: Path
) -> None:
    path = with_names(networks.yolov8(tmp_path / "a.onnx", classes=3), text)
    with pytest.raises(DataError, match=message):
        described(path, family=family)
    assert described(path, family=family, class_names=THREE).classes == THREE


def test_names_of_lists_may_be_more_than_are_seen_but_not_fewer(tmp_path: Path) -> None:
    path = with_names(networks.end_to_end(tmp_path / "a.onnx"), "['a', 'b', 'c', 'd']")
    assert described(path).classes == ("a", "b", "c", "d")
    with_names(path, "['a']")
    with pytest.raises(DataError, match=r"1 class names; .* --class-names says it where the names in the file are not"):
        described(path)
    assert described(path, class_names=THREE).classes == THREE
    path = with_names(networks.dfine(path, classes=3), "['a']")
    with pytest.raises(DataError, match="of 3 classes, but its metadata names 1; name them: --class-names"):
        described(path)


def with_names(path: Path, text: str) -> Path:
    """The network with `text` for the names of its classes in its metadata."""
    model = onnx.load(path)
    onnx.helper.set_model_props(model, {"names": text})
    onnx.save(model, path)
    return path


def test_a_class_beyond_the_names_is_an_error_and_no_object_of_another_name(tmp_path: Path) -> None:
    path = networks.ssd(tmp_path / "a.onnx")
    with pytest.raises(DataError, match="a class beyond its 1 names"):  # already seen in the built-in pictures
        open_detector(path, floor=0.01, overrides=Overrides(class_names=("person",)))


def test_flags_come_before_what_a_family_says(tmp_path: Path) -> None:
    path = networks.yolov8(tmp_path / "a.onnx")
    found = described(path, resize="squash", pad=7, colour="bgr", scale=1 / 255, mean=(0.1, 0.2, 0.3), std=(0.5, 1, 2))
    image = found.input
    assert (image.resize, image.pad, image.colour) == ("squash", 7, "bgr")
    assert image.mean == pytest.approx((25.5, 51, 76.5))
    assert image.std == pytest.approx((127.5, 255, 510))
    swapped = described(networks.rfdetr(path), colour="bgr").input
    assert swapped.mean == pytest.approx((103.53, 116.28, 123.675))  # the mean of a colour stays with it


def test_rt_detr_of_ultralytics_is_a_list_of_shares(tmp_path: Path) -> None:
    path = networks.end_to_end(tmp_path / "a.onnx", names=THREE)
    picture = built_in(SIZE, SIZE, 1)
    expected = open_detector(path, classes=THREE, floor=0.3)(picture)
    model = onnx.load(path)
    mutations.mixed(model, mutations.MIDDLES_OF_CORNERS @ mutations.SHARES)
    onnx.save(model, path)
    with pytest.raises(DataError, match=r"--family dfine \(.*3 classes, RGB, squash; not shown: how pictures are"):
        described(path)
    own = {entry.key: entry.value for entry in model.metadata_props}
    onnx.helper.set_model_props(model, own | {"head": "RTDETRDecoder"})
    onnx.save(model, path)
    detector = open_detector(path, classes=THREE, floor=0.3)
    assert (detector.description.head.type, detector.description.input.resize) == ("dfine", "squash")
    found = detector(picture)
    assert len(found) == len(expected) > 0
    np.testing.assert_allclose(found.boxes_xyxy, expected.boxes_xyxy, atol=1e-4)
    np.testing.assert_array_equal(found.classes, expected.classes)


def test_a_letterbox_that_the_file_itself_puts_in_the_corner_is_asked_about(tmp_path: Path) -> None:
    path = networks.yolov8(tmp_path / "a.onnx", classes=3, names=THREE)
    model = onnx.load(path)
    own = {entry.key: entry.value for entry in model.metadata_props}
    for place in ("center", "topleft"):
        onnx.helper.set_model_props(model, own | {"letterbox_pad": place})  # as LibreYOLO writes it
        onnx.save(model, path)
        if place == "center":
            assert described(path).input.resize == "letterbox-centre"
    with pytest.raises(DataError, match=r"its metadata says letterbox_pad 'topleft', see --resize\); say which it is"):
        described(path)
    assert described(path, family="yolov8", resize="letterbox").input.resize == "letterbox"


@pytest.mark.parametrize("write", [networks.ssd, networks.torchvision])
def test_names_that_leave_out_the_background_are_warned_about(
    write: Callable[[Path], Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path / "a.onnx")
    described(path, class_names=("Background", *THREE))
    assert "background" not in caplog.text
    described(path, class_names=THREE)
    assert "is the background, and --class-names calls it person; " in caplog.text
    assert "--class-names background,person,..." in caplog.text


def test_an_open_size_must_be_said_and_a_fixed_one_is_its_own(tmp_path: Path) -> None:
    path = networks.yolov8(tmp_path / "a.onnx", open_size=True)
    with pytest.raises(DataError, match=r"leaves the size of images float32\[1,3,\?,\?\] open; say it: --input-size"):
        described(path)
    with pytest.raises(DataError, match="has a size of its own, which is not --input-size 32x32"):
        described(networks.yolov8(path), input_size=(32, 32))


def test_a_batch_of_several_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not a detector that is understood"):
        described(networks.yolov8(tmp_path / "a.onnx", batch=4))
