"""The vocabulary between stages: frames, detections and tracks, each a struct of arrays.

Boxes are `xyxy` = (x1, y1, x2, y2) in pixels of the source image, with x2 > x1 and y2 > y1, never clipped or rounded.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

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
    """What a detector saw in one frame, N rows.

    `boxes_xyxy` float32 `[N, 4]`, `scores` float32 `[N]` in 0..1, `classes` int32 `[N]` (None: all 0),
    `embeddings` float32 `[N, E]` (None: no appearance; a row of zeros: none for this one). Of joint networks only:
    `offsets` float32 `[N, 2]`, displacement of the centre back to the previous frame, in pixels, and `centres` float32
    `[N, 2]`, the points they start from (None: the boxes' centres).
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
        """The rows that `keep` (`[N]`) marks, as copies."""
        fields = (getattr(self, name) for name in self.__slots__)
        return Detections(*(None if field is None else field[keep] for field in fields))  # type: ignore[arg-type]

    @classmethod
    def empty(cls) -> "Detections":
        """No detections, N = 0."""
        return cls(np.empty((0, 4), np.float32), np.empty(0, np.float32), np.empty(0, np.int32))


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
