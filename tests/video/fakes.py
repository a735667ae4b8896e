"""A clock that is told what time it is, and a camera that follows a script."""

import threading
from collections.abc import Callable, Iterable

import numpy as np

from edge.errors import NotFoundError
from edge.settings.config import CameraConfig
from edge.types import Frame, Image
from tests import tiny
from tests.field import PATIENCE_S


class FakeClock:
    """A clock that stands still until `now_s` is changed."""

    def __init__(self, now_s: float = 1000.0) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s


class FakeCamera:
    """A source that connects as `sessions` say: None refuses, a list is what it sends before the connection breaks.

    Items are pictures, numbers (seconds that pass), or exceptions. After the last session `done` is set and `read`
    waits until `leave` is set.
    """

    size, frame_rate, frame_count, is_live = (128, 128), 30.0, None, True

    def __init__(self, sessions: Iterable[list[object] | None], clock: FakeClock) -> None:
        self.sessions = list(sessions)
        self.clock = clock
        self.closed = self.number = 0
        self.done, self.leave = threading.Event(), threading.Event()
        self._items: list[object] = []

    def connect(self, camera: CameraConfig, clock: Callable[[], float]) -> "FakeCamera":
        if not self.sessions:
            self.done.set()
            self.leave.wait(PATIENCE_S)
            raise NotFoundError("nobody answers")
        session = self.sessions.pop(0)
        if session is None:
            raise NotFoundError("nobody answers")
        self._items = list(session)
        return self

    def read(self, buffer: Image | None) -> Frame | None:
        while self._items:
            item = self._items.pop(0)
            if isinstance(item, (int, float)):
                self.clock.now_s += item
            elif isinstance(item, Exception):
                raise item
            else:
                self.number += 1
                return Frame(np.asarray(item), self.number, self.clock())
        return None

    def close(self) -> None:
        self.closed += 1


def picture(number: int = 1) -> Image:
    return tiny.picture(number)
