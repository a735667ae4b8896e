"""The accuracy gate: a variant's outputs beside those of the float network, on frames that it was not calibrated on.

Integer noise is real: rounding flips cascade, and a change of the input far below a camera's noise moves raw outputs
as much as quantization does. So decisions use a smooth measure (`error`), and the verdict is the mean over several
slightly perturbed copies of the pictures, each judged against the float network on the same copy.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from calibration.decode import Postprocess
from calibration.precision import compared, iou_matrix, pairs
from calibration.runtime import Array, Arrays, Feed, Runner, perturbed
from edge.modelpack import Detector, Reid
from edge.types import Detections

Floats = npt.NDArray[np.float64]
TRUTH_SCORE = 0.3  # detections of the float network that count as truth
FLOOR_SCORE = 0.05  # the lowest that a variant's detections are listed with


@dataclass(frozen=True)
class Limits:
    """The least agreement with the float network that passes, and the largest `score_bias` in either direction."""

    ap50: float = 0.97
    ap: float = 0.90
    cosine_mean: float = 0.99
    cosine_p1: float = 0.97
    # Whoever takes one network's detections for truth finds the other's a little lower: float32 beside itself with one
    # and two grey levels of noise is off by -.002 and -.005 (NanoDet-Plus-m 416 on mot17_mini).
    score_bias: float = 0.01
    # Of a joint network: float32 beside itself with two grey levels of noise is off by .003 of a box's size and moves
    # one peak in fifty (the built-in one on its scene).
    way_back: float = 0.02
    moved: float = 0.1


@dataclass(frozen=True)
class Agreement:
    """A detector beside its float form, whose detections of at least .3 are taken as truth.

    `ap50` at IoU .5, `ap` over IoU .5 to .95, all classes in one list; `score_bias` is the mean difference of matched
    scores, `truths` the number of true boxes in one copy, `copies` the number of copies averaged over.
    """

    ap50: float
    ap: float
    score_bias: float
    truths: int
    copies: int

    def __str__(self) -> str:
        return f"AP50 {self.ap50:.3f}, AP {self.ap:.3f}, score bias {self.score_bias:+.4f} against float32"

    def passes(self, limits: Limits) -> bool:
        """Whether both precisions reach their limits, and scores are about what they were."""
        return self.ap50 >= limits.ap50 and self.ap >= limits.ap and abs(self.score_bias) <= limits.score_bias


@dataclass(frozen=True)
class Likeness:
    """Embeddings beside those of the float network: mean and first percentile of the cosine, over `crops` crops."""

    cosine_mean: float
    cosine_p1: float
    crops: int
    copies: int

    def __str__(self) -> str:
        return f"cosine {self.cosine_mean:.4f} on average, {self.cosine_p1:.4f} at the 1st percentile"

    def passes(self, limits: Limits) -> bool:
        """Whether both cosines reach their limits."""
        return self.cosine_mean >= limits.cosine_mean and self.cosine_p1 >= limits.cosine_p1


Verdict = Agreement | Likeness


class Judge(Protocol):
    """Knows what the float network says of some inputs, and compares a variant with it."""

    def error(self, variant: Runner) -> float:
        """A smooth measure of how far off the variant is, 0 for equal."""

    def verdict(self, variant: Runner, copies: int) -> Verdict:
        """What the gate looks at."""


class DetectorJudge:
    """Judges variants of `detector` on input `tensors`; `reference` is the float network. `classes` are the numbers of
    those whose detections count, None for all."""

    def __init__(
        self, detector: Detector, reference: Runner, tensors: Sequence[Feed], classes: Sequence[int] | None = None
    ):
        self._detector = detector
        self._classes = classes
        self._reference = reference
        self._tensors = tensors
        self._postprocess: Postprocess | None = None
        self._truths: dict[int, list[Detections]] = {}
        self._expected = [self._seen(outputs) for outputs in reference.each(tensors)]

    def error(self, variant: Runner) -> float:
        """Mean of |score difference| + 1 - IoU of boxes over what the float network sees, weighted by score.

        Of networks with distributions cell by cell, which is smoother; of all others by detections, found again by
        their boxes.
        """
        total = weight = 0.0
        for outputs, expected in zip(variant.each(self._tensors), self._expected, strict=True):
            if isinstance(expected, Cells):
                part, mass = expected.difference(Cells.read(self._detector, outputs, expected.rows))
            else:
                part, mass = _difference(expected, self.detections(outputs))
            total, weight = total + part, weight + mass
        return total / max(weight, 1e-9)

    def verdict(self, variant: Runner, copies: int) -> Agreement:
        """Agreement averaged over `copies` perturbed copies of the inputs, the first as it is."""
        found = []
        for copy in range(copies):
            tensors = copies_of(self._tensors, copy)
            if copy not in self._truths:
                self._truths[copy] = [self.detections(o, TRUTH_SCORE) for o in self._reference.each(tensors)]
            truth = self._truths[copy]
            found.append((*compared(truth, [self.detections(o) for o in variant.each(tensors)]), sum(map(len, truth))))
        ap50, ap, bias, truths = np.mean(found, 0)
        return Agreement(_digits(ap50), _digits(ap), _digits(bias), round(truths), copies)

    def detections(self, outputs: Arrays, floor: float = FLOOR_SCORE) -> Detections:
        """Decoded detections of one picture of at least `floor`, boxes in pixels of the network's input."""
        if self._postprocess is None:
            self._postprocess = Postprocess(self._detector, outputs, self._classes)
        return self._postprocess(outputs, floor)

    def _seen(self, outputs: Arrays) -> "Cells | Detections":
        if self._detector.head.boxes == "distributions":
            return Cells.seeing(self._detector, outputs)
        return self.detections(outputs, TRUTH_SCORE)


class ReidJudge:
    """Judges variants of `reid` on input `tensors`, one crop each."""

    def __init__(self, reid: Reid, reference: Runner, tensors: Sequence[Feed]):
        self._output = reid.output
        self._reference = reference
        self._tensors = tensors
        self._expected = [self._embeddings(reference, tensors)]

    def error(self, variant: Runner) -> float:
        """One minus the mean cosine."""
        return float(1 - np.mean(cosines(self._expected[0], self._embeddings(variant, self._tensors))))

    def verdict(self, variant: Runner, copies: int) -> Likeness:
        """Likeness over `copies` perturbed copies of the inputs, the first as it is."""
        found = []
        for copy in range(copies):
            tensors = copies_of(self._tensors, copy)
            if copy == len(self._expected):
                self._expected.append(self._embeddings(self._reference, tensors))
            found.append(cosines(self._expected[copy], self._embeddings(variant, tensors)))
        likeness = np.concatenate(found)
        crops = len(likeness) // copies
        return Likeness(_digits(float(np.mean(likeness))), _digits(float(np.percentile(likeness, 1))), crops, copies)

    def _embeddings(self, run: Runner, tensors: Iterable[Feed]) -> Floats:
        return np.concatenate([outputs[self._output] for outputs in run.each(tensors)]).astype(np.float64)


def copies_of(tensors: Sequence[Feed], copy: int) -> list[Feed]:
    """Copy number `copy` of the inputs; number 0 is as it is."""
    return [perturbed(t, 1000 * copy + i) if copy else t for i, t in enumerate(tensors)]


@dataclass(frozen=True)
class Cells:
    """Scores `[N, C]` (probabilities) and box sides `[N, 4]` (distances in strides) of the cells `rows` `[N]` of a
    NanoDet head."""

    rows: npt.NDArray[np.int64]
    scores: Floats
    sides: Floats

    @classmethod
    def seeing(cls, detector: Detector, outputs: Arrays) -> "Cells":
        """The cells in a network's outputs that see an object of some class."""
        best = _tables(detector, outputs)[0].max(1)
        scores = 1 / (1 + np.exp(-best)) if detector.head.scores == "logits" else best
        return cls.read(detector, outputs, np.flatnonzero(scores >= TRUTH_SCORE))

    @classmethod
    def read(cls, detector: Detector, outputs: Arrays, rows: npt.NDArray[np.int64]) -> "Cells":
        """The cells `rows` in a network's outputs."""
        head = detector.head
        scores, bins = (table[rows].astype(np.float64) for table in _tables(detector, outputs))
        if head.scores == "logits":
            scores = 1 / (1 + np.exp(-scores))
        bins = bins.reshape(len(rows), 4, head.reg_max + 1)
        weights = np.exp(bins - bins.max(2, keepdims=True))
        sides = weights @ np.arange(head.reg_max + 1) / weights.sum(2)
        return cls(rows, scores, sides)

    def difference(self, other: "Cells") -> tuple[float, float]:
        """Sum over the cells, which are the same in both, of score x (|score difference| + 1 - IoU), and the sum of
        scores."""
        best = self.scores.argmax(1)
        cells = np.arange(len(best))
        scores = self.scores[cells, best]
        error = np.abs(other.scores[cells, best] - scores) + 1 - _iou_of_sides(self.sides, other.sides)
        return float(np.sum(scores * error)), float(np.sum(scores))


def _tables(detector: Detector, outputs: Arrays) -> tuple[Array, Array]:
    """Class scores `[N, C]` and distributions `[N, 4 x bins]` of all cells, laid out as the network's description
    says."""
    tables = [outputs[name].reshape(-1, outputs[name].shape[-1]) for name in detector.head.outputs]
    if len(tables) == 1:
        classes = len(detector.classes)
        return tables[0][:, :classes], tables[0][:, classes:]
    half = len(tables) // 2
    return np.concatenate(tables[:half]), np.concatenate(tables[half:])


def _difference(expected: Detections, found: Detections) -> tuple[float, float]:
    """The same as `Cells.difference` over detections; one that is not found again is as different as can be."""
    scores = expected.scores.astype(np.float64)
    errors = scores + 1
    a, b = pairs(expected, found)
    ious = iou_matrix(expected.boxes_xyxy[a], found.boxes_xyxy[b]).diagonal()
    errors[a] = np.abs(found.scores[b] - scores[a]) + 1 - ious
    return float(np.sum(scores * errors)), float(np.sum(scores))


def _iou_of_sides(a: Floats, b: Floats) -> Floats:
    """IoU of boxes about the same point, given by their distances to it."""
    inter = np.minimum(a, b)
    both = (inter[:, 0] + inter[:, 2]) * (inter[:, 1] + inter[:, 3])
    areas = [(s[:, 0] + s[:, 2]) * (s[:, 1] + s[:, 3]) for s in (a, b)]
    return both / np.maximum(areas[0] + areas[1] - both, 1e-9)


def cosines(a: Array, b: Array) -> Floats:
    """The cosine of each row of `a` and the same row of `b`."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.asarray(np.sum(a * b, axis=1) / np.maximum(lengths, 1e-12))


def _digits(value: float) -> float:
    return round(float(value), 5)
