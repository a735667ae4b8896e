"""Events as JSON lines: one object a frame, and one when an identity ends. The schema is `tracks.schema.json`."""

import json
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path

from edge.events import (
    ClockStepped,
    Ended,
    Event,
    LineCrossed,
    Lives,
    Moment,
    Observed,
    Origin,
    PaceChanged,
    ZoneChanged,
)
from edge.sinks.lines import LineFile
from edge.types import Frame, Tracks

VERSION = 1
SCHEMA = Path(__file__).with_name("tracks.schema.json")


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
        self._lives = Lives(Origin(run, camera, classes), lost_s)
        self._utc = utc
        self._time_s = 0.0

    def write(self, frame: Frame, tracks: Tracks) -> None:
        """See `Sink.write`."""
        self._time_s = frame.time_s
        height, width = frame.image.shape[:2]
        events = self._lives.observe(frame.number, (width, height), tracks, self._now())
        self._file.append("".join(map(line_of, events)))

    def close(self) -> None:
        """End every identity with reason "stopped" and close the file. See `Sink.close`."""
        try:
            self._file.append("".join(map(line_of, self._lives.stop(self._now()))))
        finally:
            self._file.close()

    def _now(self) -> Moment:
        return Moment(self._time_s, self._utc() if self._utc else None)


def line_of(event: Event) -> str:
    """The event as one line that fits the schema."""
    origin = event.origin
    head = f'{{"v":{VERSION},"run":{json.dumps(origin.run)},"camera":{json.dumps(origin.camera)}'
    clock = _clock(event.at)
    if isinstance(event, Observed):
        width, height = event.size
        size = f',"size":[{width},{height}]' if width else ""
        return f'{head},"frame":{event.number}{clock}{size},"tracks":[{_tracks(event)}]}}\n'
    if isinstance(event, Ended):
        rest = f'"frames":{event.frames},"reason":"{event.reason}"'
        return f'{head},"event":"end","id":{event.id}{clock},{rest}}}\n'
    if isinstance(event, ClockStepped):
        return f'{head},"event":"clock_step"{clock},"seconds":{event.seconds:.3f}}}\n'
    if isinstance(event, PaceChanged):
        rest = f'"detect_every":{event.detect_every},"reason":{json.dumps(event.reason)}'
        return f'{head},"event":"pace"{clock},{rest}}}\n'
    if isinstance(event, ZoneChanged):
        rest = f'"zone":"{event.zone}","action":"{event.action}","dwell_s":{event.dwell_s:.3f},"count":{event.count}'
        return f'{head},"event":"zone","id":{event.id}{clock},{rest}}}\n'
    if isinstance(event, LineCrossed):
        rest = f'"line":"{event.line}","direction":"{event.direction}","in":{event.total_in},"out":{event.total_out}'
        return f'{head},"event":"line","id":{event.id}{clock},{rest}}}\n'
    return f'{head},"event":"camera","state":"{event.state}"{clock},"reason":{json.dumps(event.reason)}}}\n'


def _tracks(event: Observed) -> str:
    tracks = event.tracks
    names = [json.dumps(name) for name in event.origin.classes]
    columns = (tracks.ids, tracks.classes, tracks.scores, tracks.boxes_xyxy)
    rows = zip(*(column.tolist() for column in columns), event.ages, strict=True)
    return ",".join(
        f'{{"id":{id_},"cls":{names[class_]},"conf":{score:.4f},'
        f'"xyxy":[{x1:.2f},{y1:.2f},{x2:.2f},{y2:.2f}],"age":{age}}}'
        for id_, class_, score, (x1, y1, x2, y2), age in rows
    )


def clock_fields(at: Moment) -> dict[str, int | str]:
    """The source's own clock, and the wall clock as a label where there is one."""
    mono: dict[str, int | str] = {"t_mono_ns": round(at.time_s * 1e9)}
    if at.utc_s is None:
        return mono
    stamp = datetime.fromtimestamp(at.utc_s, timezone.utc).isoformat(timespec="milliseconds")
    return {"t_utc": stamp.replace("+00:00", "Z"), **mono}


def _clock(at: Moment) -> str:
    return "".join(f',"{name}":{json.dumps(value)}' for name, value in clock_fields(at).items())
