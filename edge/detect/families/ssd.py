"""SSD-like lists: TensorFlow's detection_boxes and its companions, torchvision's boxes, labels and scores."""

from collections.abc import Mapping, Sequence

from edge.detect.decode.candidates import Decoder
from edge.detect.facts import Facts
from edge.detect.families import listed
from edge.detect.families.family import Arrays, Family, Reading
from edge.modelpack import Detector, Head

SSD, TORCHVISION = "ssd", "torchvision"
# TensorFlow's object detection API; num_detections says how many rows are in use, whose scores are 0 anyway.
OUTPUTS = ("detection_boxes", "detection_scores", "detection_classes")


def read_ssd(facts: Facts) -> list[Reading]:
    """The reading of TensorFlow's names: shares of the picture, y first, numbers as in COCO's annotations."""
    if facts.picture is None or not set(OUTPUTS) <= set(facts.outputs):
        return []
    boxes, scores, labels = (facts.outputs[name].shape for name in OUTPUTS)
    if len(boxes) != 3 or boxes[2] != 4 or scores != boxes[:2] or labels != scores:
        return []
    names = facts.names
    image = facts.picture.wants("rgb", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), "squash")
    head = Head(SSD, OUTPUTS, boxes="yxyx-share")
    detector = Detector(facts.source("SSD"), image, head, names or facts.classes(1), {}, nms_iou=1.0)
    rows = [listed.Rows(*(sample[name][0] for name in OUTPUTS)) for sample in facts.samples]
    shown = listed.shown(rows, shares=True, classes=facts.named)
    if shown is False:
        return []
    doubt = "" if image.layout == "nhwc-uint8" else "how pictures are prepared"
    if shown is None:
        doubt = "that boxes are shares of the picture, y first"
    return [Reading(detector, doubt, "RGB, the aspect ratio not kept", counted=names is not None, background=True)]


def read_torchvision(facts: Facts) -> list[Reading]:
    """The reading of torchvision's detectors: a picture without a batch; three outputs, told apart by their shapes."""
    if facts.picture is None or len(facts.inputs[facts.picture.name].shape) != 3 or len(facts.outputs) != 3:
        return []
    boxes = [name for name, t in facts.outputs.items() if len(t.shape) == 2 and t.shape[1] == 4]
    labels = [name for name, t in facts.outputs.items() if len(t.shape) == 1 and t.dtype == "int64"]
    scores = [name for name, t in facts.outputs.items() if len(t.shape) == 1 and t.dtype.startswith("float")]
    if not len(boxes) == len(labels) == len(scores) == 1:
        return []
    names = facts.names
    image = facts.picture.wants("rgb", (0.0, 0.0, 0.0), (255.0, 255.0, 255.0), "squash")
    wanted = boxes[0], scores[0], labels[0]
    rows = [listed.Rows(*(sample[name] for name in wanted)) for sample in facts.samples]
    shown = listed.shown(rows, classes=facts.named)
    if shown is False:
        return []
    head = Head(TORCHVISION, wanted, boxes="xyxy")
    detector = Detector(facts.source("torchvision"), image, head, names or facts.classes(1), {}, nms_iou=1.0)
    doubt = "" if shown else "that boxes are x1, y1, x2, y2 in pixels"
    assumed = "RGB of 0..1, the aspect ratio not kept"
    return [Reading(detector, doubt, assumed, counted=names is not None, prepares=True, background=True)]


def outputs_ssd(detector: Detector) -> Mapping[str, tuple[int | None, ...]]:
    """The shapes of TensorFlow's outputs."""
    return dict(zip(OUTPUTS, ((1, None, 4), (1, None), (1, None)), strict=True))


def outputs_torchvision(detector: Detector) -> Mapping[str, tuple[int | None, ...]]:
    """The shapes of torchvision's outputs."""
    return dict(zip(detector.head.outputs, ((None, 4), (None,), (None,)), strict=True))


def decoder(detector: Detector, arrays: Arrays, classes: Sequence[int], floor: float) -> Decoder:
    """The decoder of a list in three outputs."""
    from edge.detect.decode.lists import Column, ListDecoder, of_outputs  # Numba, which the exporter does without

    boxes, scores, labels = of_outputs(arrays, detector.head.outputs)
    return ListDecoder(detector, Column(boxes, 0), Column(scores, 0), Column(labels, 0), classes, floor)


SSD_FAMILY = Family(SSD, "SSD, EfficientDet of TensorFlow: RGB of 0..255, squashed", read_ssd, outputs_ssd, decoder)
TORCHVISION_FAMILY = Family(
    TORCHVISION, "detectors of torchvision: RGB of 0..1, squashed", read_torchvision, outputs_torchvision, decoder
)
