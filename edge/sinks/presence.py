"""Where identities are: an event when each is shown for the first time, and then one every few seconds."""

from dataclasses import dataclass
from typing import NamedTuple

from edge.events import Ended, Observed
from edge.sinks.wire import sighting


class Sightings(NamedTuple):
    """Events of one frame: identities, each with its JSON object."""

    new: list[tuple[int, str]]
    updates: list[tuple[int, str]]


@dataclass(slots=True)
class _Last:
    """When an event of an identity was sent last, and its box then."""

    time_s: float
    xyxy: list[float]


class Presence:
    """The identities that have had an event "new". An "update" follows every `update_s` seconds while shown; 0: never.

    An identity whose first frame was lost on the way is new with the first one that arrives.
    """

    def __init__(self, update_s: float):
        self._update_s = update_s
        self._last: dict[tuple[str, int], _Last] = {}

    def observe(self, event: Observed) -> Sightings:
        """The events of a frame."""
        found = Sightings([], [])
        for row, id_ in enumerate(event.tracks.ids.tolist()):
            last = self._last.get((event.origin.run, id_))
            if last is not None and not 0 < self._update_s <= event.at.time_s - last.time_s:
                continue
            xyxy = [round(value, 2) for value in event.tracks.boxes_xyxy[row].tolist()]
            self._last[event.origin.run, id_] = _Last(event.at.time_s, xyxy)
            if last is None:
                found.new.append((id_, sighting("new", event, row, {"xyxy": xyxy})))
            else:
                found.updates.append((id_, sighting("update", event, row, {"before": last.xyxy, "xyxy": xyxy})))
        return found

    def forget(self, event: Ended) -> None:
        """An identity is gone."""
        self._last.pop((event.origin.run, event.id), None)
