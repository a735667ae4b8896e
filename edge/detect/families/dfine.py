"""D-FINE, RT-DETR and DEIM as their own exporters write them: labels, boxes and scores; a second input for the size.

Boxes come in the size that the second input names, width and height: here it always gets the size of the network's own
input, so that boxes are in its pixels like those of any other family. Without that postprocessing, as other exporters
write them, boxes are shares of the picture and scores are logits. ultralytics' RT-DETR puts out one list of shares.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from edge.detect.decode.candidates import Decoder
from edge.detect.facts import Facts
from edge.detect.families import end_to_end, listed, queries, rfdetr
from edge.detect.families.family import Arrays, Family, Reading
from edge.modelpack import Detector, Head

NAME = "dfine"
OUTPUTS = ("labels", "boxes", "scores")
_SIZE = "orig_target_sizes"
_RANKED_HEAD = "RTDETRDecoder"  # what ultralytics calls its RT-DETR's head in the metadata
_VIT_PATCH = (16, 16)
_TOLERANCE = 1e-3  # of boxes in half precision
_TITLE = "D-FINE, RT-DETR or DEIM"
_ASSUMED = "RGB of 0..1, the aspect ratio not kept"


def read(facts: Facts) -> list[Reading]:
    """The reading of outputs of these names, of boxes and logits, or of one list of shares."""
    return _read_queries(facts) or _read_lists(facts) or _read_ranked(facts)


def _read_queries(facts: Facts) -> list[Reading]:
    found = queries.queries(facts, *queries.PLAIN)
    if found is None:
        return []
    assert facts.picture is not None
    image = facts.picture.wants("rgb", (0.0, 0.0, 0.0), (255.0, 255.0, 255.0), "squash")
    head = Head(NAME, found.outputs, scores="logits", boxes="cxcywh-share")
    detector = Detector(facts.source(_TITLE), image, head, facts.classes(found.classes), {}, nms_iou=1.0)
    return [
        Reading(
            detector,
            "how pictures are prepared" if found.shown else "that boxes are middles and sizes, and labels logits",
            _ASSUMED,
        )
    ]


def _read_lists(facts: Facts) -> list[Reading]:
    if facts.picture is None or not set(OUTPUTS) <= set(facts.outputs):
        return []
    sizes = [name for name in facts.inputs if name != facts.picture.name]
    rows = facts.outputs["scores"].shape
    if len(rows) != 2 or facts.outputs["boxes"].shape != (*rows, 4) or facts.outputs["labels"].shape != rows:
        return []
    if len(sizes) != 1 or facts.inputs[sizes[0]].shape != (1, 2):
        return []
    names, count = facts.names, _class_count(facts)
    classes = facts.classes(count) if count else names or facts.classes(1)
    found = [listed.Rows(s["boxes"][0], s["scores"][0], s["labels"][0]) for s in facts.samples]
    shown = listed.shown(found, classes=count or facts.named)
    if shown is False:
        return []
    doubt = ""
    if sizes[0] != _SIZE:
        doubt = f"that {sizes[0]} is the size in which boxes are wanted, width first"
    elif _sees_patches(facts):
        doubt = "whether ImageNet's mean and std are subtracted, as for DEIMv2's larger backbones"
    elif not shown or not _is_width_first(facts, sizes[0]):
        doubt = f"that boxes are x1, y1, x2, y2 in the size that {sizes[0]} names, width first"
    image = facts.picture.wants("rgb", (0.0, 0.0, 0.0), (255.0, 255.0, 255.0), "squash")
    head = Head(NAME, OUTPUTS, boxes="xyxy")
    size: dict[str, tuple[float, ...]] = {sizes[0]: (float(image.width), float(image.height))}
    detector = Detector(facts.source(_TITLE), image, head, classes, {}, nms_iou=1.0, constants=size)
    return [Reading(detector, doubt, _ASSUMED, counted=bool(names or count))]


def _read_ranked(facts: Facts) -> list[Reading]:
    """ultralytics' RT-DETR: `[1, K, 6]`, middle and size as shares of the picture, score and class, best first."""
    shapes = [tensor.shape for tensor in facts.outputs.values()]
    if facts.picture is None or len(facts.inputs) != 1 or len(shapes) != 1:
        return []
    if len(shapes[0]) != 3 or shapes[0][0] != 1 or shapes[0][2] != end_to_end.WIDTH:
        return []
    (name,) = facts.outputs
    tables = [sample[name][0] for sample in facts.samples]
    halves = [table[:, 2:4] / 2 for table in tables]
    corners = [np.hstack([t[:, :2] - half, t[:, :2] + half]) for t, half in zip(tables, halves, strict=True)]
    rows = [listed.Rows(c, t[:, 4], t[:, 5]) for c, t in zip(corners, tables, strict=True)]
    are_corners = all((table[:, 2:4] >= table[:, :2]).all() for table in tables)
    if are_corners or not listed.shown(rows, shares=True, classes=facts.named):
        return []
    doubt = "" if facts.metadata.get("head") == _RANKED_HEAD else "how pictures are prepared"
    names = facts.names
    image = facts.picture.wants("rgb", (0.0, 0.0, 0.0), (255.0, 255.0, 255.0), "squash")
    head = Head(NAME, (name,), boxes="cxcywh-share")
    detector = Detector(facts.source(_TITLE), image, head, names or facts.classes(1), {}, nms_iou=1.0)
    return [Reading(detector, doubt, _ASSUMED, counted=names is not None)]


def _is_width_first(facts: Facts, size: str) -> bool:
    """Whether boxes become twice as wide and no higher where the first number of input `size` is doubled."""
    assert facts.picture is not None
    width, height = facts.picture.width, facts.picture.height
    before, after = (facts.with_constant(size, (w, height))["boxes"][0] for w in (width, 2 * width))
    return bool(np.allclose(after, before * (2, 1, 2, 1), rtol=_TOLERANCE, atol=_TOLERANCE * width))


def _sees_patches(facts: Facts) -> bool:
    """Whether the first convolution cuts the picture into patches, as a vision transformer's does."""
    first = next((node for node in facts.graph.nodes if node.op == "Conv"), None)
    return first is not None and first.numbers.get("kernel_shape") == _VIT_PATCH


def _class_count(facts: Facts) -> int | None:
    """By what the number of the best score is divided for its class: number % classes, or - number // classes."""
    node = facts.graph.maker("labels")
    if node is not None and node.op == "Sub":
        node = next((n for name in node.inputs if (n := facts.graph.maker(name)) and n.op == "Mul"), None)
    if node is None or node.op not in ("Mod", "Mul"):
        return None
    found = [facts.graph.constants[name] for name in node.inputs if name in facts.graph.constants]
    return int(found[0]) if len(found) == 1 and 1 <= found[0] <= 10_000 else None


def outputs(detector: Detector) -> Mapping[str, tuple[int | None, ...]]:
    """The shapes of the outputs."""
    if len(detector.head.outputs) == 1:
        return end_to_end.outputs(detector)
    if len(detector.head.outputs) == 2:
        return rfdetr.outputs(detector)
    return {"labels": (1, None), "boxes": (1, None, 4), "scores": (1, None)}


def decoder(detector: Detector, arrays: Arrays, classes: Sequence[int], floor: float) -> Decoder:
    """The decoder of a list in three outputs, of queries in two, or of a list in one."""
    if len(detector.head.outputs) == 1:
        return end_to_end.decoder(detector, arrays, classes, floor)
    if len(detector.head.outputs) == 2:
        return rfdetr.decoder(detector, arrays, classes, floor)
    from edge.detect.decode.lists import Column, ListDecoder, of_outputs  # Numba, which the exporter does without

    labels, boxes, scores = of_outputs(arrays, detector.head.outputs)
    return ListDecoder(detector, Column(boxes, 0), Column(scores, 0), Column(labels, 0), classes, floor)


DFINE = Family(NAME, "D-FINE, RT-DETR, DEIM: RGB of 0..1, squashed", read, outputs, decoder)
