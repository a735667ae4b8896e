"""A family from outside, as `--family tests.detect.families.own_family:FAMILY` names it: YOLOv8 in other colours."""

import dataclasses

from edge.detect.facts import Facts
from edge.detect.families import yolov8
from edge.detect.families.family import Family, Reading

NAME = "tests.detect.families.own_family:FAMILY"


def read(facts: Facts) -> list[Reading]:
    found = []
    for reading in yolov8.read(facts):
        detector = reading.detector
        detector = dataclasses.replace(
            detector,
            input=dataclasses.replace(detector.input, colour="bgr"),
            head=dataclasses.replace(detector.head, type=NAME),
        )
        found.append(Reading(detector))
    return found


FAMILY = Family(NAME, "YOLOv8 of BGR pictures", read, yolov8.outputs, yolov8.decoder)
NOT_ONE = "a text"
