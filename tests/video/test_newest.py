"""Frames of a camera for one who is slower."""

import threading
from collections import deque

import numpy as np
import pytest

from edge.errors import DataError, NotFoundError
from edge.spans import Spans
from edge.types import Frame, Image
from edge.video.newest import Newest
from tests.field import PATIENCE_S, wait_for


class Steps:
    """A camera that takes its next picture when it is told to, `count` of them; then it ends, or raises `error`."""

    size, frame_rate, frame_count, is_live = (4, 2), 30.0, None, True

    def __init__(self, count: int, error: Exception | None = None) -> None:
        self.count, self.error = count, error
        self.number, self.closed = 0, False
        self.go, self.asked = threading.Semaphore(0), threading.Semaphore(0)

    def read(self, buffer: Image | None) -> Frame | None:
        self.asked.release()
        assert self.go.acquire(timeout=30)
        if self.number == self.count:
            if self.error:
                raise self.error
            return None
        self.number += 1
        image = np.empty((2, 4, 3), np.uint8) if buffer is None else buffer
        image[:] = self.number
        return Frame(image, self.number, self.number / 30)

    def close(self) -> None:
        self.closed = True

    def take(self, pictures: int) -> None:
        """Take so many, and wait until they are handed over."""
        for _ in range(pictures):
            self.asked.acquire(timeout=30)
            self.go.release()
        self.asked.acquire(timeout=30)
        self.asked.release()


def test_the_newest_frame_is_next_and_the_others_are_counted() -> None:
    camera = Steps(100)
    newest = Newest(camera, Spans(), "door")
    frames = iter(newest)
    seen: list[tuple[int, int]] = []
    for pictures in (1, 5, 3, 1):
        taker = threading.Thread(target=camera.take, args=(pictures,))
        if seen:
            taker.start()
            taker.join(30)
            frame = next(frames)
        else:  # the first call starts the camera's thread
            taker.start()
            frame = next(frames)
            taker.join(30)
        assert (frame.image == frame.number).all()
        seen.append((frame.number, newest.dropped))
    assert seen == [(1, 0), (6, 4), (9, 6), (10, 6)]
    camera.go.release()
    newest.close()
    assert camera.closed


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (None, NotFoundError, "^door: sends no more pictures after frame 2; the results so far are kept"),
        (DataError("broken here"), DataError, "^broken here"),
    ],
)
def test_the_end_is_an_error_after_the_last_frame(error: Exception | None, kind: type, message: str) -> None:
    camera = Steps(2, error)
    camera.go.release(3)
    frames = iter(Newest(camera, Spans(), "door"))
    with pytest.raises(kind, match=message):
        deque(frames, maxlen=0)
    assert camera.number == 2


def test_a_camera_that_falls_silent_ends_the_wait_for_its_next_frame() -> None:
    camera = Steps(1)
    newest = Newest(camera, Spans(), "door")
    ended = threading.Event()

    def read_all() -> None:
        with pytest.raises(NotFoundError, match="after frame 1"):
            deque(newest, maxlen=0)
        ended.set()

    threading.Thread(target=read_all, daemon=True).start()
    camera.take(1)
    wait_for(lambda: newest._slot.is_empty, "the frame is not taken")
    camera.go.release()
    assert ended.wait(PATIENCE_S)
