"""What is counted at: a zone or a line."""

from collections.abc import Sequence
from typing import Protocol


class Shape(Protocol):
    """A zone, a polygon, or a line between two points, with its name.

    `points` are shares of width and height from the upper left corner, in order. See `edge.settings.config`.
    """

    @property
    def name(self) -> str: ...

    @property
    def points(self) -> Sequence[tuple[float, float]]: ...
