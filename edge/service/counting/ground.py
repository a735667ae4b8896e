"""From pixels to metres on the ground, by four points of which both are known, and how fast people walk on it."""

from collections import deque
from collections.abc import Sequence

import numpy as np

from edge.service.counting.feet import Feet, Points

WINDOW_S = 1.0  # a speed is that of the last second: steps and trembling boxes cancel out
LEAST_S = 0.5  # a shorter path tells no speed
_FASTEST_MPS = 15.0  # nobody runs faster: an error of the boxes


class Ground:
    """The plane that people walk on: four `points`, shares of width and height, are at these `metres` (x, y).

    The homography that leads from one to the other (Hartley and Zisserman, Multiple View Geometry, 2nd edition,
    section 4.1) is right for the ground and for a lens without distortion. No three of the points may be on a line.
    """

    def __init__(self, points: Sequence[tuple[float, float]], metres: Sequence[tuple[float, float]]):
        equations, values = [], []
        for (u, v), (x, y) in zip(points, metres, strict=True):
            equations += [[u, v, 1, 0, 0, 0, -x * u, -x * v], [0, 0, 0, u, v, 1, -y * u, -y * v]]
            values += [x, y]
        self._matrix = np.append(np.linalg.solve(np.array(equations, float), np.array(values, float)), 1.0).reshape(
            3, 3
        )
        self._side = np.sign(self._scale(np.array(points)).mean())

    def metres(self, points: Points) -> Points:
        """Where `points` `[N, 2]`, shares of the picture, are on the ground, `[N, 2]`; NaN above the horizon."""
        scale = self._scale(points) * self._side
        flat = np.column_stack([points, np.ones(len(points))]) @ self._matrix[:2].T * self._side
        found: Points = np.where(scale[:, None] > 1e-9, flat / np.where(scale > 1e-9, scale, 1.0)[:, None], np.nan)
        return found

    def _scale(self, points: Points) -> Points:
        scale: Points = np.column_stack([points, np.ones(len(points))]) @ self._matrix[2]
        return scale


class Speeds:
    """How fast the identities of one camera walk on `ground`. `forget` those that ended."""

    def __init__(self, ground: Ground):
        self._ground = ground
        self._paths: dict[int, deque[tuple[float, float, float]]] = {}
        self._shown: Sequence[int] = ()

    def update(self, feet: Feet, size: tuple[int, int], time_s: float) -> None:
        """The feet of the next frame, of a picture of `size`."""
        self._shown = feet.ids
        places = self._ground.metres(feet.points / np.maximum(size, 1))
        for id_, (x, y) in zip(feet.ids, places.tolist(), strict=True):
            path = self._paths.setdefault(id_, deque())
            if np.isfinite(x):
                path.append((time_s, x, y))
            while path and path[0][0] < time_s - WINDOW_S:
                path.popleft()

    def of(self, id_: int) -> float | None:
        """Metres a second over the last `WINDOW_S`, None where that is not known."""
        path = np.array(self._paths.get(id_, ()))
        if len(path) < 3 or path[-1, 0] - path[0, 0] < LEAST_S:
            return None
        times = path[:, 0] - path[:, 0].mean()
        speed = float(np.hypot(*(times @ path[:, 1:] / (times @ times))))  # the slope of a straight line through them
        return speed if speed <= _FASTEST_MPS else None

    def shown(self) -> dict[int, float]:
        """The known speeds of the identities in the newest frame."""
        speeds = {id_: self.of(id_) for id_ in self._shown}
        return {id_: speed for id_, speed in speeds.items() if speed is not None}

    def forget(self, id_: int) -> None:
        """Identity `id_` ended."""
        self._paths.pop(id_, None)
