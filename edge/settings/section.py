"""What the sections of the daemon's settings have in common: strict types, names, points of a picture, intervals."""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, StrictFloat, StrictInt, WithJsonSchema

from edge.settings import polygon

# TOML has types of its own, so nothing is converted: numbers and switches are strict.
SECTION = ConfigDict(extra="forbid")


# Names stand in MQTT topics, metric labels, file names and web addresses.
_NAME = "[a-z0-9][a-z0-9_-]{0,31}"


def _name(name: str) -> str:
    if not re.fullmatch(_NAME, name):
        raise ValueError(f"expected up to 32 small letters, digits, - and _, found {name!r}")
    return name


def pair(point: Any) -> Any:
    """`point` where it has two values. Raises ValueError."""
    if isinstance(point, (list, tuple)) and len(point) != 2:
        raise ValueError(f"expected 2 values, found {len(point)}")
    return point


def _share(point: tuple[float, float]) -> tuple[float, float]:
    if not all(0 <= value <= 1 for value in point):
        raise ValueError(f"expected shares of width and height from 0 to 1, found {list(point)}")
    return point


Name = Annotated[str, AfterValidator(_name), WithJsonSchema({"type": "string", "pattern": f"^{_NAME}$"})]
# Shares of width and height, from the upper left corner.
Point = Annotated[
    tuple[StrictFloat, StrictFloat],
    BeforeValidator(pair),
    AfterValidator(_share),
    WithJsonSchema(
        {"type": "array", "items": {"type": "number", "minimum": 0, "maximum": 1}, "minItems": 2, "maxItems": 2}
    ),
]
Polygon = Annotated[tuple[Point, ...], AfterValidator(polygon.simple)]


def _interval(every: Any) -> Any:
    if every == "auto" or (type(every) is int and 1 <= every <= 100):
        return every
    raise ValueError(f'expected a whole number from 1 to 100, or "auto", found {every!r}')


Every = Annotated[
    StrictInt | Literal["auto"],
    BeforeValidator(_interval),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1, "maximum": 100}, {"const": "auto"}]}),
]
