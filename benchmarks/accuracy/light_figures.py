"""What a tracker meets in a light detector's output, in figures: how the simulation is compared with reality."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from edge.motchallenge import Boxes
from edge.types import Detections

RECALL_AT = (0.1, 0.3, 0.45, 0.6)
FALSE_AT = (0.1, 0.2, 0.3, 0.45)
AGAIN_AFTER = (30, 100)  # frames
AGAIN_FROM = 0.3  # score of the false boxes that are looked for again
_OVERLAP = 0.5

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Figures:
    """`recall` of considered people from each of `RECALL_AT` on; `false` boxes a frame from each of `FALSE_AT` on.

    `again`: of the false boxes from `AGAIN_FROM` on, the share that has such a one at the same place after each of
    `AGAIN_AFTER` frames. `flicker`: standard deviation of the change of the score's logit from one frame to the next.
    """

    recall: tuple[float, ...]
    false: tuple[float, ...]
    again: tuple[float, ...]
    flicker: float

    def cells(self) -> list[str]:
        """The figures as text, those of one kind together."""
        groups = ((self.recall, 3), (self.false, 1), (self.again, 2), ((self.flicker,), 2))
        return [" / ".join(f"{value:.{digits}f}" for value in group) for group, digits in groups]


def figures(truth: Boxes, detections: Sequence[Detections]) -> Figures:
    """Of a sequence; a detection is somebody's where its IoU with that box is at least .5, the better score first.

    Boxes on who is not considered are neither found nor false.
    """
    ends = np.searchsorted(truth.frames, np.arange(1, len(detections) + 2))
    found, people, false_scores, changes = [], 0, [], []
    false_boxes: list[Array] = []
    before: dict[int, float] = {}
    for seen, first, end in zip(detections, ends[:-1], ends[1:], strict=True):
        boxes = truth.boxes_ltwh[first:end].copy()
        boxes[:, 2:] += boxes[:, :2]
        asked = (truth.scores[first:end] != 0) & (truth.classes[first:end] == 1)
        people += int(asked.sum())
        alike = overlaps(boxes, seen.boxes_xyxy.astype(np.float64))
        row, column = linear_sum_assignment(-np.where(alike >= _OVERLAP, seen.scores[None], 0.0))
        real = alike[row, column] >= _OVERLAP
        row, column = row[real], column[real]
        scores = seen.scores.astype(np.float64)
        found.append(scores[column[asked[row]]])
        now = dict(zip(truth.ids[first:end][row].tolist(), scores[column].tolist(), strict=True))
        changes += [_logit(score) - _logit(before[person]) for person, score in now.items() if person in before]
        before = now
        false = np.ones(len(scores), np.bool_)
        false[column] = False
        false_scores.append(scores[false])
        false_boxes.append(seen.boxes_xyxy[false & (scores >= AGAIN_FROM)].astype(np.float64))
    hits, misses = np.concatenate(found), np.concatenate(false_scores)
    return Figures(
        tuple(float((hits >= t).sum()) / max(1, people) for t in RECALL_AT),
        tuple(float((misses >= t).sum()) / len(detections) for t in FALSE_AT),
        tuple(_again(false_boxes, after) for after in AGAIN_AFTER),
        float(np.std(changes)),
    )


def overlaps(one: Array, other: Array) -> Array:
    """IoU of boxes xyxy, `[N, M]`."""
    size = np.minimum(one[:, None, 2:], other[None, :, 2:]) - np.maximum(one[:, None, :2], other[None, :, :2])
    both = np.clip(size, 0, None).prod(-1)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(-1) for boxes in (one, other)]
    return np.asarray(both / np.maximum(areas[0][:, None] + areas[1][None] - both, 1e-9), np.float64)


def _again(boxes: Sequence[Array], after: int) -> float:
    count = back = 0
    for now, later in zip(boxes[:-after], boxes[after:], strict=True):
        count += len(now)
        back += int((overlaps(now, later).max(1, initial=0.0) >= _OVERLAP).sum())
    return back / max(1, count)


def _logit(score: float) -> float:
    return float(np.log(score / (1 - score)))
