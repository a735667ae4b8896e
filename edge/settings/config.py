"""The daemon's settings: what its TOML file may hold, with types, limits, defaults and what each key means.

Each key is declared in one place: here, or in `cameras`, `files`, `broker` or `web`. The reader of the file, its
messages, the reference page and the JSON Schema for editors all go by it; `edge/deploy/nanotrack.toml` shows every key
with its default.
"""

from pathlib import Path
from typing import Any, Literal

from edge.errors import UnavailableError
from edge.infer.backend import BackendName, VariantName
from edge.track.appearance import Appearance

try:
    from pydantic import Field, StrictFloat, StrictInt, field_validator
    from pydantic.dataclasses import dataclass
except ImportError as error:
    raise UnavailableError(
        "the daemon's configuration needs pydantic; install it with pip install 'nanotrack-edge[service]'"
    ) from error

from edge.settings import toml
from edge.settings.broker import Connection, Mqtt
from edge.settings.cameras import CameraConfig, Line, Mask, Zone
from edge.settings.files import Clips, History, Jsonl, Mot, Occasion, Snapshots
from edge.settings.section import SECTION, Every
from edge.settings.web import Web

__all__ = [
    "CameraConfig",
    "Clips",
    "Config",
    "Connection",
    "History",
    "Jsonl",
    "Line",
    "Mask",
    "Model",
    "Mot",
    "Mqtt",
    "Occasion",
    "Snapshots",
    "TemperatureLimit",
    "Tracking",
    "Web",
    "Zone",
    "json_schema",
    "load",
    "read",
]


@dataclass(frozen=True, config=SECTION)
class Model:
    """`[model]`: what detects, for all cameras in turns; where there are several, by detectors side by side."""

    pack: str = Field(description="A model pack of nanotrack-export, or an ONNX file.")
    classes: tuple[str, ...] = Field(
        default=("person",),
        description='What to follow, by the names of the pack; with "car+truck" a car may turn out to be a truck.',
    )
    floor: StrictFloat | None = Field(
        default=None, ge=0, le=1, description="Lowest score that reaches the trackers; without it the pack's own."
    )
    backend: BackendName = Field(default="auto", description="What computes the network; auto: the fastest that runs.")
    variant: VariantName = Field(default="auto", description="What it computes in; auto: the fastest that passed.")
    require: str | None = Field(
        default=None, description='No start (exit code 69) where this rung cannot run, such as "tensorrt-int8".'
    )
    threads: StrictInt | None = Field(
        default=None,
        ge=1,
        le=256,
        description="For the detectors on a CPU together; without it all cores but one for one camera, else all.",
    )
    detect_every: Every = Field(
        default=1,
        description='Detect in every n-th frame of a camera, or with "auto" where it is needed; predict tracks in the'
        " others.",
    )
    detect_budget: StrictFloat = Field(
        default=0.5, ge=0.01, le=1, description='Share of the frames of all cameras with "auto" to detect in.'
    )

    @field_validator("classes")
    @classmethod
    def _check_classes(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        if not classes:
            raise ValueError("expected at least one name, found none")
        return classes


@dataclass(frozen=True, config=SECTION)
class Tracking:
    """`[tracking]`: how detections become identities."""

    method: str = Field(
        default="nanotrack",
        description="nanotrack, bytetrack, sparsetrack, ocsort, botsort, qdtrack, jointtrack, or module:NAME.",
    )
    preset: str = Field(default="default", description="reference: as published, frame by frame.")
    appearance: Appearance | None = Field(
        default=None, description="How embeddings are remembered; without it the method's own way."
    )
    reid: Literal["always", "auto", "never"] = Field(
        default="auto", description="Which detections get an embedding; auto: those in doubt."
    )
    reid_budget_ms: StrictFloat | None = Field(
        default=None, ge=0.01, le=10_000, description="The time for embeddings per frame."
    )
    parameters: dict[str, StrictFloat] | None = Field(default=None, description="The method's own parameters.")


@dataclass(frozen=True, config=SECTION)
class TemperatureLimit:
    """`[heat]`: while the board is too hot, the network rests; see `edge.service.temperature`."""

    detect_every: StrictInt = Field(
        default=2, ge=1, le=100, description="Detect in every n-th frame only; 1: go on as ever."
    )
    limit_c: StrictFloat | None = Field(
        default=None,
        ge=30,
        le=150,
        description="Too hot from here on; without it where the kernel begins to slow the board down.",
    )


@dataclass(frozen=True, config=SECTION)
class Config:
    """The configuration of the daemon of nanotrack-edge."""

    model: Model
    camera: tuple[CameraConfig, ...]
    tracking: Tracking = Tracking()
    heat: TemperatureLimit = TemperatureLimit()
    jsonl: Jsonl | None = None
    mot: Mot | None = None
    history: History | None = None
    snapshots: Snapshots | None = None
    clips: Clips | None = None
    mqtt: Mqtt | None = None
    web: Web | None = None

    @field_validator("camera")
    @classmethod
    def _check_cameras(cls, cameras: tuple[CameraConfig, ...]) -> tuple[CameraConfig, ...]:
        if not cameras:
            raise ValueError("expected at least one [[camera]], found none")
        return cameras


def load(path: Path) -> Config:
    """The settings in `path`. Raises ConfigError with every mistake."""
    return toml.load(Config, path)


def read(path: Path) -> toml.Reading[Config]:
    """The settings in `path`, or their mistakes. Raises ConfigError for what is no TOML."""
    return toml.read(Config, path)


def parse(path: Path, content: bytes) -> toml.Reading[Config]:
    """The settings that `path` would have with this content, see `read`."""
    return toml.parse(Config, path, content)


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of the file, for editors."""
    return toml.json_schema(Config)
