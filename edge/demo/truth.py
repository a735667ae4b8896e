"""What is really in a frame of the built-in scene, and which of it counts when a tracker is scored."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge.types import Float32s, Int64s

# Who is hidden more than this, or less tall than this share of the picture (36 pixels at 720p), is neither expected
# from a tracker nor held against it.
LEAST_VISIBLE = 0.25
LEAST_HEIGHT = 0.05

# Classes of MOTChallenge ground truth: evaluators forgive boxes on a distractor.
_PEDESTRIAN, _DISTRACTOR = 1, 8


@dataclass(frozen=True)
class Truth:
    """What is in a frame: M people, each the same identity whenever it is in the picture.

    `boxes_xyxy` float32 `[M, 4]` hold the whole silhouette, hidden parts included, cut at the picture's border.
    `visibility` float32 `[M]` is the share of the whole silhouette that is seen: what others cover and what lies
    outside the picture is missing. `motion` float64 `[2, 3]` takes pixels of the previous frame to this one, as far
    as the camera moved. `ids` start at 1.
    """

    ids: Int64s
    boxes_xyxy: Float32s
    visibility: Float32s
    motion: npt.NDArray[np.float64]

    def counts(self, picture_height: int) -> npt.NDArray[np.bool_]:
        """Who counts, bool `[M]`: seen well enough and tall enough."""
        tall = self.boxes_xyxy[:, 3] - self.boxes_xyxy[:, 1]
        return (self.visibility >= LEAST_VISIBLE) & (tall >= LEAST_HEIGHT * picture_height)

    def rows(self, frame_number: int, picture_height: int) -> str:
        """MOTChallenge ground truth of this frame, a line each; who does not count is a distractor."""
        lines = []
        counts = self.counts(picture_height)
        for person, (x0, y0, x1, y1), seen, count in zip(
            self.ids.tolist(), self.boxes_xyxy.tolist(), self.visibility.tolist(), counts.tolist(), strict=True
        ):
            label = f"1,{_PEDESTRIAN}" if count else f"0,{_DISTRACTOR}"
            lines.append(f"{frame_number},{person},{x0:.2f},{y0:.2f},{x1 - x0:.2f},{y1 - y0:.2f},{label},{seen:.4f}\n")
        return "".join(lines)
