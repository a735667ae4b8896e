"""YOLOv6 and YOLOv7 with ONNX Runtime's NMS in the graph, as their own exporters write them with --end2end.

YOLOv7 (--max-wh): a row for each box with its number in the batch, corners, class and score. YOLOv6: four outputs,
which other projects write as well, with pictures prepared in other ways; so there it is asked.
"""

from collections.abc import Mapping, Sequence

from edge.detect.decode.candidates import Decoder
from edge.detect.facts import Facts
from edge.detect.families import listed, yolo
from edge.detect.families.family import Arrays, Family, Reading
from edge.modelpack import Detector, Head

NAME = "yolo-nms"
OUTPUTS = ("det_boxes", "det_scores", "det_classes")  # and num_dets: the scores of rows that are not in use are 0
_BATCH, _BOX, _CLASS, _SCORE, _WIDTH = 0, 1, 5, 6, 7


def read(facts: Facts) -> list[Reading]:
    """The reading of one output `[K, 7]`, or of outputs of these names."""
    if facts.picture is None:
        return []
    names = facts.names
    shapes = [tensor.shape for tensor in facts.outputs.values()]
    if len(shapes) == 1 and len(shapes[0]) == 2 and shapes[0][1] == _WIDTH:
        outputs: tuple[str, ...] = tuple(facts.outputs)
        tables = [sample[outputs[0]] for sample in facts.samples]
        rows = [listed.Rows(t[:, _BOX:_CLASS], t[:, _SCORE], t[:, _CLASS]) for t in tables]
        if any(table[table[:, _SCORE] > 0, _BATCH].any() for table in tables):
            return []
        doubt = ""
    elif set(OUTPUTS) <= set(facts.outputs):
        boxes, scores, labels = (facts.outputs[name].shape for name in OUTPUTS)
        if len(boxes) != 3 or boxes[0] != 1 or boxes[2] != 4 or scores != boxes[:2] or labels != scores:
            return []
        outputs = OUTPUTS
        rows = [listed.Rows(*(sample[name][0] for name in OUTPUTS)) for sample in facts.samples]
        doubt = "how pictures are prepared"
    else:
        return []
    shown = listed.shown(rows, classes=facts.named)
    if shown is False:
        return []
    if shown is None:
        doubt = "that boxes are x1, y1, x2, y2 in pixels"
    image = facts.picture.wants("rgb", (0.0, 0.0, 0.0), (255.0, 255.0, 255.0), "letterbox-centre", yolo.PAD)
    head = Head(NAME, outputs, boxes="xyxy")
    title = facts.source("YOLOv6 or v7 with NMS in the graph")
    detector = Detector(title, image, head, names or facts.classes(1), {}, nms_iou=1.0)
    return [Reading(detector, doubt, yolo.ASSUMED, counted=names is not None)]


def outputs(detector: Detector) -> Mapping[str, tuple[int | None, ...]]:
    """The shapes of the outputs."""
    if len(detector.head.outputs) == 1:
        return {detector.head.outputs[0]: (None, _WIDTH)}
    return dict(zip(OUTPUTS, ((1, None, 4), (1, None), (1, None)), strict=True))


def decoder(detector: Detector, arrays: Arrays, classes: Sequence[int], floor: float) -> Decoder:
    """The decoder of a list in one output or in three."""
    from edge.detect.decode.lists import Column, ListDecoder, of_outputs  # Numba, which the exporter does without

    tables = of_outputs(arrays, detector.head.outputs)
    firsts = (_BOX, _SCORE, _CLASS) if len(tables) == 1 else (0, 0, 0)
    boxes, scores, labels = map(Column, tables * 3 if len(tables) == 1 else tables, firsts)
    return ListDecoder(detector, boxes, scores, labels, classes, floor)


YOLO_NMS = Family(
    NAME, "YOLOv6, v7 with NMS in the graph: RGB of 0..1, letterbox in the middle", read, outputs, decoder
)
