"""Frames without pictures: what the replay of recorded detections runs on when there is no video."""

import numpy as np

from edge.types import Frame, Image


class Blank:
    """`frame_count` frames of 0 x 0 pixels, 1/`frame_rate` seconds apart; see `Source`."""

    def __init__(self, frame_count: int, frame_rate: float):
        self.is_live = False
        self.size = (0, 0)
        self.frame_rate = frame_rate
        self.frame_count = frame_count
        self._number = 0

    def read(self, buffer: Image | None) -> Frame | None:
        """The next frame, None after the last."""
        if self._number == self.frame_count:
            return None
        self._number += 1
        return Frame(np.empty((0, 0, 3), np.uint8), self._number, (self._number - 1) / self.frame_rate)

    def close(self) -> None:
        """Nothing is held open."""
