import threading
import time

import numpy as np
import pytest

from edge.errors import DataError
from edge.spans import Spans
from edge.types import Frame, Image
from edge.video.ahead import Ahead
from tests.field import wait_for


class Counting:
    """A source whose pictures hold their number; breaks after `good` frames if told so."""

    size = (4, 2)
    frame_rate = 30.0
    frame_count: int | None = None
    is_live = False

    def __init__(self, good: int, error: Exception | None = None) -> None:
        self.good, self.error = good, error
        self.number = 0
        self.threads: set[str] = set()
        self.closed = False

    def read(self, buffer: Image | None) -> Frame | None:
        assert buffer is not None
        self.threads.add(threading.current_thread().name)
        if self.number == self.good:
            if self.error:
                raise self.error
            return None
        self.number += 1
        buffer[:] = self.number % 256
        return Frame(buffer, self.number, self.number / 30)

    def close(self) -> None:
        self.closed = True


def test_every_frame_arrives_untouched_from_another_thread() -> None:
    source = Counting(500)
    ahead = Ahead(source, Spans())
    for expected, frame in enumerate(ahead, 1):
        if expected % 100 == 0:
            time.sleep(0.002)  # let the thread run as far ahead as it can
        assert frame.number == expected
        assert (frame.image == expected % 256).all()
    assert expected == 500
    assert source.threads == {"decode"}


def test_the_thread_reads_only_a_few_frames_ahead() -> None:
    source = Counting(1000)
    ahead = Ahead(source, Spans())
    next(iter(ahead))
    wait_for(lambda: source.number >= 3, "nothing is read ahead")
    time.sleep(0.02)
    assert source.number == 3
    ahead.close()


def test_pictures_in_use_are_left_alone() -> None:
    kept: list[Frame] = []
    for frame in Ahead(Counting(200), Spans(), in_use=3):
        kept = [*kept[-2:], frame]
        assert all((one.image == one.number % 256).all() for one in kept)
    assert frame.number == 200


def test_an_error_comes_after_the_frames_before_it() -> None:
    frames = iter(Ahead(Counting(7, DataError("broken here")), Spans()))
    assert [next(frames).number for _ in range(7)] == list(range(1, 8))
    with pytest.raises(DataError, match="broken here"):
        next(frames)


def test_close_in_the_middle_stops_the_thread_and_closes_the_source() -> None:
    source = Counting(10**9)
    ahead = Ahead(source, Spans())
    next(iter(ahead))
    ahead.close()
    assert source.closed
    assert not any(thread.name == "decode" for thread in threading.enumerate())


def test_close_before_the_first_frame() -> None:
    source = Counting(3)
    Ahead(source, Spans()).close()
    assert source.closed


def test_spans_count_the_frames() -> None:
    spans = Spans()
    frames = [np.copy(frame.image) for frame in Ahead(Counting(5), spans)]
    assert len(frames) == 5
    assert spans["decode"].count == 6  # and the end
