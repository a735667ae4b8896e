"""The vocabulary between stages: frames, detections and tracks, each a struct of arrays.

Boxes are `xyxy` = (x1, y1, x2, y2) in pixels of the source image, with x2 > x1 and y2 > y1, never clipped or rounded.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from edge.errors import InputError

Float32s = npt.NDArray[np.float32]
Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
Image = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of a source.

    `image` is uint8 `[H, W, 3]`, BGR, and may be reused by the source once the next frame is asked for.
    `number` counts the source's frames from 1, dropped ones included. `time_s` is the capture time in seconds on a
    clock that never goes backwards; only differences mean anything.
    """

    image: Image
    number: int
    time_s: float


@dataclass(slots=True)
class Detections:
    """What a detector found in one frame, N rows.

    `boxes_xyxy` float32 `[N, 4]` in pixels, `scores` float32 `[N]` in 0..1, `classes` int32 `[N]`, numbers of the
    detector's classes (None: all 0), `embeddings` float32 `[N, E]` (None: no appearance; a row of zeros: none for this
    one). Of joint networks only: `offsets` float32 `[N, 2]`, from the centre to that of the same object in the previous
    frame, in pixels, and `centres` float32 `[N, 2]`, the points they start from (None: the boxes' centres).

    Other numeric dtypes and lists may be given too: `Tracker.update` converts and checks them.
    """

    boxes_xyxy: Float32s
    scores: Float32s
    classes: Int32s | None = None
    embeddings: Float32s | None = None
    offsets: Float32s | None = None
    centres: Float32s | None = None

    def __len__(self) -> int:
        return len(self.scores)

    def where(self, keep: npt.NDArray[np.bool_]) -> "Detections":
        """The rows that `keep` (bool `[N]`) marks, as copies."""
        fields = (getattr(self, name) for name in self.__slots__)
        return Detections(*(None if field is None else field[keep] for field in fields))  # type: ignore[arg-type]

    @classmethod
    def empty(cls) -> "Detections":
        """No detections, N = 0."""
        return cls(np.empty((0, 4), np.float32), np.empty(0, np.float32), np.empty(0, np.int32))

    @classmethod
    def from_xyxy(cls, boxes_xyxy: Any, scores: Any, classes: Any = None) -> "Detections":
        """Detections from lists, arrays or tensors of any numeric type: N boxes (x1, y1, x2, y2) in pixels, `[N, 4]`.

        `scores` `[N]` are in 0..1, `classes` `[N]` whole numbers (None: all 0). Raises InputError for other shapes, and
        for values that float32 (int32 for classes) cannot hold.
        """
        boxes = _row("boxes_xyxy", boxes_xyxy, np.float32)
        found = cls(
            boxes.reshape(0, 4) if boxes.size == 0 else boxes,
            _row("scores", scores, np.float32),
            None if classes is None else _row("classes", classes, np.int32),
        )
        n = len(found.scores)
        if found.boxes_xyxy.shape != (n, 4) or found.scores.ndim != 1:
            shapes = f"{found.boxes_xyxy.shape} and {found.scores.shape}"
            raise InputError(f"boxes_xyxy and scores: expected shapes [N, 4] and [N], found {shapes}")
        if found.classes is not None and found.classes.shape != (n,):
            raise InputError(f"classes: expected shape [{n}] as scores has, found {found.classes.shape}")
        return found

    @classmethod
    def from_supervision(cls, detections: Any) -> "Detections":
        """Detections from a `supervision.Detections`, row by row; `Tracks.to_supervision` leads back.

        Raises InputError for something else, and where it has no confidence.
        """
        _require("detections", detections, "xyxy", "confidence", "class_id")
        if len(detections) and detections.confidence is None:
            raise InputError("detections.confidence: expected a score for each box, found None")
        scores = [] if detections.confidence is None else detections.confidence
        return cls.from_xyxy(detections.xyxy, scores, detections.class_id)

    @classmethod
    def from_ultralytics(cls, result: Any) -> "Detections":
        """Detections from one ultralytics `Results`, row by row.

        Raises InputError for one without boxes, for something else, and for a list of them, as a model returns it.
        """
        _require("result", result, "boxes")
        boxes = result.boxes
        if boxes is None:
            raise InputError(
                "result.boxes: expected boxes, found None; only detection, segmentation and pose have them"
            )
        return cls.from_xyxy(boxes.xyxy, boxes.conf, boxes.cls)

    @classmethod
    def from_torchvision(cls, output: Mapping[str, Any]) -> "Detections":
        """Detections from one output of a torchvision detector: a mapping with boxes, scores and labels.

        Raises InputError where one is missing, and for a list of them, as a model returns it.
        """
        _require("output", output, "keys")
        missing = [key for key in ("boxes", "scores", "labels") if key not in output]
        if missing:
            raise InputError(f"output: expected the keys boxes, scores and labels, found no {missing[0]}")
        return cls.from_xyxy(output["boxes"], output["scores"], output["labels"])

    def __repr__(self) -> str:
        extra = [name for name in ("embeddings", "offsets") if getattr(self, name) is not None]
        scores = ""
        if isinstance(self.scores, np.ndarray) and self.scores.size and self.scores.dtype.kind in "biuf":
            scores = f", scores {self.scores.min():.2f} to {self.scores.max():.2f}"
        elif not hasattr(self.scores, "__len__"):  # nothing that a tracker takes, and still it can be printed
            return f"Detections(scores={self.scores!r})"
        return f"Detections({len(self)}{scores}{''.join(f', with {name}' for name in extra)})"


class Track(NamedTuple):
    """One row of `Tracks`. `box_xyxy` float32 `[4]`; `detection_index` is None where the box is predicted."""

    id: int
    box_xyxy: Float32s
    score: float
    class_number: int
    detection_index: int | None


@dataclass(slots=True)
class Tracks:
    """The tracks to show for one frame, M rows, in the order in which they were first seen.

    `ids` int64 `[M]` start at 1, belong to one tracker and are never reused. `boxes_xyxy` float32 `[M, 4]`, `scores`
    float32 `[M]`, `classes` int32 `[M]`. `detection_index` int32 `[M]` is the row of `Detections` that updated the
    track in this frame, -1 where the box is predicted.
    """

    ids: Int64s
    boxes_xyxy: Float32s
    scores: Float32s
    classes: Int32s
    detection_index: Int32s

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, row: int) -> Track:
        """One track; negative rows count from the end. Raises IndexError beyond the last one."""
        index = int(self.detection_index[row])
        return Track(
            int(self.ids[row]),
            self.boxes_xyxy[row],
            float(self.scores[row]),
            int(self.classes[row]),
            None if index < 0 else index,
        )

    def __iter__(self) -> Iterator[Track]:
        return map(self.__getitem__, range(len(self.ids)))

    def where(self, keep: npt.NDArray[np.bool_]) -> "Tracks":
        """The rows that `keep` (bool `[M]`) marks, as copies: `tracks.where(tracks.classes == 0)`."""
        return Tracks(*(getattr(self, name)[keep] for name in self.__slots__))

    def __repr__(self) -> str:
        predicted = int((self.detection_index < 0).sum())
        return f"Tracks({len(self)}, ids {self.ids.tolist()}{f', {predicted} predicted' if predicted else ''})"

    def to_supervision(self, detections: Any) -> Any:
        """The rows of `detections`, a `supervision.Detections`, that belong to tracks, with `tracker_id`.

        `detections` are those that this frame's `Detections.from_supervision` was made from. Boxes, masks, key points
        and `data` of each row stay as they are. Tracks without a detection in this frame are left out. Raises
        InputError for something else, and where `detections` has fewer rows than that.
        """
        _require("detections", detections, "xyxy", "tracker_id")
        seen = self.detection_index >= 0
        if seen.any() and self.detection_index.max() >= len(detections):
            raise InputError(
                f"detections: expected those of this frame, at least {self.detection_index.max() + 1} rows, found "
                f"{len(detections)}"
            )
        chosen = detections[self.detection_index[seen].astype(np.int64)]
        chosen.tracker_id = self.ids[seen].astype(np.int64)
        return chosen


def as_array(name: str, values: Any, dtype: type[np.float32] | type[np.int32]) -> npt.NDArray[Any]:
    """`values` as an array of `dtype`, themselves where they are one; tensors are copied from their device.

    Lists and arrays of any real numbers are converted, as far as their values stay what they are: whole numbers for
    int32, and nothing that float32 cannot hold. Raises InputError that begins with `name`.
    """
    if type(values) is np.ndarray and values.dtype == dtype and values.dtype.isnative:
        return values
    expected = f"{name}: expected an array of {np.dtype(dtype)}, or numbers that fit it, found"
    if np.ma.is_masked(values):
        raise InputError(f"{expected} a masked array; drop the rows that are masked")
    if hasattr(values, "detach"):
        values = values.detach().cpu()
    try:
        given = np.asarray(values)
    except (TypeError, ValueError) as error:
        raise InputError(f"{expected} {type(values).__name__}: {error}") from error
    if given.dtype.kind not in "biuf" and given.size:
        raise InputError(f"{expected} {given.dtype if isinstance(values, np.ndarray) else type(values).__name__}")
    with np.errstate(over="ignore", invalid="ignore"):
        converted = given.astype(dtype)
        if dtype is np.float32:
            fits = bool((np.isfinite(converted) | ~np.isfinite(given)).all())
        else:
            fits = bool((converted == given).all())
    if not fits:
        raise InputError(f"{expected} {given.dtype} with values that do not")
    return converted


def _row(name: str, values: Any, dtype: type[np.float32] | type[np.int32]) -> npt.NDArray[Any]:
    return np.ascontiguousarray(as_array(name, values, dtype))


def _require(name: str, given: Any, *attributes: str) -> None:
    """Raise InputError for a list of results, and for what has not all of the `attributes`."""
    if isinstance(given, (list, tuple)):
        raise InputError(
            f"{name}: expected the result of one picture, found a {type(given).__name__} of {len(given)}; give its"
            " elements"
        )
    if missing := [attribute for attribute in attributes if not hasattr(given, attribute)]:
        raise InputError(f"{name}: expected something with {missing[0]}, found {type(given).__name__}")
