"""The wire format: an event as one JSON object, the same in JSON lines, MQTT messages and the daemon's page.

The schema of version 1 is `tracks.schema.json`; the events "new", "update" and "appearance", which only MQTT has, are
not in it.
"""

import base64
import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from edge.console.outgoing import redacted
from edge.events import (
    NO_FILES,
    ClockStepped,
    Embedded,
    Ended,
    Event,
    Files,
    FileSaved,
    Found,
    IntervalChanged,
    LineCrossed,
    Lost,
    Moment,
    Observed,
    ZoneChanged,
)

VERSION = 1
SCHEMA = Path(__file__).with_name("tracks.schema.json")


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
    if isinstance(event, Lost | Found):
        kind = "lost" if isinstance(event, Lost) else "found"
        return f'{head},"event":"{kind}","id":{event.id}{clock}}}\n'
    if isinstance(event, ClockStepped):
        return f'{head},"event":"clock_step"{clock},"seconds":{event.seconds:.3f}}}\n'
    if isinstance(event, IntervalChanged):
        rest = f'"detect_every":{event.detect_every},"reason":{json.dumps(redacted(event.reason))}'
        return f'{head},"event":"pace"{clock},{rest}}}\n'
    if isinstance(event, ZoneChanged):
        rest = f'"zone":"{event.zone}","action":"{event.action}","dwell_s":{event.dwell_s:.3f},"count":{event.count}'
        rest += f',"cls":{json.dumps(event.class_name)},"cls_count":{event.class_count}{_more(event)}'
        return f'{head},"event":"zone","id":{event.id}{clock},{rest}}}\n'
    if isinstance(event, LineCrossed):
        rest = f'"line":"{event.line}","direction":"{event.direction}","in":{event.total_in},"out":{event.total_out}'
        rest += (
            f',"cls":{json.dumps(event.class_name)},"cls_in":{event.class_in},"cls_out":{event.class_out}{_more(event)}'
        )
        return f'{head},"event":"line","id":{event.id}{clock},{rest}}}\n'
    if isinstance(event, FileSaved):
        id_ = "" if event.id is None else f',"id":{event.id}'
        return f'{head},"event":"file"{id_}{clock},"file":"{event.file}"}}\n'
    if isinstance(event, Embedded):
        return _appearance(event)
    return f'{head},"event":"camera","state":"{event.state}"{clock},"reason":{json.dumps(redacted(event.reason))}}}\n'


def _tracks(event: Observed) -> str:
    tracks = event.tracks
    names = [json.dumps(name) for name in event.origin.classes]
    columns = (tracks.ids, tracks.classes, tracks.scores, tracks.boxes_xyxy)
    rows = zip(*(column.tolist() for column in columns), event.ages, strict=True)
    return ",".join(
        f'{{"id":{id_},"cls":{names[class_]},"conf":{score:.4f},'
        f'"xyxy":[{x1:.2f},{y1:.2f},{x2:.2f},{y2:.2f}],"age":{age}{_names(event.files.get(id_, NO_FILES))}}}'
        for id_, class_, score, (x1, y1, x2, y2), age in rows
    )


def _more(event: LineCrossed | ZoneChanged) -> str:
    """What an event of an area may have besides."""
    speed = "" if event.speed_mps is None else f',"speed_mps":{event.speed_mps:.2f}'
    return speed + _names(event.files)


def _names(files: Files) -> str:
    return "".join(f',"{kind}":"{name}"' for kind, name in files._asdict().items() if name)


def sighting(kind: str, event: Observed, row: int, boxes: dict[str, Any]) -> str:
    """Event `kind` ("new" or "update") of the identity in `row` of a frame's tracks, with its `boxes`, without a line
    break."""
    origin, tracks = event.origin, event.tracks
    files = event.files.get(int(tracks.ids[row]), NO_FILES)
    return json.dumps(
        {
            "v": VERSION,
            "run": origin.run,
            "camera": origin.camera,
            "event": kind,
            "id": int(tracks.ids[row]),
            **_clock_fields(event.at),
            "cls": origin.classes[tracks.classes[row]],
            "conf": round(float(tracks.scores[row]), 4),
            "age": event.ages[row],
            **boxes,
            **{kind: name for kind, name in files._asdict().items() if name},
        }
    )


def _appearance(event: Embedded) -> str:
    """The appearance of an identity; `event_id` is unique, so that one that comes twice is recognised."""
    origin, (x1, y1, x2, y2) = event.origin, event.box_xyxy
    embedding = None
    if event.embedding is not None:
        embedding = base64.b64encode(event.embedding.astype("<f2").tobytes()).decode()
    fields = {
        "v": VERSION,
        "run": origin.run,
        "camera": origin.camera,
        "event": "appearance",
        "event_id": f"{origin.run}-{event.id}-{event.stay}-{event.stage}",
        "stage": event.stage,
        "id": event.id,
        "stay": event.stay,
        **_clock_fields(event.at),
        "first_utc": _stamp(event.first.utc_s),
        "last_utc": _stamp(event.last.utc_s),
        "cls": origin.classes[event.class_number],
        "xyxy": [round(value, 2) for value in (x1, y1, x2, y2)],
        "size": list(event.size),
        "entry": event.entry,
        "exit": event.exit,
        "quality": round(event.quality, 4),
        "samples": event.samples,
        "network": event.network,
        "embedding": embedding,
    }
    return json.dumps(fields) + "\n"


def _stamp(utc_s: float | None) -> str | None:
    if utc_s is None:
        return None
    return datetime.fromtimestamp(utc_s, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _clock_fields(at: Moment) -> dict[str, int | str]:
    """The source's own clock, and the wall clock as a label where there is one."""
    mono: dict[str, int | str] = {"t_mono_ns": round(at.time_s * 1e9)}
    stamp = _stamp(at.utc_s)
    return mono if stamp is None else {"t_utc": stamp, **mono}


def _clock(at: Moment) -> str:
    return "".join(f',"{name}":{json.dumps(value)}' for name, value in _clock_fields(at).items())
