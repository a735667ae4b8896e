"""The daemon's settings: what its TOML file may hold, with types, limits, defaults and what each key means.

This is the one place where a key is declared. The reader of the file, its messages, the reference page and the JSON
Schema for editors all go by it; `edge/deploy/nanotrack.toml` shows every key with its default.
"""

import ipaddress
import re
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any, Literal

from edge.errors import UnavailableError
from edge.infer.backend import BackendName, VariantName
from edge.track.appearance import Appearance

try:
    from pydantic import (
        AfterValidator,
        BeforeValidator,
        ConfigDict,
        Field,
        StrictBool,
        StrictFloat,
        StrictInt,
        ValidationInfo,
        WithJsonSchema,
        field_validator,
    )
    from pydantic.dataclasses import dataclass
except ImportError as error:
    raise UnavailableError(
        "the daemon's configuration needs pydantic; install it with pip install 'nanotrack-edge[service]'"
    ) from error

from edge.settings import polygon, toml
from edge.settings.mistakes import rule

# TOML has types of its own, so nothing is converted: numbers and switches are strict.
_SECTION = ConfigDict(extra="forbid")


# Names stand in MQTT topics, metric labels, file names and web addresses.
_NAME = "[a-z0-9][a-z0-9_-]{0,31}"


def _name(name: str) -> str:
    if not re.fullmatch(_NAME, name):
        raise ValueError(f"expected up to 32 small letters, digits, - and _, found {name!r}")
    return name


def _pair(point: Any) -> Any:
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
    BeforeValidator(_pair),
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


@dataclass(frozen=True, config=_SECTION)
class Model:
    """`[model]`: what detects. One network serves all cameras, in turns."""

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
        default=None, ge=1, le=256, description="For the network on a CPU; without it all cores but one."
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


@dataclass(frozen=True, config=_SECTION)
class Tracking:
    """`[tracking]`: how detections become identities."""

    method: str = Field(default="nanotrack", description="nanotrack, bytetrack, sparsetrack, qdtrack or jointtrack.")
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


@dataclass(frozen=True, config=_SECTION)
class Zone:
    """`[[camera.zone]]`: a polygon in which people are counted; see `edge.service.counting.zones`."""

    name: Name = Field(description="Small letters, digits, - and _.")
    points: Polygon = Field(
        min_length=3, description="In order around the zone: shares of width and height from the upper left corner."
    )
    stay_s: StrictFloat | None = Field(
        default=None, ge=0.5, le=86_400, description="An event tells who has been there for so long, once."
    )


@dataclass(frozen=True, config=_SECTION)
class Mask:
    """`[[camera.mask]]`: a part of the picture in which nothing is detected, or which nobody shall see."""

    kind: Literal["exclude", "privacy"] = Field(
        description="exclude: no detections whose feet are there; privacy: hidden in every picture that leaves here."
    )
    points: Polygon = Field(
        min_length=3, description="In order around it: shares of width and height from the upper left corner."
    )


@dataclass(frozen=True, config=_SECTION)
class Line:
    """`[[camera.line]]`: a line whose crossings are counted; see `edge.service.counting.lines`.

    "in" is from the left to the right of the direction from the first of the two points to the second.
    """

    name: Name = Field(description="Small letters, digits, - and _.")
    points: tuple[Point, Point] = Field(description="Its two ends: shares of width and height.")

    @field_validator("points", mode="before")
    @classmethod
    def _check_number(cls, points: Any) -> Any:
        return _pair(points)

    @field_validator("points")
    @classmethod
    def _check_ends(cls, points: tuple[Point, Point]) -> tuple[Point, Point]:
        if points[0] == points[1]:
            raise ValueError("expected two different ones, found the same twice")
        return points


# Metres on the ground, from any corner and in any direction that suits.
_Metres = Annotated[tuple[StrictFloat, StrictFloat], BeforeValidator(_pair)]


@dataclass(frozen=True, config=_SECTION)
class GroundPoints:
    """`[camera.ground]`: four points on the ground, from which speeds in metres a second come; see
    `edge.service.counting.ground`.

    No three of them may be on one line.
    """

    points: tuple[Point, ...] = Field(
        min_length=4, max_length=4, description="Where they are in the picture: shares of width and height."
    )
    metres: tuple[_Metres, ...] = Field(
        min_length=4, max_length=4, description="Where they are on the ground: x and y in metres, in the same order."
    )

    @field_validator("metres")
    @classmethod
    def _check_ground(cls, metres: tuple[_Metres, ...], info: ValidationInfo) -> tuple[_Metres, ...]:
        points = info.data.get("points")
        if points is not None and (_three_on_a_line(points) or _three_on_a_line(metres)):
            raise rule("points and metres", "expected four points of which no three are on one line")
        return metres


def _three_on_a_line(points: Sequence[tuple[float, float]]) -> bool:
    largest = max(abs(a - b) for one in points for other in points for a, b in zip(one, other, strict=True))
    return any(
        abs((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])) <= 1e-3 * largest**2
        for a, b, c in combinations(points, 3)
    )


@dataclass(frozen=True, config=_SECTION)
class CameraConfig:
    """`[[camera]]`: where pictures come from; see `edge.video.open`."""

    name: Name = Field(description="Small letters, digits, - and _; it stands in addresses and topics.")
    source: str = Field(description="rtsp://, rtsps://, http://, https://, /dev/video0, csi://0, demo://, or a file.")
    loop: StrictBool = Field(
        default=False, description="A file plays for ever at its own frame rate, as a camera would."
    )
    frame_rate: StrictFloat | None = Field(
        default=None, ge=0.1, le=1000, description="Frames a second, in place of what the source says of itself."
    )
    stall_s: StrictFloat = Field(
        default=5.0, ge=0.5, le=120, description="Offline, and connected anew, after so long without a good picture."
    )
    credentials: str | None = Field(
        default=None, description="File with user:password, by path or by the name of a systemd credential."
    )
    detect_every: Every | None = Field(default=None, description="In place of the model's.")
    rtsp_transport: Literal["tcp", "udp"] | None = Field(
        default=None, description="How an RTSP stream travels; without it TCP, and UDP where the camera has no TCP."
    )
    every_s: StrictFloat | None = Field(
        default=None,
        ge=0.05,
        le=60,
        description="Time between two pictures, of an address that gives one JPEG a request.",
    )
    size: tuple[StrictInt, StrictInt] | None = Field(
        default=None, description="Width and height that a V4L2 device is set to; without it the driver's choice."
    )
    pixel_format: str | None = Field(
        default=None, description="Format that a V4L2 device is set to, such as MJPG or YUYV."
    )
    zone: tuple[Zone, ...] = ()
    line: tuple[Line, ...] = ()
    mask: tuple[Mask, ...] = ()
    ground: GroundPoints | None = None

    @field_validator("source")
    @classmethod
    def _check_source(cls, source: str) -> str:
        if not source:
            raise ValueError("expected an address, a device or a file, found nothing")
        return source

    @field_validator("credentials")
    @classmethod
    def _check_credentials(cls, credentials: str | None, info: ValidationInfo) -> str | None:
        source = info.data.get("source")
        if credentials is not None and source is not None and "://" not in source:
            raise rule("credentials", f"expected a source with an address, found {source!r}")
        return credentials

    @field_validator("every_s")
    @classmethod
    def _check_every(cls, every_s: float | None, info: ValidationInfo) -> float | None:
        stall_s = info.data.get("stall_s", 120)
        if every_s is not None and every_s > stall_s / 2:
            raise rule("every_s", f"expected at most half of stall_s, which is {stall_s:g}, found {every_s:g}")
        return every_s

    @field_validator("size", mode="before")
    @classmethod
    def _check_size(cls, size: Any) -> Any:
        return _pair(size)

    @field_validator("pixel_format")
    @classmethod
    def _check_format(cls, pixel_format: str | None) -> str | None:
        if pixel_format is not None and not (len(pixel_format) == 4 and pixel_format.isascii()):
            raise ValueError(f"expected four characters, such as MJPG, found {pixel_format!r}")
        return pixel_format


@dataclass(frozen=True, config=_SECTION)
class Jsonl:
    """`[jsonl]`: JSON lines; tracks.jsonl is the newest file."""

    folder: str = Field(description="Where the files are.")
    rotate_mib: StrictFloat = Field(default=64.0, ge=0.01, le=4096, description="A file of this size is put aside.")
    keep: StrictInt = Field(default=10, ge=0, le=10_000, description="So many of those are kept.")
    free_mib: StrictFloat = Field(
        default=256.0, ge=0, le=1 << 20, description="With less free on the disk nothing is written."
    )


@dataclass(frozen=True, config=_SECTION)
class Mot:
    """`[mot]`: MOTChallenge text, a file for each run of a camera; see `edge.sinks.mot`."""

    folder: str = Field(description="Where the files are.")
    free_mib: StrictFloat = Field(
        default=256.0, ge=0, le=1 << 20, description="With less free on the disk nothing is written."
    )


@dataclass(frozen=True, config=_SECTION)
class History:
    """`[history]`: counts, crossings, dwell and occupancy by minute in an SQLite file.

    Totals of lines are kept for ever and go on after a restart.
    """

    path: str = Field(description="The SQLite file.")
    keep_days: StrictInt = Field(default=90, ge=1, le=3650, description="Older minutes are forgotten.")
    max_mib: StrictFloat = Field(
        default=256.0, ge=1, le=1 << 20, description="The oldest minutes are forgotten where the file grows larger."
    )


# What an event may be of which a picture is taken.
Occasion = Literal["new", "line", "zone", "stay"]
_ON = "new: an identity is first shown; line: it crosses one; zone: it enters one; stay: it has been there for stay_s."


@dataclass(frozen=True, config=_SECTION)
class Snapshots:
    """`[snapshots]`: a picture (JPEG) of each event of some kinds, with the box of whom it is about."""

    folder: str = Field(description="Where the files are, in a folder for each day.")
    on: tuple[Occasion, ...] = Field(default=("line", "zone", "stay"), description=_ON)
    longest_px: StrictInt = Field(default=1280, ge=64, le=8192, description="The longer side, at most.")
    keep_days: StrictInt = Field(default=14, ge=1, le=3650, description="Older ones are removed.")
    max_mib: StrictFloat = Field(
        default=1024.0, ge=1, le=1 << 20, description="The oldest are removed where they take more in all."
    )
    free_mib: StrictFloat = Field(
        default=256.0, ge=0, le=1 << 20, description="With less free on the disk nothing is written."
    )


@dataclass(frozen=True, config=_SECTION)
class Clips:
    """`[clips]`: a video (WebM) of some seconds around each event of some kinds; see `edge.sinks.pictures.clips`."""

    folder: str = Field(description="Where the files are, in a folder for each day; may be that of the snapshots.")
    on: tuple[Occasion, ...] = Field(default=("line", "zone", "stay"), description=_ON)
    before_s: StrictFloat = Field(default=5.0, ge=0, le=30, description="So much of what came before.")
    after_s: StrictFloat = Field(default=5.0, ge=0, le=60, description="So much of what comes after.")
    keep_days: StrictInt = Field(default=7, ge=1, le=3650, description="Older ones are removed.")
    max_mib: StrictFloat = Field(
        default=2048.0, ge=1, le=1 << 20, description="The oldest are removed where they take more in all."
    )
    free_mib: StrictFloat = Field(
        default=256.0, ge=0, le=1 << 20, description="With less free on the disk nothing is written."
    )


@dataclass(frozen=True, config=_SECTION)
class Connection:
    """How an MQTT broker is reached, and how topics begin: what the daemon and the fleet have in common."""

    host: str = Field(description="Name or address of the broker.")
    port: StrictInt = Field(default=1883, ge=1, le=65535, description="Where it listens; with TLS usually 8883.")
    prefix: str = Field(default="nanotrack", description="How every topic begins.")
    credentials: str | None = Field(
        default=None, description="File with user:password, by path or by the name of a systemd credential."
    )
    tls: StrictBool = Field(default=False, description="Encrypted, and the broker's certificate is checked.")
    ca_file: str | None = Field(default=None, description="Who signed it (PEM); without it the system's authorities.")

    @field_validator("host")
    @classmethod
    def _check_host(cls, host: str) -> str:
        if not host or any(c in host for c in "/ @"):
            raise ValueError(f"expected a name or an address, found {host!r}")
        return host

    @field_validator("prefix")
    @classmethod
    def _check_prefix(cls, prefix: str) -> str:
        if not re.fullmatch(r"[^+#/\0\s$][^+#\0\s]{0,127}", prefix) or prefix.endswith("/"):
            raise ValueError(f"expected the beginning of a topic, without + # or spaces, found {prefix!r}")
        return prefix

    @field_validator("ca_file")
    @classmethod
    def _check_ca_file(cls, ca_file: str | None, info: ValidationInfo) -> str | None:
        if ca_file is not None and info.data.get("tls") is False:
            raise rule("ca_file", "expected tls = true beside it")
        return ca_file


@dataclass(frozen=True, config=_SECTION)
class Mqtt(Connection):
    """`[mqtt]`: a broker that gets all events; see `edge.sinks.mqtt`."""

    update_s: StrictFloat = Field(
        default=5.0, ge=0, le=3600, description="An event tells where each identity is, so many seconds apart; 0: none."
    )
    home_assistant: StrictBool = Field(
        default=False, description="Home Assistant finds cameras, counts, zones, lines and snapshots by itself."
    )
    appearance: StrictBool = Field(
        default=False, description="The embeddings of identities, for nanotrack fleet; they are personal data."
    )


@dataclass(frozen=True, config=_SECTION)
class Web:
    """`[web]`: the pages that `edge.service.web.pages` lists, for this machine unless set otherwise.

    Any other address needs credentials, certificate and key, or insecure.
    """

    address: str = Field(default="127.0.0.1", description="Where it listens, in numbers; 0.0.0.0 is everywhere.")
    port: StrictInt = Field(default=8080, ge=0, le=65535, description="Where it listens; 0: any that is free.")
    credentials: str | None = Field(
        default=None, description="File with user:password, by path or by the name of a systemd credential."
    )
    certificate: str | None = Field(default=None, description="PEM file, by path or by the name of a credential.")
    key: str | None = Field(default=None, description="PEM file, by path or by the name of a credential.")
    edit: StrictBool = Field(
        default=False,
        validate_default=True,
        description="Who logs in may write zones and lines, drawn in the page, into this file; needs credentials.",
    )
    insecure: StrictBool = Field(
        default=False, validate_default=True, description="Others may look without login and encryption."
    )

    @field_validator("address")
    @classmethod
    def _check_address(cls, address: str) -> str:
        try:
            ipaddress.ip_address(address)
        except ValueError:
            raise ValueError(f"expected one in numbers, such as 127.0.0.1 or ::, found {address!r}") from None
        return address

    @field_validator("edit")
    @classmethod
    def _check_login(cls, edit: bool, info: ValidationInfo) -> bool:
        if edit and info.data.get("credentials") is None:
            raise rule("edit", "expected credentials beside it, found none: whoever changes this file has to log in")
        return edit

    @field_validator("insecure")
    @classmethod
    def _check_protection(cls, insecure: bool, info: ValidationInfo) -> bool:
        found = info.data
        if (found.get("certificate") is None) != (found.get("key") is None):
            raise rule("certificate and key", "expected both or none")
        is_safe = found.get("credentials") is not None and found.get("certificate") is not None
        address = found.get("address", "127.0.0.1")
        if not (ipaddress.ip_address(address).is_loopback or is_safe or insecure):
            raise rule(
                "address",
                f"{address} is open to others, which needs credentials, certificate and key; insecure = true does"
                " without",
            )
        return insecure


@dataclass(frozen=True, config=_SECTION)
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


@dataclass(frozen=True, config=_SECTION)
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


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of the file, for editors."""
    return toml.json_schema(Config)
