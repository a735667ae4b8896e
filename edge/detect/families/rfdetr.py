"""RF-DETR: boxes as shares of the picture, a logit for each class of each query."""

from collections.abc import Mapping, Sequence

from edge.detect.decode.candidates import Decoder
from edge.detect.facts import Facts
from edge.detect.families import queries
from edge.detect.families.family import Arrays, Family, Reading
from edge.detect.families.yolox import IMAGENET_MEAN_RGB, IMAGENET_STD_RGB
from edge.modelpack import Detector, Head

NAME = "rfdetr"


def read(facts: Facts) -> list[Reading]:
    """The reading of two outputs, boxes and logits. Only Roboflow's own names prove how pictures are prepared."""
    found = queries.queries(facts, queries.RFDETR, *queries.PLAIN)
    if found is None:
        return []
    assert facts.picture is not None
    image = facts.picture.wants("rgb", IMAGENET_MEAN_RGB, IMAGENET_STD_RGB, "squash")
    head = Head(NAME, found.outputs, scores="logits", boxes="cxcywh-share")
    detector = Detector(facts.source("RF-DETR"), image, head, facts.classes(found.classes), {}, nms_iou=1.0)
    doubt = "" if found.outputs == queries.RFDETR else "how pictures are prepared"
    if not found.shown:
        doubt = "that boxes are middles and sizes in shares of the picture, and labels logits"
    return [Reading(detector, doubt, "RGB with ImageNet's mean and std, the aspect ratio not kept")]


def outputs(detector: Detector) -> Mapping[str, tuple[int | None, ...]]:
    """The shapes of the outputs."""
    boxes, logits = detector.head.outputs
    return {boxes: (1, None, 4), logits: (1, None, len(detector.classes))}


def decoder(detector: Detector, arrays: Arrays, classes: Sequence[int], floor: float) -> Decoder:
    """The decoder of queries."""
    from edge.detect.decode.lists import QueryDecoder, of_outputs  # Numba, which the exporter does without

    boxes, scores = of_outputs(arrays, detector.head.outputs)
    return QueryDecoder(detector, boxes, scores, classes, floor)


RFDETR = Family(NAME, "RF-DETR: RGB with ImageNet's mean and std, squashed", read, outputs, decoder)
