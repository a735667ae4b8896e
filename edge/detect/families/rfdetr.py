"""RF-DETR: boxes as shares of the picture, a logit for each class of each query."""

from collections.abc import Mapping, Sequence

from edge.detect.decode.candidates import Decoder
from edge.detect.facts import Facts
from edge.detect.families.family import Arrays, Family, Reading
from edge.detect.families.yolox import IMAGENET_MEAN_RGB, IMAGENET_STD_RGB
from edge.modelpack import Detector, Head

NAME = "rfdetr"
OUTPUTS = ("dets", "labels")


def read(facts: Facts) -> list[Reading]:
    """The reading of outputs of these names; a third one is a mask's."""
    if facts.picture is None or set(facts.outputs) != set(OUTPUTS):
        return []
    boxes, labels = (facts.outputs[name].shape for name in OUTPUTS)
    if len(boxes) != 3 or boxes[2] != 4 or len(labels) != 3 or labels[:2] != boxes[:2]:
        return []
    shares, logits = facts.columns("dets"), facts.columns("labels")
    shown = bool(shares.unit.all() and shares.say_something and not logits.unit.all())
    if logits.say_something and not shown:
        return []
    image = facts.picture.wants("rgb", IMAGENET_MEAN_RGB, IMAGENET_STD_RGB, "squash")
    head = Head(NAME, OUTPUTS, scores="logits", boxes="cxcywh-share")
    classes = facts.classes(labels[2])
    detector = Detector(facts.source("RF-DETR"), image, head, classes, {}, nms_iou=1.0)
    doubt = "" if shown else "that boxes are shares of the picture and labels are logits"
    return [Reading(detector, doubt, "RGB with ImageNet's mean and std, the aspect ratio not kept")]


def outputs(detector: Detector) -> Mapping[str, tuple[int | None, ...]]:
    """The shapes of the outputs."""
    return {"dets": (1, None, 4), "labels": (1, None, len(detector.classes))}


def decoder(detector: Detector, arrays: Arrays, classes: Sequence[int], floor: float) -> Decoder:
    """The decoder of queries."""
    from edge.detect.decode.lists import QueryDecoder, of_outputs  # Numba, which the exporter does without

    boxes, scores = of_outputs(arrays, detector.head.outputs)
    return QueryDecoder(detector, boxes, scores, classes, floor)


RFDETR = Family(NAME, "RF-DETR: RGB with ImageNet's mean and std, squashed", read, outputs, decoder)
