"""A recording in numbers: frames, identities, and what was counted by hour."""

from collections.abc import Sequence

from edge.batch.manifest import Crossings, Figures, Hour, People, Stays
from edge.batch.recording import Recording
from edge.events import Event, Observed
from edge.sinks.history.sums import Sums

_HOUR_S = 3600
_DIGITS = 3  # of seconds


class Tally:
    """The events of one recording added up; `frames` are those so far."""

    def __init__(self, recording: Recording):
        self.frames = 0
        self._into_hour_s = recording.into_hour_s
        self._sums = Sums()
        self._identities: set[int] = set()
        self._most = 0
        self._last_s = 0.0

    def add(self, events: Sequence[Event]) -> None:
        """Count them, in order."""
        for event in events:
            self._sums.add(event, int((self._into_hour_s + event.at.time_s) // _HOUR_S))
            if isinstance(event, Observed):
                self.frames += 1
                self._last_s = event.at.time_s
                self._most = max(self._most, len(event.tracks))
                self._identities.update(event.tracks.ids.tolist())

    def figures(self, frame_rate: float, size: tuple[int, int]) -> Figures:
        """What it all adds up to, for a recording of this frame rate and (width, height)."""
        rows = {table: sorted(sums.items()) for table, sums in self._sums.rows.items()}
        return Figures(
            frames=self.frames,
            duration_s=round(self._last_s + 1 / frame_rate, _DIGITS) if self.frames else 0.0,
            frame_rate=frame_rate,
            width=size[0],
            height=size[1],
            identities=len(self._identities),
            most_people=self._most,
            hours=tuple(Hour(hour, _seconds(seconds)) for (hour, _), (seconds,) in rows["cameras"]),
            people=tuple(
                People(hour, cls, int(new), _seconds(person_s), int(most))
                for (hour, _, cls), (new, person_s, most) in rows["people"]
            ),
            crossings=tuple(
                Crossings(hour, line, cls, direction, int(count))
                for (hour, _, line, cls, direction), (count,) in rows["crossings"]
            ),
            zones=tuple(
                Stays(hour, zone, cls, int(entered), int(gone), _seconds(dwell_s), _seconds(longest_s), int(most))
                for (hour, _, zone, cls), (entered, gone, dwell_s, longest_s, most) in rows["zones"]
            ),
        )


def _seconds(value: float) -> float:
    return round(float(value), _DIGITS)
