"""Names of classes, and the numbers that a network has for them."""

import ast
from collections.abc import Mapping, Sequence

from edge.errors import UsageError
from edge.modelpack import MOST_CLASSES

# fmt: off
COCO_CLASSES = (
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light",
    "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow", "elephant",
    "bear", "zebra", "giraffe", "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard",
    "sports ball", "kite", "baseball bat", "baseball glove", "skateboard", "surfboard", "tennis racket", "bottle",
    "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple", "sandwich", "orange", "broccoli",
    "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch", "potted plant", "bed", "dining table", "toilet",
    "tv", "laptop", "mouse", "remote", "keyboard", "cell phone", "microwave", "oven", "toaster", "sink",
    "refrigerator", "book", "clock", "vase", "scissors", "teddy bear", "hair drier", "toothbrush",
)
# fmt: on
# Numbers that COCO's annotations leave out; networks that count by annotation have an output for them as well.
_COCO_GAPS = frozenset((0, 12, 26, 29, 30, 45, 66, 68, 69, 71, 83))
_LONGEST_METADATA = 1_000_000


def _by_annotation() -> tuple[str, ...]:
    names = iter(COCO_CLASSES)
    return tuple(f"unused_{i}" if i in _COCO_GAPS else next(names) for i in range(91))


COCO_BY_ANNOTATION = _by_annotation()
NAMED_SETS = {"coco": COCO_CLASSES, "coco91": COCO_BY_ANNOTATION}


def class_names(count: int) -> tuple[str, ...]:
    """Names for `count` classes of a network that carries none: COCO's for 80 (91: by its annotations' numbers),
    "person" for 1, else "class_0", ..."""
    if count in (len(COCO_CLASSES), len(COCO_BY_ANNOTATION)):
        return COCO_CLASSES if count == len(COCO_CLASSES) else COCO_BY_ANNOTATION
    return ("person",) if count == 1 else tuple(f"class_{i}" for i in range(count))


def names_in(metadata: Mapping[str, str]) -> tuple[str, ...] | None:
    """The class names in a file's metadata, as ultralytics and others write them: `names` is a dictionary of number to
    name, or a list, written in Python or JSON. None where there are none that can be read, see `are_unreadable`."""
    text = metadata.get("names", "")
    if not text or len(text) > _LONGEST_METADATA:
        return None
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    if isinstance(found, dict):
        found = [found.get(i, found.get(str(i))) for i in range(len(found))]  # JSON's keys are text
    if not isinstance(found, (list, tuple)) or not 1 <= len(found) <= MOST_CLASSES:
        return None
    return tuple(map(str, found)) if all(isinstance(name, (str, int)) for name in found) else None


def are_unreadable(metadata: Mapping[str, str]) -> bool:
    """Whether a file's metadata has class names, but none that `names_in` understands."""
    return bool(metadata.get("names")) and names_in(metadata) is None


def class_numbers(wanted: Sequence[str], known: Sequence[str]) -> list[int]:
    """The numbers of the `wanted` names, ascending. Raises UsageError for a name that is not `known`.

    Names may be joined by +, which only matters to the tracker (edge.track.groups).
    """
    names = [name for joined in wanted for name in joined.split("+")]
    for name in names:
        if name not in known:
            shown = ", ".join(known[:8]) + (", …" if len(known) > 8 else "")
            raise UsageError(f"--classes {name}: the network knows no such class, only {shown}")
    return [number for number, name in enumerate(known) if name in names]
