"""YOLOv5 and YOLOv7 (three anchors a cell), YOLOv6 (one): decoded boxes, objectness times class.

YOLOv6 has no objectness and puts out ones in its place, which tells it from a YOLOX that decodes its boxes.
"""

from edge.detect.facts import Facts, listed
from edge.detect.families import yolo, yolox
from edge.detect.families.family import Family, Reading
from edge.errors import DataError
from edge.modelpack import Detector, Head

NAME = "yolov5"
ANCHORS = 3
NMS_IOU = 0.45  # the default of YOLOv5's own detection


def read(facts: Facts) -> list[Reading]:
    """Rows of three anchors are no other family's; rows of one could be a YOLOX's, unless their objectness is 1.

    Raises DataError for maps of logits, whose anchors the file does not hold.
    """
    _refuse_maps(facts)
    readings = []
    for anchors in (ANCHORS, 1):
        for rows in yolo.rows_of(facts, anchors):
            if rows.upright or rows.width < 6 or (anchors == 1 and rows.boxes == "grid"):
                continue
            assert facts.picture is not None
            classes = rows.width - 5
            seen = yolo.columns(facts, rows)
            shown = rows.boxes == "cxcywh" and seen.trailing >= classes + 1 and not seen.unit[:4].all()
            if seen.say_something and not shown:
                continue
            doubt = "" if shown else "that decoded boxes, objectness and classes are in this order"
            if shown and not facts.graph.is_joined(rows.output):
                doubt = "that nothing changes its values behind the head"
            if shown and yolo.is_out_of_place(facts, rows, anchors):
                doubt = "that scores are in the order of the boxes"
            if shown and anchors == 1 and not yolo.is_sure_of_objects(facts, rows):
                doubt = "that it is a YOLOv6, not a YOLOX that decodes its boxes"
            image = facts.picture.wants("rgb", (0.0, 0.0, 0.0), (255.0, 255.0, 255.0), "letterbox-centre", yolo.PAD)
            head = Head(NAME, (rows.output,), boxes="cxcywh")
            title = "YOLOv5 or YOLOv7" if anchors == ANCHORS else "YOLOv6"
            detector = Detector(facts.source(title), image, head, facts.classes(classes), {}, nms_iou=NMS_IOU)
            readings.append(Reading(detector, doubt, yolo.ASSUMED))
    return readings


def _refuse_maps(facts: Facts) -> None:
    shapes = [tensor.shape for tensor in facts.outputs.values()]
    if shapes and all(len(shape) == 5 and shape[:2] == (1, ANCHORS) and shape[4] > 5 for shape in shapes):
        raise DataError(
            f"{facts.file}: {listed(facts.outputs)}: a YOLOv5's or YOLOv7's outputs before boxes are made of them,"
            " without the anchors that this takes; export it with decoded boxes (YOLOv7: export.py --grid)"
        )


YOLOV5 = Family(NAME, "YOLOv5, v6, v7: RGB of 0..1, letterbox in the middle", read, yolox.outputs, yolox.decoder)
