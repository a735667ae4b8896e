"""YOLOX (Megvii): objectness times class, boxes in units of the grid unless the file decodes them.

Nothing in the file tells how pictures are prepared, and both ways are published: since 0.2 BGR of 0..255 as it is,
before that, and in ByteTrack's own weights, RGB with ImageNet's mean and std. So it is always asked.
"""

from collections.abc import Mapping, Sequence

from edge.detect.decode.candidates import Decoder
from edge.detect.facts import Facts
from edge.detect.families import yolo
from edge.detect.families.family import Arrays, Family, Reading
from edge.modelpack import Colour, Detector, Head

Triple = tuple[float, float, float]

NMS_IOU = 0.65  # of YOLOX's own evaluation
IMAGENET_MEAN_RGB = (255 * 0.485, 255 * 0.456, 255 * 0.406)
IMAGENET_STD_RGB = (255 * 0.229, 255 * 0.224, 255 * 0.225)


def _family(name: str, about: str, colour: Colour, mean: Triple, std: Triple) -> Family:
    def read(facts: Facts) -> list[Reading]:
        readings = []
        for rows in yolo.rows_of(facts):
            if rows.upright or rows.width < 6:
                continue
            assert facts.picture is not None
            classes = rows.width - 5
            seen = yolo.columns(facts, rows)
            shown = rows.boxes is not None and seen.trailing >= classes + 1 and not seen.unit[:4].all()
            if seen.say_something and (not shown or yolo.is_sure_of_objects(facts, rows)):
                continue
            doubt = "how pictures are prepared" if shown else "that boxes, objectness and classes are in this order"
            image = facts.picture.wants(colour, mean, std, "letterbox", yolo.PAD)
            head = Head(name, (rows.output,), rows.strides, boxes=rows.boxes or "grid")
            detector = Detector(facts.source("YOLOX"), image, head, facts.classes(classes), {}, nms_iou=NMS_IOU)
            readings.append(Reading(detector, doubt))
        return readings

    return Family(name, about, read, outputs, decoder)


def outputs(detector: Detector) -> Mapping[str, tuple[int | None, ...]]:
    """The shape of the output of a described YOLOX."""
    return {detector.head.outputs[0]: (1, None, 5 + len(detector.classes))}


def decoder(detector: Detector, arrays: Arrays, classes: Sequence[int], floor: float) -> Decoder:
    """The decoder of rows with an objectness."""
    from edge.detect.decode.rows import RowDecoder  # Numba, which the exporter does without

    return RowDecoder(detector, arrays, classes, floor, objectness=True)


YOLOX = _family("yolox", "YOLOX: BGR of 0..255, letterbox in the corner", "bgr", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
YOLOX_IMAGENET = _family(
    "yolox-imagenet",
    "YOLOX of ByteTrack, and before 0.2: RGB with ImageNet's mean and std, letterbox in the corner",
    "rgb",
    IMAGENET_MEAN_RGB,
    IMAGENET_STD_RGB,
)
