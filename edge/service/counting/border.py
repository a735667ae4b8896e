"""Lines and zones that reach the border of the picture go on beyond it.

The feet of a person near the camera may lie below the picture. Coordinates are shares of width and height.
"""

import numpy as np

from edge.service.counting.feet import Points

_ON_BORDER = 0.01  # a point this close to the border was meant to be on it
_BEYOND = 1.0  # how far things go on


def long_line(points: Points) -> Points:
    """The line `[2, 2]`, longer at each end that lies on the border."""
    start, end = points
    along = (end - start) / np.hypot(*(end - start)) * _BEYOND
    return np.stack([start - along * bool(_sides(start).any()), end + along * bool(_sides(end).any())])


def wide_polygon(points: Points) -> Points:
    """The polygon `[N, 2]`, its edges that lie along the border moved outwards; more points than before."""
    corners: list[Points] = []
    for corner, following in zip(points, np.roll(points, -1, axis=0), strict=True):
        corners.append(corner)
        if (_sides(corner) * _sides(following) > 0).any():
            corners += [corner + _BEYOND * _sides(corner), following + _BEYOND * _sides(following)]
    return np.stack(corners)


def _sides(point: Points) -> Points:
    """For x and y: -1 on the left or upper border, 1 on the right or lower one, else 0."""
    return np.where(point >= 1 - _ON_BORDER, 1.0, np.where(point <= _ON_BORDER, -1.0, 0.0))
