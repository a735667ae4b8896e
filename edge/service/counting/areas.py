"""What people do in the zones and at the lines of one camera: they enter, stay, leave, cross.

Coordinates of zones and lines are shares of width and height from the upper left corner, so they hold for every
resolution.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from edge.events import Direction, Ended, Event, LineCrossed, Lost, Observed, Origin, ZoneChanged
from edge.service.counting.feet import FeetFinder
from edge.service.counting.ground import Ground, Speeds
from edge.service.counting.lines import LineCounter
from edge.service.counting.shape import Shape
from edge.service.counting.zones import ZoneCounter


class Areas:
    """The zones and lines of one camera. `note` every event of the camera, in order.

    `totals` are the crossings of earlier times by (line, direction, class), on which the counts go on. `classes` are
    the names of the classes that are followed. `stays_s` are the seconds after which zones tell that somebody stays.
    With `ground` events tell how fast who they are about walks, and `speeds_mps` how fast all do.
    """

    def __init__(
        self,
        origin: Origin,
        zones: Sequence[Shape],
        lines: Sequence[Shape],
        totals: Mapping[tuple[str, Direction, str], int] = MappingProxyType({}),
        classes: Sequence[str] = (),
        stays_s: Mapping[str, float] = MappingProxyType({}),
        ground: Ground | None = None,
    ):
        self._speeds = None if ground is None else Speeds(ground)
        self._classes = classes
        self._feet = FeetFinder()
        self._zones = [ZoneCounter(origin, zone, stays_s.get(zone.name)) for zone in zones]
        self._lines = [LineCounter(origin, line, totals) for line in lines]

    @property
    def people(self) -> dict[tuple[str, str], int]:
        """How many are in each zone, by (zone, class); 0 for a class that is followed and not there."""
        nobody = {(zone.name, class_): 0 for zone in self._zones for class_ in self._classes}
        return nobody | {(zone.name, class_): n for zone in self._zones for class_, n in zone.by_class.items()}

    @property
    def crossings(self) -> dict[tuple[str, Direction, str], int]:
        """How many crossed each line, by (line, direction, class); 0 for a class that is followed and never did."""
        ways: tuple[Direction, Direction] = ("in", "out")
        none = {(line.name, way, class_): 0 for line in self._lines for way in ways for class_ in self._classes}
        counts = {(line.name, *key): count for line in self._lines for key, count in line.by_class.items()}
        return none | counts

    @property
    def speeds_mps(self) -> dict[int, float] | None:
        """Metres a second of each identity in the newest frame of which they are known, None without a ground."""
        return None if self._speeds is None else self._speeds.shown()

    def go_on_from(self, totals: Mapping[tuple[str, Direction, str], int]) -> None:
        """Count on from earlier crossings, by (line, direction, class)."""
        for line in self._lines:
            line.go_on_from(totals)

    def note(self, event: Event) -> list[Event]:
        """What follows from `event`."""
        found: list[Event] = []
        if not self._zones and not self._lines and self._speeds is None:
            return found
        if isinstance(event, Observed):
            feet = self._feet.find(event)
            if self._speeds is not None:
                self._speeds.update(feet, event.size, event.at.time_s)
            for zone in self._zones:
                found += zone.update(feet, event.size, event.at)
            for line in self._lines:
                found += line.update(feet, event.size, event.at)
        elif isinstance(event, Lost | Ended):
            self._feet.forget(event.id)
            for zone in self._zones:
                if isinstance(event, Lost):
                    zone.lose(event.id, event.at)
                else:
                    found += zone.forget(event.id, event.at)
            for line in self._lines:
                found += line.forget(event.id, event.at)
        found = [self._with_speed(each) for each in found]
        if isinstance(event, Lost | Ended) and self._speeds is not None:
            self._speeds.forget(event.id)
        return found

    def _with_speed(self, event: Event) -> Event:
        if self._speeds is None or not isinstance(event, LineCrossed | ZoneChanged):
            return event
        return dataclasses.replace(event, speed_mps=self._speeds.of(event.id))
