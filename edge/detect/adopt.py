"""A foreign ONNX file is understood as one detector, or refused with a question: never guessed.

Every family says which readings of the network it has. One of them that the file itself proves is taken. Where none is
proven, or more than one, the answer is an error that lists them and the flag that decides.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from edge.detect.classes import are_unreadable
from edge.detect.facts import Facts, listed
from edge.detect.families import registry
from edge.detect.families.family import Reading
from edge.errors import DataError, UsageError
from edge.infer.backend import Backend
from edge.infer.open import open_backend
from edge.modelpack import Colour, Detector, ImageInput, Resize

logger = logging.getLogger(__name__)

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Overrides:
    """What the user says of a detector's file; None: what the family says.

    `family` decides between readings. The network gets (pixel * `scale` - `mean`) / `std`, pixels of 0..255, in the
    order of `colour`. `input_size` is width and height where the file leaves them open.
    """

    family: str | None = None
    input_size: tuple[int, int] | None = None
    class_names: tuple[str, ...] | None = None
    resize: Resize | None = None
    pad: int | None = None
    colour: Colour | None = None
    scale: float | None = None
    mean: Triple | None = None
    std: Triple | None = None

    def __bool__(self) -> bool:
        return self != Overrides()


NONE = Overrides()
# LibreYOLO's note of where a picture lies in its letterbox: "center" or "topleft".
_LETTERBOX_NOTE = "letterbox_pad"
# What class 0 is called where it stands for nothing.
_NOTHING = ("background", "__background__", "unused_0")
_KEEPS = "; nanotrack-export pack takes the flags too and keeps the answer in the pack"


@contextmanager
def opened(path: Path, input_size: tuple[int, int] | None = None) -> Iterator[Backend]:
    """The network in ONNX file `path` on ONNX Runtime, for as long as it is looked at."""
    network = open_backend(path, name="onnxruntime", input_size=input_size)
    try:
        yield network
    finally:
        network.close()


def readings(facts: Facts, family: str | None = None) -> list[Reading]:
    """All ways to understand a network, or those of one family. Raises DataError for a file that says itself that it is
    no detector, UsageError for a family that is not known."""
    task = facts.metadata.get("task", "detect")
    if task != "detect":
        raise DataError(
            f"{facts.file}: its metadata says that its task is {task!r}; expected a network that detects objects"
        )
    asked = [registry.find(family)] if family else registry.families()
    found = [reading for one in asked for reading in one.read(facts)]
    return [replace(r, doubt=r.doubt or _common_doubt(facts, r)) for r in found if _knows_inputs(facts, r.detector)]


def _knows_inputs(facts: Facts, description: Detector) -> bool:
    """Whether a reading says what every input gets; a joint network's own do."""
    return description.is_joint or set(facts.inputs) <= {description.input.name, *description.constants}


def _common_doubt(facts: Facts, reading: Reading) -> str:
    """What speaks against a reading of any family."""
    image = reading.detector.input
    if facts.prepares and image.layout != "nhwc-uint8" and not reading.prepares:
        return f"how pictures are prepared: it changes them itself first ({facts.prepares})"
    place = facts.metadata.get(_LETTERBOX_NOTE, "center")
    if image.resize == "letterbox-centre" and place != "center":
        return f"that pictures lie in the middle: its metadata says {_LETTERBOX_NOTE} {place!r}, see --resize"
    return ""


def detector(path: Path, network: Backend, overrides: Overrides = NONE) -> Detector:
    """The description of the detector in ONNX file `path`, open as `network`; its `variants` are left empty.

    Raises DataError for a file that is no detector or that can be read in more than one way, UsageError for overrides
    that do not fit.
    """
    facts = Facts(path, network, overrides.class_names)
    found = readings(facts, overrides.family)
    if not found:
        raise DataError(_not_understood(path, facts, overrides))
    chosen = found[0] if overrides.family and len(found) == 1 else _proven(found)
    if chosen is None:
        raise DataError(_question(path, facts, found))
    if overrides.class_names is None and (unknown := _unknown_names(facts, chosen)):
        raise DataError(
            f"{path}: {unknown}; name them: --class-names A,B,... in order, or --class-names coco for COCO's 80{_KEEPS}"
        )
    if chosen.doubt:
        logger.warning(
            "%s: read as %s, as asked; the file does not show %s", facts.file, overrides.family, chosen.doubt
        )
    if chosen.background and overrides.class_names and overrides.class_names[0].lower() not in _NOTHING:
        logger.warning(
            "%s: class 0 of %s is the background, and --class-names calls it %s; if its numbers begin with 1, put"
            " background first: --class-names background,%s,...",
            facts.file,
            chosen.detector.source.architecture,
            *[overrides.class_names[0]] * 2,
        )
    said = overrides.resize, overrides.colour, overrides.scale, overrides.mean, overrides.std
    if chosen.assumed and said == (None,) * len(said):
        logger.warning(
            "%s: %s; assumed: %s; --resize, --pad, --colour, --scale, --mean and --std say otherwise",
            facts.file,
            chosen.detector.source.architecture,
            chosen.assumed,
        )
    return overridden(chosen, overrides)


def _unknown_names(facts: Facts, chosen: Reading) -> str:
    """Why the names of the chosen reading's classes are not known; empty where they are."""
    title, count, names = chosen.detector.source.architecture, len(chosen.detector.classes), facts.own_names
    if are_unreadable(facts.metadata):
        said = facts.metadata["names"]
        return (
            f"expected its classes' names in its metadata as a list or by numbers from 0, found {said[:40]!r}"
            f"{', …' if len(said) > 40 else ''}"
        )
    if not chosen.counted:
        return f"{title} does not show how many classes it tells apart"
    if names is not None and len(names) != count:
        return f"{title} of {count} classes, but its metadata names {len(names)}"
    return ""


def overridden(reading: Reading, overrides: Overrides) -> Detector:
    """A reading's description with what the user says instead. Raises UsageError for class names of another number."""
    description = reading.detector
    names = overrides.class_names or description.classes
    if reading.counted and len(names) != len(description.classes):
        raise UsageError(
            f"--class-names has {len(names)} names, {description.source.file} has {len(description.classes)} classes:"
            " name each one, in order"
        )
    return replace(description, classes=tuple(names), input=prepared(description.input, overrides))


def prepared(image: ImageInput, said: Overrides) -> ImageInput:
    """The input's description with what the user says of its preparation instead. Raises UsageError for numbers that
    cannot be."""
    try:
        return _prepared(image, said)
    except (ValueError, ZeroDivisionError) as error:
        raise UsageError(f"--scale, --mean and --std: {error}; std and scale are above 0") from None


def _prepared(image: ImageInput, said: Overrides) -> ImageInput:
    if said.colour is not None and said.colour != image.colour:
        image = replace(image, colour=said.colour, mean=image.mean[::-1], std=image.std[::-1])
    if (said.scale, said.mean, said.std) != (None, None, None):
        scale, mean, std = (
            1.0 if said.scale is None else said.scale,
            said.mean or (0.0, 0.0, 0.0),
            said.std or (1.0, 1.0, 1.0),
        )
        image = replace(
            image,
            mean=(mean[0] / scale, mean[1] / scale, mean[2] / scale),
            std=(std[0] / scale, std[1] / scale, std[2] / scale),
        )
    return replace(
        image,
        resize=image.resize if said.resize is None else said.resize,
        pad=image.pad if said.pad is None else said.pad,
    )


def _proven(readings: Sequence[Reading]) -> Reading | None:
    """The one reading that leaves no doubt; None where there is none or more than one."""
    proven = [reading for reading in readings if not reading.doubt]
    return proven[0] if len(proven) == 1 else None


def _question(path: Path, facts: Facts, readings: Sequence[Reading]) -> str:
    ways = "; ".join(f"--family {reading.detector.head.type} ({_way(reading)})" for reading in readings)
    fit = "one reading fits, but nothing proves it" if len(readings) == 1 else "more than one reading fits"
    return f"{path}: {listed(facts.outputs)}: {fit}: {ways}; say which it is{_KEEPS}"


def _way(reading: Reading) -> str:
    image = reading.detector.input
    parts = [
        reading.detector.source.architecture.removesuffix(" (ONNX)"),
        f"{len(reading.detector.classes)} classes",
        f"{image.colour.upper()}, {image.resize}",
    ]
    return ", ".join(parts) + (f"; not shown: {reading.doubt}" if reading.doubt else "")


def _are_maps(facts: Facts) -> bool:
    """Whether all outputs are maps `[1, C, h, w]` of the picture, in several sizes, as heads are without decoding."""
    picture, shapes = facts.picture, [tensor.shape for tensor in facts.outputs.values()]
    if picture is None or not shapes or any(len(shape) != 4 for shape in shapes):
        return False
    strides = {picture.height / shape[2] for shape in shapes}
    return len(strides) > 1 and strides == {picture.width / shape[3] for shape in shapes}


def _not_understood(path: Path, facts: Facts, overrides: Overrides) -> str:
    if _are_maps(facts):
        return (
            f"{path}: {listed(facts.outputs)}: maps of several levels, before boxes are made of them, and how that is"
            " done is not in the file; export it with its boxes decoded (MMDeploy and MMYOLO: with its NMS, as dets and"
            " labels), or name a family of your own: --family module:FAMILY"
        )
    what = f"a {overrides.family}" if overrides.family else "a detector that is understood"
    known = ", ".join(family.name for family in registry.families())
    names = "" if facts.named is None else f", {facts.named} class names"
    return (
        f"{path}: not {what}: found {listed(facts.inputs)} -> {listed(facts.outputs)}{names}; known families are"
        f" {known}; --family module:FAMILY names one of your own"
        f"{'; --class-names says it where the names in the file are not those of its classes' if names else ''}"
    )
