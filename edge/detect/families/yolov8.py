"""YOLOv8, v9, 11, 12 and all that put out decoded boxes and class probabilities, without objectness."""

from collections.abc import Mapping, Sequence

from edge.detect.decode.candidates import Decoder
from edge.detect.facts import Facts, listed
from edge.detect.families import yolo
from edge.detect.families.family import Arrays, Family, Reading
from edge.errors import DataError
from edge.modelpack import Detector, Head

NAME = "yolov8"
NMS_IOU = 0.7  # the default of ultralytics
_WITH_OBJECTNESS = 4 + 1 + 80


def read(facts: Facts) -> list[Reading]:
    """Readings of `[1, 4 + C, N]`, and, where the file names its C classes, of `[1, N, 4 + C]`.

    Raises DataError for rows with coefficients of masks behind the classes.
    """
    _refuse_masks(facts)
    readings = []
    for rows in yolo.rows_of(facts):
        names = facts.own_names
        named = names is not None and len(names) == rows.width - 4
        seen = yolo.columns(facts, rows)
        shown = rows.boxes == "cxcywh" and seen.trailing >= rows.width - 4 and not seen.unit[:4].all()
        if len(facts.outputs) > 1 or (seen.say_something and not shown):
            continue
        assert facts.picture is not None
        doubt = _doubt(facts, rows, named) if shown else "that decoded boxes come first, followed by probabilities"
        image = facts.picture.wants("rgb", (0.0, 0.0, 0.0), (255.0, 255.0, 255.0), "letterbox-centre", yolo.PAD)
        head = Head(NAME, (rows.output,), boxes="cxcywh", upright=rows.upright)
        classes = facts.classes(rows.width - 4)
        detector = Detector(facts.source("YOLOv8 to 12"), image, head, classes, {}, nms_iou=NMS_IOU)
        readings.append(Reading(detector, doubt, yolo.ASSUMED))
    return readings


def _refuse_masks(facts: Facts) -> None:
    """As YOLOv8-seg's without metadata: M columns of coefficients and, in another output, M maps."""
    rows, maps = ([t.shape for t in facts.outputs.values() if len(t.shape) == dims] for dims in (3, 4))
    if facts.picture is None or len(facts.outputs) != 2 or len(rows) != 1 or len(maps) != 1:
        return
    (_, *sizes), (_, masks, *places) = rows[0], maps[0]
    if masks + 4 < min(sizes) and places == [facts.picture.height // 4, facts.picture.width // 4]:
        raise DataError(
            f"{facts.file}: {listed(facts.outputs)}: its task is to segment, by {masks} masks; expected a network that"
            " detects objects: export the detector of the same series (yolo11n, not yolo11n-seg)"
        )


def _doubt(facts: Facts, rows: yolo.Rows, named: bool) -> str:
    if not facts.graph.is_joined(rows.output):
        return "that nothing changes its values behind the head"
    if not rows.upright:  # not as ultralytics writes it, whose pictures are known
        return "how pictures are prepared" if named else "that there is no objectness"
    if yolo.is_out_of_place(facts, rows):
        return "that scores are in the order of the boxes"
    if named:
        return ""
    parts = facts.graph.parts(rows.output)
    if parts[-1] != "Sigmoid" or "Sigmoid" in parts[:-1]:
        return "that all behind the boxes are classes, not an angle or points"
    return "that there is no objectness before COCO's 80 classes" if rows.width == _WITH_OBJECTNESS else ""


def outputs(detector: Detector) -> Mapping[str, tuple[int | None, ...]]:
    """The shape of the output of a described YOLOv8."""
    width = 4 + len(detector.classes)
    return {detector.head.outputs[0]: (1, width, None) if detector.head.upright else (1, None, width)}


def decoder(detector: Detector, arrays: Arrays, classes: Sequence[int], floor: float) -> Decoder:
    """The decoder of rows without objectness."""
    from edge.detect.decode.rows import RowDecoder  # Numba, which the exporter does without

    return RowDecoder(detector, arrays, classes, floor, objectness=False, upright=detector.head.upright)


YOLOV8 = Family(NAME, "YOLOv8, v9, 11, 12: RGB of 0..1, letterbox in the middle", read, outputs, decoder)
