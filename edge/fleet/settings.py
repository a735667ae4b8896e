"""The fleet's settings: what `fleet.toml` may hold, with types, limits, defaults and what each key means."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from edge.settings.config import Config, Connection, Web

# isort: split
from pydantic import AfterValidator, Field, StrictBool, StrictFloat
from pydantic.dataclasses import dataclass

from edge.settings import toml
from edge.settings.mistakes import fields_of
from edge.settings.section import SECTION

_CAMERA = r"[^+#/\s]{1,64}/[a-z0-9][a-z0-9_-]{0,31}"


def _camera(name: str) -> str:
    if not re.fullmatch(_CAMERA, name):
        raise ValueError(f"expected BOARD/CAMERA, as in its topics, found {name!r}")
    return name


# A camera of the fleet: the level of its board in the topics, and its name there.
CameraName = Annotated[str, AfterValidator(_camera)]


@dataclass(frozen=True, config=SECTION)
class Broker(Connection):
    """`[mqtt]`: the broker that all boards publish to."""

    prefix: str = Field(
        default="site", description="How all topics begin; the prefix of each board is this one, / and its name."
    )
    name: str = Field(default="fleet", description="Client name: the broker keeps messages for it while it is away.")
    home_assistant: StrictBool = Field(
        default=False, description="Home Assistant finds cameras, people and identities by itself."
    )


@dataclass(frozen=True, config=SECTION)
class State:
    """`[state]`: the SQLite file that everything is kept in, and for how long."""

    path: str = Field(description="The file; it is made where there is none.")
    keep_embeddings_hours: StrictFloat = Field(
        default=24.0, ge=0.1, le=8760, description="Embeddings, which are personal data, are deleted after so long."
    )
    keep_days: StrictFloat = Field(
        default=30.0, ge=0.1, le=3650, description="Who was where when, without embeddings, is deleted after so long."
    )


@dataclass(frozen=True, config=SECTION)
class Association:
    """`[association]`: how sightings of different cameras become one identity."""

    window_s: StrictFloat = Field(
        default=30.0,
        ge=1,
        le=600,
        description="An identity is given at once, decided again with what came in so many seconds, then kept.",
    )
    absence_s: StrictFloat = Field(
        default=3600.0, ge=10, le=604_800, description="Who was nowhere for longer is somebody new."
    )


@dataclass(frozen=True, config=SECTION)
class Transit:
    """`[[transit]]`: how long the way takes from one camera to another, in this direction; others are learned."""

    start: CameraName = Field(description="Where it begins, BOARD/CAMERA.")
    end: CameraName = Field(description="Where it ends.")
    least_s: StrictFloat = Field(default=0.0, ge=0, le=86_400, description="Nobody is faster.")
    most_s: StrictFloat = Field(default=86_400.0, ge=0, le=604_800, description="Nobody is slower.")


@dataclass(frozen=True, config=SECTION)
class Overlap:
    """`[[overlap]]`: cameras that see the same place, so that a person may be in all of them at once."""

    cameras: tuple[CameraName, ...] = Field(min_length=2, description="BOARD/CAMERA of each.")


@dataclass(frozen=True, config=SECTION)
class FleetConfig:
    """The configuration of `nanotrack fleet`."""

    mqtt: Broker
    state: State
    association: Association = Association()
    transit: tuple[Transit, ...] = ()
    overlap: tuple[Overlap, ...] = ()
    web: Web | None = None


def is_fleet(data: Mapping[str, Any]) -> bool:
    """Whether a file with these sections is the fleet's: some are the fleet's own, and none is the daemon's."""
    ours, theirs = fields_of(FleetConfig).keys(), fields_of(Config).keys()
    return bool(data.keys() & (ours - theirs)) and not data.keys() & (theirs - ours)


def read(path: Path) -> toml.Reading[FleetConfig]:
    """The settings in `path`, or their mistakes. Raises ConfigError for what is no TOML."""
    return toml.read(FleetConfig, path)


def load(path: Path) -> FleetConfig:
    """The settings in `path`. Raises ConfigError with every mistake."""
    return toml.load(FleetConfig, path)
