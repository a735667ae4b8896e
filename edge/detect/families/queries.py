"""Boxes as shares of the picture and a logit for each class, one row a query: DETR's heirs without postprocessing."""

from typing import NamedTuple

from edge.detect.facts import Facts

# Names of the two outputs: Roboflow's exporter; Hugging Face's models, as Optimum exports them; the models' own names.
RFDETR = ("dets", "labels")
PLAIN = (("pred_boxes", "logits"), ("pred_boxes", "pred_logits"))


class Queries(NamedTuple):
    """The outputs with boxes and logits, the number of classes, and whether the values show that they are such."""

    outputs: tuple[str, str]
    classes: int
    shown: bool


def queries(facts: Facts, *names: tuple[str, str]) -> Queries | None:
    """The queries in outputs of one of these pairs of names; None where there are none. A third output is a mask's."""
    for pair in names:
        if facts.picture is None or set(facts.outputs) != set(pair) or len(facts.inputs) != 1:
            continue
        boxes, labels = (facts.outputs[name].shape for name in pair)
        if len(boxes) != 3 or boxes[2] != 4 or len(labels) != 3 or labels[:2] != boxes[:2]:
            continue
        shares, logits = facts.columns(pair[0]), facts.columns(pair[1])
        shown = bool(
            shares.unit.all() and shares.say_something and not logits.unit.all() and not _corners(facts, pair[0])
        )
        if shown or not logits.say_something:
            return Queries(pair, labels[2], shown)
    return None


def _corners(facts: Facts, output: str) -> bool:
    """Whether all boxes could be two corners: of middles and sizes, many are smaller than they are far out."""
    return all((sample[output][..., 2:] >= sample[output][..., :2]).all() for sample in facts.samples)
