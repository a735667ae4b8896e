"""Whether a variant of a joint network agrees with the float one on boxes, offsets and embeddings.

A joint network's list of peaks is as long as ever and in the order of scores, so rows of two lists do not belong
together: raw outputs cannot be compared. Objects are found again by their boxes, and, where a smooth measure is wanted,
by their cells.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from calibration.gate import FLOOR_SCORE, TRUTH_SCORE, Agreement, Floats, Limits, copies_of, cosines
from calibration.precision import compared, iou_matrix, pairs
from calibration.runtime import Array, Arrays, Feed, Runner
from edge.detect.joint import decoded
from edge.detect.preprocess import Scale
from edge.modelpack import Detector
from edge.types import Detections

AS_IT_IS = Scale(1.0, 1.0)


@dataclass(frozen=True)
class JointAgreement(Agreement):
    """An `Agreement` on boxes, and for those found again how much else they have in common.

    `way_back` is the mean distance between the two offsets to the previous frame, as a share of the box's size (the
    root of its area). `moved` is the share of those whose peak is in another cell: of two cells that are equally hot
    either may win, and what is read there differs. `cosine_mean` and `cosine_p1` are of the embeddings of all others,
    as in `Likeness`.
    """

    way_back: float
    moved: float
    cosine_mean: float
    cosine_p1: float

    def __str__(self) -> str:
        return (
            f"{super().__str__()}; offsets off by {self.way_back:.3f} of a box, {self.moved:.1%} of peaks moved,"
            f" cosine {self.cosine_mean:.4f}"
        )

    def passes(self, limits: Limits) -> bool:
        """Whether boxes, offsets and embeddings are all within their limits."""
        alike = self.cosine_mean >= limits.cosine_mean and self.cosine_p1 >= limits.cosine_p1
        steady = self.way_back <= limits.way_back and self.moved <= limits.moved
        return super().passes(limits) and steady and alike


class JointJudge:
    """Judges variants of joint network `detector` on `feeds`; `reference` is the float network."""

    def __init__(self, detector: Detector, reference: Runner, feeds: Sequence[Feed]):
        self._detector = detector
        self._reference = reference
        self._feeds = feeds
        self._expected = [_Peaks.seen(outputs) for outputs in reference.each(feeds)]
        self._truths: dict[int, list[_Peaks]] = {}

    def error(self, variant: Runner) -> float:
        """Mean over the float network's peaks, weighted by score, of |heat difference| + 1 - IoU + the difference of
        the offsets as a share of the box's size + 1 - cosine. Of a peak that moved only the heat where it was counts,
        or the measure would jump."""
        total = weight = 0.0
        for outputs, expected in zip(variant.each(self._feeds), self._expected, strict=True):
            total += float(np.sum(expected.scores * expected.differences(outputs)))
            weight += float(np.sum(expected.scores))
        return total / max(weight, 1e-9)

    def verdict(self, variant: Runner, copies: int) -> JointAgreement:
        """Agreement averaged over `copies` perturbed copies of the inputs, the first as it is."""
        found = []
        common: list[tuple[Floats, npt.NDArray[np.bool_], Floats]] = []
        for copy in range(copies):
            feeds = copies_of(self._feeds, copy)
            if copy not in self._truths:
                self._truths[copy] = [_Peaks.seen(outputs) for outputs in self._reference.each(feeds)]
            truths = self._truths[copy]
            seen = [_Peaks.seen(outputs, FLOOR_SCORE) for outputs in variant.each(feeds)]
            boxes = [[peaks.detections for peaks in side] for side in (truths, seen)]
            found.append((*compared(*boxes), sum(len(peaks.scores) for peaks in truths)))
            common += map(_in_common, truths, seen)
        ap50, ap, bias, count = np.mean(found, 0)
        ways, moved, likeness = (np.concatenate(part) for part in zip(*common, strict=True))
        likeness = likeness[~moved]
        if not len(likeness):  # no embeddings to compare: fine where nothing is to be seen
            likeness = np.full(1, float(count == 0))
        same = (np.mean(part) if len(part) else 0.0 for part in (ways, moved))
        figures = ap50, ap, bias, *same, np.mean(likeness), np.percentile(likeness, 1)
        ap50, ap, bias, *rest = (round(float(value), 5) for value in figures)
        return JointAgreement(ap50, ap, bias, round(count), copies, *rest)

    def detections(self, outputs: Arrays, floor: float = FLOOR_SCORE) -> Detections:
        """Decoded detections of one picture of at least `floor`, boxes in pixels of the network's input."""
        detector = self._detector
        return decoded(outputs, detector.head.strides[0], AS_IT_IS, floor, range(len(detector.classes)))


@dataclass(frozen=True)
class _Peaks:
    """N peaks in rows, everything in cells, and `heat` `[N]` of the best class there."""

    scores: Floats
    classes: Array
    cells: Array
    heat: Floats
    boxes: Array
    offsets: Array
    embeddings: Array

    @classmethod
    def seen(cls, outputs: Arrays, floor: float = TRUTH_SCORE) -> "_Peaks":
        """The peaks of at least `floor` in a network's outputs."""
        scores = outputs["scores"][0].astype(np.float64)
        rows = np.flatnonzero(scores >= floor)
        classes, cells, edges, offsets, embeddings = (
            outputs[name][0][rows] for name in ("classes", "peaks", "edges", "offsets", "embeddings")
        )
        boxes = np.concatenate([cells, cells], 1) + edges
        return cls(scores[rows], classes, cells, _heat(outputs, cells), boxes, offsets, embeddings)

    @property
    def detections(self) -> Detections:
        """The same without offsets and embeddings, boxes in cells."""
        boxes, scores = self.boxes.astype(np.float32), self.scores.astype(np.float32)
        return Detections(boxes, scores, self.classes.astype(np.int32))

    def differences(self, outputs: Arrays) -> Floats:
        """How different everything at these peaks is in another network's outputs, `[N]`."""
        other = _Peaks.seen(outputs, 0.0)
        off = np.abs(_heat(outputs, self.cells) - self.heat)
        same = np.all(self.cells[:, None] == other.cells, axis=2) & (self.classes[:, None] == other.classes)
        a = np.flatnonzero(same.any(1))
        b = same[a].argmax(1)
        rest = np.zeros(len(off))
        ious = iou_matrix(self.boxes[a], other.boxes[b]).diagonal()
        ways = np.minimum(_way(self.offsets[a], other.offsets[b], self.boxes[a]), 1)
        rest[a] = 1 - ious + ways + 1 - cosines(self.embeddings[a], other.embeddings[b])
        return np.asarray(off + rest)


def _heat(outputs: Arrays, cells: Array) -> Floats:
    columns, rows = cells.astype(np.int64).T
    return np.asarray(outputs["heatmap"][0][rows, columns], np.float64)


def _in_common(truth: "_Peaks", seen: "_Peaks") -> tuple[Floats, npt.NDArray[np.bool_], Floats]:
    """Of the objects in both: the distance of their offsets, whether the peak moved, the cosine of embeddings."""
    a, b = pairs(truth.detections, seen.detections)
    moved = np.any(truth.cells[a] != seen.cells[b], axis=1)
    ways = _way(truth.offsets[a], seen.offsets[b], truth.boxes[a])
    return ways, moved, cosines(truth.embeddings[a], seen.embeddings[b])


def _way(a: Array, b: Array, boxes: Array) -> Floats:
    sizes = np.sqrt(np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 1e-3), axis=1))
    return np.asarray(np.linalg.norm((a - b).astype(np.float64), axis=1) / sizes)
