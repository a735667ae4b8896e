"""Tracks as JSON lines: one object a frame, and one when an identity ends. The schema is `tracks.schema.json`."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from edge.sinks.lines import LineFile
from edge.types import Frame, Tracks

VERSION = 1
SCHEMA = Path(__file__).with_name("tracks.schema.json")


@dataclass(slots=True)
class _Life:
    """What is known of one identity: the frame and time it was shown first and last, and how often."""

    first_frame: int
    last_s: float
    frames: int


class JsonLines:
    """A `Sink` that writes JSON lines to `path`.

    An identity is (`run`, id): `run` is unique for each start. `classes` are the names of the class numbers. An
    identity unseen for `lost_s` seconds, the tracker's own patience, has ended. `utc` is the wall clock in seconds
    since 1970; without it (a recording, whose hour nobody knows) lines have no `t_utc`. Raises OutputError.
    """

    def __init__(
        self,
        path: Path,
        *,
        run: str,
        camera: str,
        classes: Sequence[str],
        lost_s: float,
        utc: Callable[[], float] | None = None,
    ):
        self._file = LineFile(path)
        self._head = f'{{"v":{VERSION},"run":{json.dumps(run)},"camera":{json.dumps(camera)}'
        self._classes = [json.dumps(name) for name in classes]
        self._lost_s = lost_s
        self._utc = utc
        self._lives: dict[int, _Life] = {}
        self._time_s = 0.0

    def write(self, frame: Frame, tracks: Tracks) -> None:
        """See `Sink.write`."""
        self._time_s = frame.time_s
        clock = self._clock()
        boxes = []
        columns = (tracks.ids, tracks.classes, tracks.scores, tracks.boxes_xyxy)
        for id_, class_, score, (x1, y1, x2, y2) in zip(*(column.tolist() for column in columns), strict=True):
            life = self._lives.setdefault(id_, _Life(frame.number, frame.time_s, 0))
            life.last_s = frame.time_s
            life.frames += 1
            boxes.append(
                f'{{"id":{id_},"cls":{self._classes[class_]},"conf":{score:.4f},'
                f'"xyxy":[{x1:.2f},{y1:.2f},{x2:.2f},{y2:.2f}],"age":{frame.number - life.first_frame}}}'
            )
        height, width = frame.image.shape[:2]
        size = f',"size":[{width},{height}]' if width else ""
        line = f'{self._head},"frame":{frame.number}{clock}{size},"tracks":[{",".join(boxes)}]}}\n'
        self._file.append(line + self._ends(clock))

    def close(self) -> None:
        """End every identity with reason "stopped" and close the file. See `Sink.close`."""
        clock = self._clock()
        try:
            self._file.append("".join(self._end(id_, clock, "stopped") for id_ in list(self._lives)))
        finally:
            self._file.close()

    def _ends(self, clock: str) -> str:
        limit_s = self._time_s - self._lost_s
        gone = [id_ for id_, life in self._lives.items() if life.last_s < limit_s]
        return "".join(self._end(id_, clock, "lost") for id_ in gone)

    def _end(self, id_: int, clock: str, reason: str) -> str:
        life = self._lives.pop(id_)
        return f'{self._head},"event":"end","id":{id_}{clock},"frames":{life.frames},"reason":"{reason}"}}\n'

    def _clock(self) -> str:
        """The time fields of a line: the source's own clock, and the wall clock as a label where there is one."""
        mono = f',"t_mono_ns":{round(self._time_s * 1e9)}'
        if self._utc is None:
            return mono
        stamp = datetime.fromtimestamp(self._utc(), timezone.utc).isoformat(timespec="milliseconds")
        return f',"t_utc":"{stamp.replace("+00:00", "Z")}"{mono}'
