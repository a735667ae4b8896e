"""NanoDet-Plus and NanoDet v0.x (RangiLyu/nanodet): distributions of the four distances, a cell at a time.

Both put out class probabilities and distribution logits, all levels in one output or each in its own. They are told
apart by their pyramids: v0.x adds a resized level to the next one, NanoDet-Plus concatenates them.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from edge.detect.cells import cell_counts, strides_of
from edge.detect.decode.candidates import Decoder
from edge.detect.facts import Facts
from edge.detect.families.family import Arrays, Family, Reading
from edge.modelpack import Detector, Head, Resize

# Of published NanoDets (RangiLyu/nanodet, config/*.yml), in BGR order.
NANODET_MEAN_BGR = (103.53, 116.28, 123.675)
NANODET_STD_BGR = (57.375, 57.12, 58.395)
# But those on EfficientNet-Lite (config/EfficientNet-Lite/*.yml), the only ones with ReLU6, a Clip in ONNX.
LITE_MEAN_BGR = (127.0, 127.0, 127.0)
LITE_STD_BGR = (128.0, 128.0, 128.0)
REG_MAX = 7

# Names of the exporter's own graphs: the one form whose class scores are logits.
OWN_INPUT = "image"
OWN_OUTPUTS = ("class_logits", "distances")

PLUS, V0 = "nanodet-plus", "nanodet"
STRIDES = {PLUS: (8, 16, 32, 64), V0: (8, 16, 32)}
CELL_OFFSET = {PLUS: 0.0, V0: 0.5}
# `keep_ratio` in the published configurations: true in all of v0.x, false in all of NanoDet-Plus.
RESIZE: dict[str, Resize] = {PLUS: "squash", V0: "letterbox-centre"}
_JOINED_BY = {PLUS: "Concat", V0: "Add"}
# Share of distributions' columns that may happen to stay within 0..1.
MOST_BY_CHANCE = 0.1
HARD = {"HardSwish", "HardSigmoid"}


class Layout(NamedTuple):
    """Where classes and distributions are. `doubt` says what the values do not show."""

    outputs: tuple[str, ...]
    strides: tuple[int, ...]
    classes: int
    reg_max: int
    scores: Literal["probabilities", "logits"] = "probabilities"
    doubt: str = ""


def layouts(facts: Facts) -> list[Layout]:
    """The layouts of distributions that the outputs can have."""
    shapes = [tensor.shape for tensor in facts.outputs.values()]
    if facts.picture is None or not all(len(shape) == 3 and shape[0] == 1 for shape in shapes):
        return []
    if tuple(facts.outputs) == OWN_OUTPUTS:
        return _own(facts)
    found = _one_output(facts) if len(shapes) == 1 else per_level(facts)
    return [layout if layout.doubt else layout._replace(doubt=_place(facts, layout)) for layout in found]


def _place(facts: Facts, layout: Layout) -> str:
    """What speaks against the order of cells, of classes or of distributions."""
    half = len(layout.outputs) // 2
    scores, sides = (layout.outputs[:half], layout.outputs[half:]) if half else (layout.outputs,) * 2
    first = 0 if half else layout.classes
    parts = ((scores, slice(layout.classes)), (sides, slice(first, None)))
    wrong = any(facts.follows(layout.strides, outputs, columns) is False for outputs, columns in parts)
    return "that its cells lie row by row, the finest level first" if wrong else ""


def _own(facts: Facts) -> list[Layout]:
    assert facts.picture is not None
    (_, cells, classes), (_, same, sides) = (tensor.shape for tensor in facts.outputs.values())
    if cells != same or sides % 4 or sides < 8:
        return []
    sets = strides_of(facts.picture.width, facts.picture.height, cells)
    return [Layout(OWN_OUTPUTS, strides, classes, sides // 4 - 1, "logits") for strides in sets]


def _one_output(facts: Facts) -> list[Layout]:
    assert facts.picture is not None
    (name,) = facts.outputs
    _, rows, width = facts.outputs[name].shape
    sets = strides_of(facts.picture.width, facts.picture.height, rows)
    if not sets:
        return []
    classes, doubt = width - 4 * (REG_MAX + 1), "that probabilities come first and are followed by distributions"
    columns = facts.columns(name)
    if columns.say_something:
        fitting = [count for count in range(columns.leading, 0, -1) if width - count >= 8 and (width - count) % 4 == 0]
        classes = fitting[0] if fitting else 0
        doubt = "" if classes == columns.leading else "where classes end and distributions begin"
        if columns.unit[classes:].mean() > MOST_BY_CHANCE:
            return []
        if not facts.graph.is_joined(name):
            doubt = "that nothing changes its values behind the head"
    if classes < 1:
        return []
    return [Layout((name,), strides, classes, (width - classes) // 4 - 1, doubt=doubt) for strides in sets]


def per_level(facts: Facts) -> list[Layout]:
    """The layout of one class output and one of distributions for each level, in any order."""
    assert facts.picture is not None
    levels, odd = divmod(len(facts.outputs), 2)
    rows = sorted({tensor.shape[1] for tensor in facts.outputs.values()}, reverse=True)
    if odd or len(rows) != levels:
        return []
    sets = [s for s in strides_of(facts.picture.width, facts.picture.height, sum(rows)) if len(s) == levels]
    groups: dict[bool, list[str]] = {True: [], False: []}
    for name in facts.outputs:
        groups[bool(facts.columns(name).unit.all())].append(name)
    classes, sides = groups[True], groups[False]
    doubt = ""
    if all(facts.columns(name).say_something for name in facts.outputs):
        if len(classes) != levels:
            return []
    else:
        width = 4 * (REG_MAX + 1)
        classes = [n for n, t in facts.outputs.items() if t.shape[2] != width] or list(facts.outputs)[:levels]
        sides = [name for name in facts.outputs if name not in classes]
        doubt = "which outputs are probabilities"
    ordered = [sorted(group, key=lambda name: -facts.outputs[name].shape[1]) for group in (classes, sides)]
    found = []
    for strides in sets:
        cells = cell_counts(facts.picture.width, facts.picture.height, strides)
        counts = [[facts.outputs[name].shape[1] for name in group] for group in ordered]
        widths = [{facts.outputs[name].shape[2] for name in group} for group in ordered]
        if counts == [cells, cells] and all(len(w) == 1 for w in widths):
            (count,), (bins,) = widths
            if bins % 4 == 0 and bins >= 8:
                found.append(Layout((*ordered[0], *ordered[1]), strides, count, bins // 4 - 1, doubt=doubt))
    return found


def described(
    facts: Facts, layout: Layout, name: str, title: str, cell_offset: float, resize: Resize, *, nms_iou: float = 0.6
) -> Detector:
    """The description of a NanoDet of `layout`."""
    assert facts.picture is not None
    mean, std = (LITE_MEAN_BGR, LITE_STD_BGR) if is_lite(facts) else (NANODET_MEAN_BGR, NANODET_STD_BGR)
    image = facts.picture.wants("bgr", mean, std, resize)
    head = Head(name, layout.outputs, layout.strides, layout.reg_max, cell_offset, layout.scores)
    return Detector(facts.source(title), image, head, facts.classes(layout.classes), {}, nms_iou=nms_iou)


def is_lite(facts: Facts) -> bool:
    """Whether it is on EfficientNet-Lite, by its activation: ReLU6, where other backbones have LeakyReLU or ReLU."""
    return "Clip" in facts.graph.operators and "LeakyRelu" not in facts.graph.operators


def _reader(name: str, title: str) -> Family:
    def read(facts: Facts) -> list[Reading]:
        readings = []
        for layout in layouts(facts):
            doubt = layout.doubt or _doubt(facts, layout, name)
            kept = "kept" if RESIZE[name] != "squash" else "not kept"
            published = "mean 127 and std 128 of those on EfficientNet-Lite" if is_lite(facts) else "mean and std"
            assumed = f"BGR, the published {published}, the aspect ratio {kept}"
            detector = described(facts, layout, name, title, CELL_OFFSET[name], RESIZE[name])
            readings.append(Reading(detector, doubt, assumed))
        return readings

    return Family(name, f"{title}: BGR, {RESIZE[name]}", read, outputs, decoder)


def _doubt(facts: Facts, layout: Layout, name: str) -> str:
    """What speaks against this kind of NanoDet, or is not to be seen."""
    if layout.scores == "logits" and layout.strides == STRIDES[name]:
        return ""  # the exporter's own graphs, of the published strides
    joined = facts.graph.feeds("Resize", "Upsample") & {"Add", "Concat"}
    if joined != {_JOINED_BY[name]}:
        return f"that its pyramid joins levels by {_JOINED_BY[name]}"
    if name == PLUS and len(layout.outputs) > 1 and "LeakyRelu" not in facts.graph.operators:
        return "leaky ReLU, NanoDet-Plus's activation: it may be a PicoDet"
    return ""


def outputs(detector: Detector) -> Mapping[str, tuple[int | None, ...]]:
    """The shapes of the outputs of a described NanoDet or PicoDet."""
    head = detector.head
    cells = cell_counts(detector.input.width, detector.input.height, head.strides)
    names, sides = len(detector.classes), 4 * (head.reg_max + 1)
    widths: Sequence[tuple[int, int]]
    if len(head.outputs) == 1:
        widths = [(sum(cells), names + sides)]
    elif len(head.outputs) == 2:
        widths = [(sum(cells), names), (sum(cells), sides)]
    else:
        widths = [(count, names) for count in cells] + [(count, sides) for count in cells]
    return {name: (1, *shape) for name, shape in zip(head.outputs, widths, strict=True)}


def decoder(detector: Detector, arrays: Arrays, classes: Sequence[int], floor: float) -> Decoder:
    """The decoder of distributions."""
    from edge.detect.decode.distributions import DistributionDecoder  # Numba, which the exporter does without

    return DistributionDecoder(detector, arrays, classes, floor)


NANODET_PLUS = _reader(PLUS, "NanoDet-Plus")
NANODET = _reader(V0, "NanoDet v0.x")
