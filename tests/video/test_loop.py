import numpy as np
import pytest

from edge.video.blank import Blank
from edge.video.loop import Looped


def test_numbers_and_times_go_on() -> None:
    source = Looped(lambda: Blank(3, 10.0))
    frames = [source.read(np.empty((0, 0, 3), np.uint8)) for _ in range(8)]
    assert [frame.number for frame in frames if frame] == list(range(1, 9))
    assert [frame.time_s for frame in frames if frame] == pytest.approx(np.arange(8) / 10)
    source.close()


def test_nothing_stays_nothing() -> None:
    assert Looped(lambda: Blank(0, 10.0)).read(np.empty((0, 0, 3), np.uint8)) is None
