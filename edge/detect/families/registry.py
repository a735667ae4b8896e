"""The detector families that are known, and how one from outside becomes known."""

import importlib
from collections.abc import Sequence

from edge.detect.decode.candidates import Decoder
from edge.detect.families import (
    dfine,
    end_to_end,
    joint,
    nanodet,
    picodet,
    rfdetr,
    rtmdet,
    ssd,
    yolo_nms,
    yolov5,
    yolov8,
    yolox,
)
from edge.detect.families.family import Arrays, Family
from edge.errors import DataError, UsageError
from edge.modelpack import Detector

_BUILT_IN = (
    nanodet.NANODET_PLUS,
    nanodet.NANODET,
    picodet.PICODET,
    yolox.YOLOX,
    yolox.YOLOX_IMAGENET,
    yolov5.YOLOV5,
    yolov8.YOLOV8,
    end_to_end.END_TO_END,
    yolo_nms.YOLO_NMS,
    dfine.DFINE,
    rfdetr.RFDETR,
    rtmdet.RTMDET,
    ssd.SSD_FAMILY,
    ssd.TORCHVISION_FAMILY,
    joint.JOINT_NETWORK,
)
_families = {family.name: family for family in _BUILT_IN}


def families() -> tuple[Family, ...]:
    """All that are known."""
    return tuple(_families.values())


def register(family: Family) -> None:
    """Make a family known to this process; one of the same name is replaced."""
    _families[family.name] = family


def find(name: str) -> Family:
    """The family called `name`, or, for a name of the form `module:ATTRIBUTE`, the one that this module defines.

    Such a module is imported, which runs its code: names come from the user's own command, never from a file. Raises
    UsageError for a name that is not known and for a module that has no family.
    """
    if name in _families:
        return _families[name]
    module, colon, attribute = name.partition(":")
    if not colon:
        raise UsageError(f"--family {name}: expected {', '.join(_families)}, or module:ATTRIBUTE for one of your own")
    try:
        family = getattr(importlib.import_module(module), attribute)
    except (ImportError, ValueError) as error:
        raise UsageError(f"--family {name}: cannot import {module!r} ({error}); is it on PYTHONPATH?") from error
    except AttributeError:
        raise UsageError(f"--family {name}: module {module!r} has no {attribute!r}") from None
    if not isinstance(family, Family):
        raise UsageError(
            f"--family {name}: expected an edge.detect.families.family.Family, found {type(family).__name__}"
        )
    register(family)
    return family


def decoder(detector: Detector, arrays: Arrays, classes: Sequence[int], floor: float) -> Decoder:
    """The decoder of a described network's output buffers, see `Family.decoder`. Raises DataError for a family that is
    not known or compares frames."""
    make = of(detector).decoder
    if make is None:
        raise DataError(f"{detector.source.file}: a {detector.head.type} has no decoder of single frames")
    return make(detector, arrays, classes, floor)


def of(detector: Detector) -> Family:
    """The family of a described network. Raises DataError for one that is not known."""
    family = _families.get(detector.head.type)
    if family is None:
        raise DataError(
            f"{detector.source.file}: its family {detector.head.type!r} is not one of {', '.join(_families)};"
            " give --family module:FAMILY if it is your own, or export the pack with this release"
        )
    return family
