"""Recordings played like a camera."""

import numpy as np
import pytest

from edge.types import Frame, Image
from edge.video.loop import Looped
from edge.video.paced import Paced
from tests.video.fakes import FakeClock

TIMES_S = (0.0, 0.1, 0.5, 0.55)  # of a recording with a gap


class Gappy:
    """Four frames at `TIMES_S`."""

    size, frame_rate, frame_count, is_live = (4, 2), 10.0, 4, False

    def __init__(self) -> None:
        self.count = 0
        self.closed = False

    def read(self, buffer: Image | None) -> Frame | None:
        if self.count == len(TIMES_S):
            return None
        self.count += 1
        return Frame(np.zeros((2, 4, 3), np.uint8), self.count, TIMES_S[self.count - 1])

    def close(self) -> None:
        self.closed = True


def test_a_variable_pace_is_kept_lap_after_lap() -> None:
    clock = FakeClock()

    def sleep(seconds: float) -> None:
        clock.now_s += seconds

    paced = Paced(Looped(Gappy), clock, sleep)
    frames = [frame for _ in range(8) if (frame := paced.read(None)) is not None]
    assert paced.is_live
    lap = [0.1, 0.4, 0.05]
    assert np.diff([frame.time_s for frame in frames]) == pytest.approx([*lap, 0.1, *lap])
    assert [frame.number for frame in frames] == list(range(1, 9))


def test_one_that_fell_behind_does_not_hurry() -> None:
    clock, waits = FakeClock(), list[float]()

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        clock.now_s += seconds

    paced = Paced(Gappy(), clock, sleep)
    assert paced.read(None) is not None
    clock.now_s += 5
    assert paced.read(None) is not None
    assert waits == []
    assert paced.read(None) is not None
    assert waits == pytest.approx([0.4])
    assert paced.read(None) is not None
    assert paced.read(None) is None
