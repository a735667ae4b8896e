"""Ring buffers of the newest events that are no frames, for the web page."""

import json
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from edge.events import CameraChanged, ClockStepped, Event, IntervalChanged, Observed
from edge.sinks.wire import line_of

KEPT = 40
# People come and go by the hundred; an event of a camera must not be lost among them.
_RARE = (CameraChanged, ClockStepped, IntervalChanged)


class RecentEvents:
    """The newest `KEPT` events of the frequent kinds and as many of the rare ones. `note` and `list` by any thread."""

    def __init__(self, clock: Callable[[], float]):
        self._clock = clock
        self._lock = threading.Lock()
        self._frequent: deque[tuple[float, Event]] = deque(maxlen=KEPT)
        self._rare: deque[tuple[float, Event]] = deque(maxlen=KEPT)

    def note(self, event: Event) -> None:
        """Remember `event`, unless it is a frame."""
        if isinstance(event, Observed):
            return
        with self._lock:
            (self._rare if isinstance(event, _RARE) else self._frequent).append((self._clock(), event))

    def list(self) -> list[dict[str, Any]]:
        """The events as in the JSON lines, newest first, with the seconds since then as `ago_s`."""
        with self._lock:
            events = [*self._frequent, *self._rare]
        now_s = self._clock()
        events.sort(key=lambda item: -item[0])
        return [{**json.loads(line_of(event)), "ago_s": round(now_s - at_s, 1)} for at_s, event in events]
