"""Ring buffers of the newest events that are no frames, for the web page."""

import json
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from edge.events import CameraChanged, ClockStepped, Ended, Event, FileSaved, Found, IntervalChanged, Lost, Observed
from edge.sinks.wire import line_of, sighting

KEPT = 100
SHORT = 3  # frames; what was shown in fewer was a mistake of the detector more often than not
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
        """Remember `event`; of a frame the identities that are new in it and have a picture, of a file nothing.

        The end of a track that was shown in fewer than `SHORT` frames is not listed, nor is who was lost or found.
        """
        if isinstance(event, FileSaved | Lost | Found) or (isinstance(event, Observed) and not _pictured(event)):
            return
        if isinstance(event, Ended) and event.frames < SHORT:
            return
        with self._lock:
            (self._rare if isinstance(event, _RARE) else self._frequent).append((self._clock(), event))

    def list(self) -> list[dict[str, Any]]:
        """The events as in the JSON lines, newest first, with the seconds since then as `ago_s`."""
        with self._lock:
            events = [*self._frequent, *self._rare]
        now_s = self._clock()
        events.sort(key=lambda item: -item[0])
        return [
            {**json.loads(line), "ago_s": round(now_s - at_s, 1)} for at_s, event in events for line in _lines(event)
        ]


def _pictured(frame: Observed) -> list[int]:
    """The rows of the identities that are new in the frame and have a picture."""
    ids = frame.tracks.ids.tolist()
    return [row for row, id_ in enumerate(ids) if frame.ages[row] == 0 and id_ in frame.files]


def _lines(event: Event) -> "list[str]":
    if not isinstance(event, Observed):
        return [line_of(event)]
    boxes = event.tracks.boxes_xyxy
    return [
        sighting("new", event, row, {"xyxy": [round(value, 2) for value in boxes[row].tolist()]})
        for row in _pictured(event)
    ]
