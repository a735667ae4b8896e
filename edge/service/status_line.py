"""The cameras in a few words, for the service manager: what `systemctl status` shows."""

from collections.abc import Callable, Iterable, Sequence

from edge.service.notify import notify
from edge.service.stream import Stream

EVERY_S = 10.0


def words(streams: Sequence[Stream]) -> str:
    """How many cameras are online, and what is wrong with those that should be."""
    online = sum(stream.state == "online" for stream in streams)
    return "; ".join([f"{online} of {len(streams)} cameras online", *_away(streams)])


def _away(streams: Iterable[Stream]) -> list[str]:
    return [
        f"{stream.origin.camera} {stream.state}: {stream.capture.trouble}"
        for stream in streams
        if stream.state in ("connecting", "degraded", "offline")
    ]


class StatusLine:
    """Sends the words and the frames a second, every `EVERY_S` by `clock`."""

    def __init__(self, clock: Callable[[], float]):
        self._clock = clock
        self._told_s, self._told_frames = clock(), 0

    def report(self, streams: Sequence[Stream], frames: int) -> None:
        """Where it is time; `frames` were tracked since the start."""
        now_s = self._clock()
        elapsed_s = now_s - self._told_s
        if elapsed_s < EVERY_S:
            return
        fps = (frames - self._told_frames) / elapsed_s
        self._told_s, self._told_frames = now_s, frames
        notify(f"STATUS={words(streams)}; {fps:.1f} frames a second")
