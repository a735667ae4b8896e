"""Zones and lines of recordings, from a file or a cell of a table, checked as those of the daemon's cameras are.

Reading them needs pydantic, of the extra `[service]`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edge.batch.recording import Area
from edge.errors import ConfigError, UnavailableError

try:
    from pydantic import ConfigDict, TypeAdapter, ValidationError
    from pydantic.dataclasses import dataclass
except ImportError as error:
    raise UnavailableError(
        "zones and lines need pydantic to be read; install it with pip install 'nanotrack-edge[service]'"
    ) from error

from edge.settings import toml
from edge.settings.config import Line, Zone
from edge.settings.mistakes import described, repeated_names


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Areas:
    """A file of `[[zone]]` and `[[line]]`."""

    zone: tuple[Zone, ...] = ()
    line: tuple[Line, ...] = ()


def read_areas(path: Path) -> tuple[tuple[Area, ...], tuple[Area, ...]]:
    """The zones and the lines in a TOML file. Raises ConfigError with every mistake."""
    return _plain(toml.load(Areas, path))


def checked_areas(zones: Any, lines: Any) -> tuple[tuple[Area, ...], tuple[Area, ...]]:
    """The zones and the lines in lists of tables with name and points. Raises ConfigError with every mistake."""
    data = {"zone": zones, "line": lines}
    mistakes = [sentence for _, sentence in repeated_names(data)]
    try:
        areas = TypeAdapter(Areas).validate_python(data)
    except ValidationError as error:
        mistakes += [sentence for _, sentence in described(error, Areas, data)]
    if mistakes:
        raise ConfigError("; ".join(mistakes))
    return _plain(areas)


def _plain(areas: Areas) -> tuple[tuple[Area, ...], tuple[Area, ...]]:
    def plain(shapes: Sequence[Zone | Line]) -> tuple[Area, ...]:
        return tuple(Area(shape.name, tuple(shape.points)) for shape in shapes)

    return plain(areas.zone), plain(areas.line)
