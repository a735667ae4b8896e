"""Foreign ONNX networks are understood by the shapes of their inputs and outputs, or refused with what was found."""

import pytest

from edge.detect import adopt
from edge.errors import DataError
from edge.infer.backend import Port

IMAGE = Port("data", (1, 3, 416, 416), "float32")
PIXELS = Port("image", (1, 416, 416, 3), "uint8")
PLUS = Port("output", (1, 3598, 112), "float32")


def _rows(name: str, cells: int, width: int) -> Port:
    return Port(name, (1, cells, width), "float32")


ZOO = [_rows(str(i), n, w) for i, (n, w) in enumerate((n, w) for w in (80, 32) for n in (2704, 676, 169))]


def test_nanodet_plus_with_one_output():
    found = adopt.detector("a.onnx", "5e", [IMAGE], [PLUS])
    assert (found.source.file, found.source.sha256, found.variants) == ("a.onnx", "5e", {})
    assert (found.input.name, found.input.width, found.input.height) == ("data", 416, 416)
    assert (found.input.layout, found.input.colour) == ("nchw-float32", "bgr")
    assert (found.head.type, found.head.outputs, found.head.scores) == ("nanodet-plus", ("output",), "probabilities")
    assert (found.head.strides, found.head.cell_offset, found.head.reg_max) == ((8, 16, 32, 64), 0.0, 7)
    assert (len(found.classes), found.classes[0], found.classes[-1]) == (80, "person", "toothbrush")


def test_nanodet_with_an_output_for_each_level():
    found = adopt.detector("zoo.onnx", "", [IMAGE], ZOO)
    assert (found.head.type, found.head.outputs) == ("nanodet", ("0", "1", "2", "3", "4", "5"))
    assert (found.head.strides, found.head.cell_offset) == ((8, 16, 32), 0.5)


def test_the_order_of_the_levels_outputs_does_not_matter():
    assert adopt.detector("zoo.onnx", "", [IMAGE], ZOO[::-1]).head.outputs == ("0", "1", "2", "3", "4", "5")


def test_with_as_many_classes_as_distribution_logits_the_first_half_are_classes():
    ports = [_rows(str(i), n, 32) for i, n in enumerate((2704, 676, 169) * 2)]
    found = adopt.detector("a.onnx", "", [IMAGE], ports)
    assert found.head.outputs == ("0", "1", "2", "3", "4", "5")
    assert len(found.classes) == 32


@pytest.mark.parametrize(("sides", "reg_max"), [(32, 7), (64, 15)])
def test_our_own_graph_gives_logits(sides, reg_max):
    outputs = [_rows("class_logits", 3598, 1), _rows("distances", 3598, sides)]
    found = adopt.detector("detector.fp32.onnx", "", [PIXELS], outputs)
    assert (found.input.layout, found.head.scores, found.head.reg_max) == ("nhwc-uint8", "logits", reg_max)
    assert found.classes == ("person",)


def test_a_picture_that_is_not_square():
    image = Port("data", (1, 3, 320, 640), "float32")
    found = adopt.detector("a.onnx", "", [image], [_rows("o", 3200 + 800 + 200 + 50, 112)])
    assert (found.input.width, found.input.height) == (640, 320)


@pytest.mark.parametrize(
    ("inputs", "outputs"),
    [
        ([IMAGE], [_rows("output", 3597, 112)]),
        ([IMAGE], [_rows("output", 3598, 32)]),
        ([IMAGE], [Port("output", (1, 112, 3598), "float32")]),
        ([IMAGE], [Port("output", (1, 3598, 112), "float16")]),
        ([IMAGE], [Port("output", (1, None, 112), "float32")]),
        ([IMAGE], ZOO[:5]),
        ([IMAGE], []),
        ([IMAGE], [_rows("boxes", 3598, 4), _rows("scores", 3598, 80)]),
        ([Port("data", (1, 3, None, None), "float32")], [PLUS]),
        ([Port("data", (4, 3, 416, 416), "float32")], [PLUS]),
        ([Port("data", (1, 1, 416, 416), "float32")], [PLUS]),
        ([IMAGE, Port("threshold", (), "float32")], [PLUS]),
        ([], [PLUS]),
    ],
    ids=[
        "cells",
        "no class",
        "turned",
        "float16",
        "dynamic",
        "five",
        "none",
        "boxes",
        "size",
        "batch",
        "grey",
        "two",
        "no",
    ],
)
def test_anything_else_is_no_detector_and_the_message_says_what_was_found(inputs, outputs):
    with pytest.raises(DataError, match=r"^a\.onnx: not a detector that is understood: expected .* found ") as caught:
        adopt.detector("a.onnx", "", inputs, outputs)
    strange = outputs if inputs == [IMAGE] else inputs
    assert all(str(port) in str(caught.value) for port in strange)


CROPS = Port("input", (None, 3, 256, 128), "float32")
VECTORS = Port("output", (None, 512), "float32")


def test_a_reid_network():
    found = adopt.reid("r.onnx", "5e", [CROPS], [VECTORS])
    assert (found.input.width, found.input.height, found.input.colour) == (128, 256, "rgb")
    assert (found.input.layout, found.output, found.embedding) == ("nchw-float32", "output", 512)
    assert found.input.mean == pytest.approx([0.485 * 255, 0.456 * 255, 0.406 * 255])
    assert found.input.std == pytest.approx([0.229 * 255, 0.224 * 255, 0.225 * 255])


def test_our_own_reid_graph_wants_bgr_pixels():
    found = adopt.reid("r.onnx", "", [Port("crops", (None, 256, 128, 3), "uint8")], [VECTORS])
    assert (found.input.layout, found.input.colour) == ("nhwc-uint8", "bgr")
    assert found.input.mean == pytest.approx([0.406 * 255, 0.456 * 255, 0.485 * 255])


@pytest.mark.parametrize(
    ("inputs", "outputs", "remedy"),
    [
        ([CROPS], [VECTORS, VECTORS], "only output"),
        ([CROPS], [Port("output", (None, 512, 1, 1), "float32")], "only output"),
        ([Port("input", (1, 3, 256, 128), "float32")], [Port("output", (1, 512), "float32")], "dynamic batch"),
        ([Port("input", (None, 3, None, None), "float32")], [VECTORS], "fixed picture size"),
        ([CROPS], [Port("output", (None, None), "float32")], "fixed picture size"),
    ],
)
def test_anything_else_is_no_reid_network_and_the_message_says_what_to_do(inputs, outputs, remedy):
    with pytest.raises(DataError, match=rf"^r\.onnx: not a ReID network that is understood: .*{remedy}"):
        adopt.reid("r.onnx", "", inputs, outputs)


@pytest.mark.parametrize(("count", "names"), [(1, ("person",)), (3, ("class_0", "class_1", "class_2"))])
def test_names_for_classes_that_have_none(count, names):
    assert adopt.class_names(count) == names


def test_coco_has_eighty_different_classes():
    assert len(set(adopt.COCO_CLASSES)) == 80
