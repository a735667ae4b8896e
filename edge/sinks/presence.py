"""Who is there: an event for each identity that is shown for the first time, and then now and then where it is."""

import json
from dataclasses import dataclass
from typing import Any, NamedTuple

from edge.events import Ended, Observed
from edge.sinks.jsonl import VERSION, clock_fields


class Told(NamedTuple):
    """Events of one frame, as JSON objects."""

    new: list[str]
    updates: list[str]


@dataclass(slots=True)
class _Last:
    """When an identity was told of last, and its box then."""

    time_s: float
    xyxy: list[float]


class Presence:
    """The identities that were told of. Each is told of again `update_s` seconds later if it is still there; 0: never.

    An identity whose first frame was lost on the way is new with the first one that comes.
    """

    def __init__(self, update_s: float):
        self._update_s = update_s
        self._last: dict[tuple[str, int], _Last] = {}

    def see(self, event: Observed) -> Told:
        """What there is to tell of a frame."""
        told = Told([], [])
        for row, id_ in enumerate(event.tracks.ids.tolist()):
            last = self._last.get((event.origin.run, id_))
            if last is not None and not 0 < self._update_s <= event.at.time_s - last.time_s:
                continue
            xyxy = [round(value, 2) for value in event.tracks.boxes_xyxy[row].tolist()]
            self._last[event.origin.run, id_] = _Last(event.at.time_s, xyxy)
            if last is None:
                told.new.append(_event("new", event, row, {"xyxy": xyxy}))
            else:
                told.updates.append(_event("update", event, row, {"before": last.xyxy, "xyxy": xyxy}))
        return told

    def forget(self, event: Ended) -> None:
        """An identity is gone."""
        self._last.pop((event.origin.run, event.id), None)


def _event(kind: str, event: Observed, row: int, boxes: dict[str, Any]) -> str:
    origin, tracks = event.origin, event.tracks
    return json.dumps(
        {
            "v": VERSION,
            "run": origin.run,
            "camera": origin.camera,
            "event": kind,
            "id": int(tracks.ids[row]),
            **clock_fields(event.at),
            "cls": origin.classes[tracks.classes[row]],
            "conf": round(float(tracks.scores[row]), 4),
            "age": event.ages[row],
            **boxes,
        }
    )
