"""Sums over everything that happened at one camera since its start, for the metrics."""

from collections import Counter

from edge.events import Event, Observed, ZoneChanged
from edge.service.histogram import DWELL_BOUNDS_S, Buckets


class Tallies:
    """`identities` counts by class those that were shown, `dwells` are the times in each zone of those who left."""

    def __init__(self) -> None:
        self.identities: Counter[str] = Counter()
        self.dwells: dict[str, Buckets] = {}

    def note(self, event: Event) -> None:
        """Add what `event` tells."""
        if isinstance(event, Observed):
            classes = event.origin.classes
            for number, age in zip(event.tracks.classes.tolist(), event.ages, strict=True):
                if age == 0:
                    self.identities[classes[number]] += 1
        elif isinstance(event, ZoneChanged) and event.action == "leave":
            self.dwells.setdefault(event.zone, Buckets(DWELL_BOUNDS_S)).note(event.dwell_s)
