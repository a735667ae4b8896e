"""RTMDet as MMDeploy writes it, NMS in the graph: boxes with scores, and class numbers.

MMDeploy writes all detectors of MMDetection like this, and each has its own way to prepare pictures. RTMDet is the only
one of them on CSPNeXt, whose depthwise convolutions are of 5x5 (Lyu et al. 2022, arXiv 2212.07784, section 3.2), all of
them; a network without them is asked about.
"""

from collections.abc import Mapping, Sequence

from edge.detect.decode.candidates import Decoder
from edge.detect.facts import Facts
from edge.detect.families import listed, yolo
from edge.detect.families.family import Arrays, Family, Reading
from edge.infer.graph import Graph
from edge.modelpack import Detector, Head

NAME = "rtmdet"
OUTPUTS = ("dets", "labels")
# Of RTMDet's configurations, in pixel values.
MEAN_BGR = (103.53, 116.28, 123.675)
STD_BGR = (57.375, 57.12, 58.395)
_ASSUMED = "BGR with RTMDet's mean and std, letterbox with the picture in the corner"


def read(facts: Facts) -> list[Reading]:
    """The reading of outputs of these names."""
    if facts.picture is None or set(facts.outputs) != set(OUTPUTS):
        return []
    boxes, labels = (facts.outputs[name].shape for name in OUTPUTS)
    if len(boxes) != 3 or boxes[0] != 1 or boxes[2] != 5 or labels != boxes[:2]:
        return []
    names = facts.names
    rows = [listed.Rows(s["dets"][0, :, :4], s["dets"][0, :, 4], s["labels"][0]) for s in facts.samples]
    shown = listed.shown(rows, classes=facts.named)
    if shown is False:
        return []
    doubt = "" if shown else "that dets are x1, y1, x2, y2 and score"
    if not _is_cspnext(facts.graph):
        doubt = "that it is an RTMDet, not another detector of MMDeploy"
    image = facts.picture.wants("bgr", MEAN_BGR, STD_BGR, "letterbox-rounded", yolo.PAD)
    head = Head(NAME, OUTPUTS, boxes="xyxy")
    detector = Detector(facts.source("RTMDet"), image, head, names or facts.classes(1), {}, nms_iou=1.0)
    return [Reading(detector, doubt, _ASSUMED, counted=names is not None)]


def _is_cspnext(graph: Graph) -> bool:
    """Whether all depthwise convolutions are of 5x5, and activations SiLU. (EfficientNet's are of 3x3 too.)"""
    grouped = [node for node in graph.nodes if node.op == "Conv" and node.numbers.get("group", (1,)) > (1,)]
    large = [node.numbers.get("kernel_shape") == (5, 5) for node in grouped]
    return bool(large) and all(large) and "Mul" in graph.feeds("Sigmoid") and "HardSwish" not in graph.operators


def outputs(detector: Detector) -> Mapping[str, tuple[int | None, ...]]:
    """The shapes of the outputs."""
    return {"dets": (1, None, 5), "labels": (1, None)}


def decoder(detector: Detector, arrays: Arrays, classes: Sequence[int], floor: float) -> Decoder:
    """The decoder of a list whose fifth column is the score."""
    from edge.detect.decode.lists import Column, ListDecoder, of_outputs  # Numba, which the exporter does without

    boxes, labels = of_outputs(arrays, detector.head.outputs)
    return ListDecoder(detector, Column(boxes, 0), Column(boxes, 4), Column(labels, 0), classes, floor)


RTMDET = Family(NAME, "RTMDet of MMDeploy: BGR with its mean and std, letterbox in the corner", read, outputs, decoder)
