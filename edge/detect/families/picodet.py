"""PicoDet (PaddleDetection) exported without its postprocessing: NanoDet-Plus's outputs, other cells and pictures."""

from edge.detect.facts import Facts
from edge.detect.families import nanodet
from edge.detect.families.family import Family, Reading
from edge.detect.families.yolox import IMAGENET_MEAN_RGB, IMAGENET_STD_RGB
from edge.modelpack import Detector, Head

NAME = "picodet"
CELL_OFFSET = 0.5


def read(facts: Facts) -> list[Reading]:
    """Readings of one class output and one of distributions for each level."""
    if facts.picture is None or len(facts.outputs) < 4 or tuple(facts.outputs) == nanodet.OWN_OUTPUTS:
        return []
    readings = []
    for layout in nanodet.layouts(facts):
        doubt = layout.doubt
        kinds = facts.graph.operators
        if not doubt and ("LeakyRelu" in kinds or not kinds & nanodet.HARD):
            doubt = "hard swish, PicoDet's activation: it may be a NanoDet-Plus"
        image = facts.picture.wants("rgb", IMAGENET_MEAN_RGB, IMAGENET_STD_RGB, "squash")
        head = Head(NAME, layout.outputs, layout.strides, layout.reg_max, CELL_OFFSET)
        classes = facts.classes(layout.classes)
        detector = Detector(facts.source("PicoDet"), image, head, classes, {}, nms_iou=0.6)
        readings.append(Reading(detector, doubt, "RGB with ImageNet's mean and std, the aspect ratio not kept"))
    return readings


PICODET = Family(NAME, "PicoDet: RGB with ImageNet's mean and std, squashed", read, nanodet.outputs, nanodet.decoder)
