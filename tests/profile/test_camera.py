"""A recording at a camera's pace: nothing dropped for the quick, the newest frame for the slow."""

import contextlib
import time

import pytest

from edge.errors import DataError
from edge.profile.camera import Camera
from edge.spans import Spans
from edge.types import Frame, Image
from edge.video.blank import Blank
from edge.video.loop import Looped


class Broken(Blank):
    def read(self, buffer: Image | None) -> Frame | None:
        raise DataError("broken")


def numbers(rate: float, count: int, pause_s: float) -> tuple[list[int], int, int]:
    found = []
    with contextlib.closing(Camera(Blank(10**6, rate), Spans())) as camera:
        for frame, due_s in camera:
            assert due_s <= time.perf_counter()
            found.append(frame.number)
            time.sleep(pause_s)
            if len(found) == count:
                break
        return found, camera.offered, camera.dropped


def test_frames_come_at_their_pace() -> None:
    before_s = time.perf_counter()
    found, offered, dropped = numbers(100.0, 20, 0.0)
    assert time.perf_counter() - before_s >= 0.19
    assert found == sorted(set(found))
    assert offered - dropped in (20, 21)


def test_a_slow_consumer_gets_the_newest() -> None:
    found, offered, dropped = numbers(200.0, 5, 0.05)
    assert dropped >= 15
    assert offered - dropped - 5 in (0, 1)
    assert found[-1] >= 20


def test_an_error_reaches_the_consumer() -> None:
    with contextlib.closing(Camera(Broken(5, 30.0), Spans())) as camera, pytest.raises(DataError, match="broken"):
        next(iter(camera))


def test_a_source_without_frames_ends() -> None:
    with contextlib.closing(Camera(Looped(lambda: Blank(0, 30.0)), Spans())) as camera:
        assert list(camera) == []
