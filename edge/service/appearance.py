"""The appearance of a camera's identities, gathered from their embeddings: told when it is well known, and at the end.

An embedding of one frame is noisy; a mean over some time is what two cameras can compare.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from edge.events import AppearanceStage, Embedded, Ended, Lost, Moment, Origin, Side
from edge.types import Float32s, Tracks

# So many embeddings are "well known". Where only doubtful detections get one, a quiet track has two a second.
KNOWN_SAMPLES = 4
# A box that ends within this share of the picture's size from its border is at that side, and may be cut off there.
BORDER = 0.03
# Weight of an embedding whose box may be cut off: better than nothing.
_CUT_WEIGHT = 0.05


@dataclass(slots=True)
class _Sum:
    """Embeddings added up, each with its weight."""

    vector: Float32s | None = None
    scores: float = 0.0
    samples: int = 0

    def add(self, embedding: Float32s, score: float, weight: float) -> None:
        weighted = np.float32(weight) * embedding
        self.vector = weighted if self.vector is None else self.vector + weighted
        self.scores += score
        self.samples += 1

    def mean(self) -> Float32s | None:
        """Of length 1; None where there is none."""
        length = 0.0 if self.vector is None else float(np.linalg.norm(self.vector))
        return None if self.vector is None or not length else self.vector / np.float32(length)


@dataclass(slots=True)
class _Stay:
    """One identity from the first frame that shows it until it is lost or ends."""

    first: Moment
    last: Moment
    entry: Side
    number: int
    class_number: int = 0
    size: tuple[int, int] = (0, 0)
    box_xyxy: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    sum: _Sum = field(default_factory=_Sum)
    is_known: bool = False


class Appearances:
    """The identities of one camera; `network` is the sha256 of what makes their embeddings."""

    def __init__(self, origin: Origin, network: str):
        self._origin = origin
        self._network = network
        self._stays: dict[int, _Stay] = {}
        self._lost: dict[int, int] = {}  # how often each identity has been lost, of those that may be found again

    def observe(
        self, tracks: Tracks, embeddings: Float32s | None, at: Moment, size: tuple[int, int]
    ) -> Iterable[Embedded]:
        """The identities that are well known with this frame.

        `embeddings` float32 `[N, E]` are those of the frame's detections, a row of zeros where there is none.
        """
        rows = zip(*(column.tolist() for column in (tracks.ids, tracks.classes, tracks.detection_index)), strict=True)
        for (id_, class_number, detection), box, score in zip(
            rows, tracks.boxes_xyxy.tolist(), tracks.scores.tolist(), strict=True
        ):
            stay = self._stays.get(id_)
            if stay is None:
                stay = self._stays[id_] = _Stay(at, at, side_of(box, size), self._lost.get(id_, 0))
            stay.last, stay.class_number, stay.size = at, class_number, size
            stay.box_xyxy = (box[0], box[1], box[2], box[3])
            if embeddings is None or detection < 0 or not embeddings[detection].any():
                continue
            stay.sum.add(embeddings[detection], score, _CUT_WEIGHT if is_cut(box, size) else score)
            if not stay.is_known and stay.sum.samples >= KNOWN_SAMPLES:
                stay.is_known = True
                yield self._event(id_, stay, "known", at)
                stay.sum = _Sum()

    def end(self, event: Lost | Ended) -> Iterable[Embedded]:
        """What is told at the end of a stay; nothing where it never had an embedding."""
        stay = self._stays.pop(event.id, None)
        if isinstance(event, Ended):
            self._lost.pop(event.id, None)
        if stay is None:
            return
        if isinstance(event, Lost):
            self._lost[event.id] = stay.number + 1
        if stay.is_known or stay.sum.samples:
            yield self._event(event.id, stay, "end", event.at)

    def _event(self, id_: int, stay: _Stay, stage: AppearanceStage, at: Moment) -> Embedded:
        return Embedded(
            self._origin,
            at,
            id_,
            stay.number,
            stage,
            stay.class_number,
            stay.first,
            stay.last,
            stay.box_xyxy,
            stay.size,
            stay.entry,
            side_of(stay.box_xyxy, stay.size),
            stay.sum.scores / stay.sum.samples if stay.sum.samples else 0.0,
            stay.sum.samples,
            self._network,
            stay.sum.mean(),
        )


def side_of(box_xyxy: Iterable[float], size: tuple[int, int]) -> Side:
    """The side of a picture of `size` (width, height) that a box reaches, left and right first; "inside" for none.

    >>> side_of((0.0, 100.0, 40.0, 200.0), (640, 480))
    'left'
    """
    x1, y1, x2, y2 = box_xyxy
    width, height = size
    if x1 <= BORDER * width or x2 >= (1 - BORDER) * width:
        return "left" if x1 <= width - x2 else "right"
    if y2 >= (1 - BORDER) * height:
        return "bottom"
    return "top" if y1 <= BORDER * height else "inside"


def is_cut(box_xyxy: Iterable[float], size: tuple[int, int]) -> bool:
    """Whether part of what is in the box may be outside the picture."""
    return side_of(box_xyxy, size) != "inside"
