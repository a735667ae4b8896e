"""What outputs of the daemon may ask of it, beside the events that they get."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from edge.events import CameraState, Direction, Event


@dataclass(frozen=True, slots=True)
class CameraStates:
    """A camera as it is configured, and what is known of it already.

    `classes` are those that are followed. `zones` are people by (zone, class), `lines` crossings by (line, direction,
    class); both have an entry for each class that is followed. `has_snapshots` tells whether pictures are kept.
    """

    name: str
    state: CameraState
    classes: Sequence[str]
    zones: Mapping[tuple[str, str], int]
    lines: Mapping[tuple[str, Direction, str], int]
    has_snapshots: bool


class Hooks(NamedTuple):
    """`emit` takes an event for all outputs; `cameras` gives all that are configured now, the same object until a
    reload."""

    emit: Callable[[Event], None]
    cameras: Callable[[], Sequence[CameraStates]]
