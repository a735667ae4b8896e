"""YOLOv10, YOLO26 and exports with NMS in the graph: a short list of xyxy, score and class."""

from collections.abc import Mapping, Sequence

from edge.detect.decode.candidates import Decoder
from edge.detect.facts import Facts
from edge.detect.families import listed, yolo
from edge.detect.families.family import Arrays, Family, Reading
from edge.modelpack import Detector, Head

NAME = "yolo-end2end"
WIDTH = 6  # of a row: box, score, class
_MOST_ROWS = 1000


def read(facts: Facts) -> list[Reading]:
    """The reading of one output `[1, K, 6]`."""
    shapes = [tensor.shape for tensor in facts.outputs.values()]
    if facts.picture is None or len(shapes) != 1 or len(shapes[0]) != 3 or shapes[0][2] != WIDTH or shapes[0][0] != 1:
        return []
    if shapes[0][1] > _MOST_ROWS:
        return []
    (name,) = facts.outputs
    names = facts.names
    tables = [sample[name][0] for sample in facts.samples]
    rows = [listed.Rows(table[:, :4], table[:, 4], table[:, 5]) for table in tables]
    shown = listed.shown(rows, classes=facts.named)
    if shown is False:
        return []
    doubt = "" if facts.own_names is not None else "how pictures are prepared, and its classes"
    if shown is None:
        doubt = "that rows are x1, y1, x2, y2, score and class"
    image = facts.picture.wants("rgb", (0.0, 0.0, 0.0), (255.0, 255.0, 255.0), "letterbox-centre", yolo.PAD)
    head = Head(NAME, (name,), boxes="xyxy")
    detector = Detector(facts.source("end-to-end YOLO"), image, head, names or facts.classes(1), {}, nms_iou=1.0)
    return [Reading(detector, doubt, yolo.ASSUMED, counted=names is not None)]


def outputs(detector: Detector) -> Mapping[str, tuple[int | None, ...]]:
    """The shape of the output."""
    return {detector.head.outputs[0]: (1, None, WIDTH)}


def decoder(detector: Detector, arrays: Arrays, classes: Sequence[int], floor: float) -> Decoder:
    """The decoder of a list whose columns are box, score and class."""
    from edge.detect.decode.lists import Column, ListDecoder, of_outputs  # Numba, which the exporter does without

    (rows,) = of_outputs(arrays, detector.head.outputs)
    return ListDecoder(detector, Column(rows, 0), Column(rows, 4), Column(rows, 5), classes, floor)


END_TO_END = Family(
    NAME, "YOLOv10, YOLO26, NMS in the graph: RGB of 0..1, letterbox in the middle", read, outputs, decoder
)
