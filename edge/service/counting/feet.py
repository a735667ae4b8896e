"""Where people stand in the picture: the middle of the box's lower edge, also while the legs are hidden.

A car or a counter hides the legs: the lower edge jumps up while the head stays where it is. Until the whole box is
back, feet are then sought one usual height below the head. The same holds for a box that the picture's lower border
cuts off.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge.events import Observed

Points = npt.NDArray[np.float64]

# All shares are of the person's usual height.
JUMP = 0.15  # a lower edge that rises this much more than the upper one between two frames is hidden ...
WHOLE = 0.88  # ... until the box is this tall again
LONGEST_HIDDEN_S = 5.0  # after that the box is believed: somebody sat down
USUAL_S = 1.0  # time constant of the usual height


@dataclass(slots=True)
class Feet:
    """Where the tracks of one frame stand. `points` float64 `[M, 2]` and `heights` float64 `[M]` are in pixels.

    `classes` are the names of their classes.
    """

    ids: Sequence[int]
    classes: Sequence[str]
    points: Points
    heights: Points


@dataclass(slots=True)
class _Body:
    top: float
    bottom: float
    height: float
    seen_s: float
    hidden_s: float | None = None  # since when the legs are hidden


class FeetFinder:
    """The feet of one camera's tracks, frame by frame. `forget` identities that ended."""

    def __init__(self) -> None:
        self._bodies: dict[int, _Body] = {}

    def find(self, event: Observed) -> Feet:
        """Where the tracks of `event` stand."""
        ids = event.tracks.ids.tolist()
        classes = [event.origin.classes[number] for number in event.tracks.classes.tolist()]
        boxes = event.tracks.boxes_xyxy.astype(np.float64)
        points = np.stack([(boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3]], axis=1)
        heights = boxes[:, 3] - boxes[:, 1]
        for row, (id_, top, bottom) in enumerate(zip(ids, boxes[:, 1].tolist(), boxes[:, 3].tolist(), strict=True)):
            body = self._bodies.get(id_)
            if body is None:
                self._bodies[id_] = _Body(top, bottom, bottom - top, event.at.time_s)
                continue
            cut = event.size[1] > 0 and bottom >= event.size[1] - 1
            _follow(body, top, bottom, event.at.time_s, cut)
            heights[row] = body.height
            if body.hidden_s is not None:
                points[row, 1] = top + body.height
        return Feet(ids, classes, points, heights)

    def forget(self, id_: int) -> None:
        """Identity `id_` ended."""
        self._bodies.pop(id_, None)


def _follow(body: _Body, top: float, bottom: float, time_s: float, cut: bool) -> None:
    height = bottom - top
    if body.hidden_s is None:
        rise = (body.bottom - bottom) - (body.top - top)
        if cut or (height < WHOLE * body.height and rise > JUMP * body.height):
            body.hidden_s = time_s
    elif (height >= WHOLE * body.height and not cut) or time_s - body.hidden_s > LONGEST_HIDDEN_S:
        body.hidden_s, body.height = None, height
    if body.hidden_s is not None:
        body.height = max(body.height, height)
    else:
        body.height += (1 - np.exp((body.seen_s - time_s) / USUAL_S)) * (height - body.height)
    body.top, body.bottom, body.seen_s = top, bottom, time_s
