"""The daemon's settings: TOML into frozen dataclasses, every mistake reported at once.

The dataclasses are the schema and state every default; `edge/deploy/nanotrack.toml` shows them with comments.
"""

import ipaddress
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edge.errors import ConfigError
from edge.infer.backend import BackendName, VariantName
from edge.schema import build, within
from edge.track.appearance import Appearance

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

# Names stand in MQTT topics, metric labels and web addresses.
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")


@dataclass(frozen=True)
class Model:
    """`[model]`: what detects. `pack` is a model pack or an ONNX file; one network serves all cameras.

    `floor` is the lowest score that reaches the trackers, None for the pack's own. `threads` None leaves one core to
    decoding and tracking. Only every `detect_every`-th frame of a camera is detected in.
    """

    pack: str
    classes: tuple[str, ...] = ("person",)
    floor: float | None = within(0, 1, None)
    backend: BackendName = "auto"
    variant: VariantName = "auto"
    require: str | None = None
    threads: int | None = within(1, 256, None)
    detect_every: int = within(1, 100, 1)

    def __post_init__(self) -> None:
        if not self.classes:
            raise ValueError("classes: expected at least one name, found none")


@dataclass(frozen=True)
class Tracking:
    """`[tracking]`: how detections become identities; `parameters` are the method's own.

    `appearance` is how embeddings are remembered, None for the method's own way; `reid` says which detections get one,
    and `reid_budget_ms` is the time for them per frame: see `edge.reid.stage`.
    """

    method: str = "nanotrack"
    preset: str = "default"
    appearance: Appearance | None = None
    reid: Literal["always", "auto", "never"] = "auto"
    reid_budget_ms: float | None = within(0.01, 10_000, None)
    parameters: dict[str, float] | None = None


@dataclass(frozen=True)
class Zone:
    """`[[camera.zone]]`: a polygon in which people are counted; see `edge.service.counting.zones`.

    `points` are shares of width and height from the upper left corner, in order around the zone.
    """

    name: str
    points: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        _check_name(self.name)
        _check_points(self.points)
        if len(self.points) < 3:
            raise ValueError(f"points: expected at least 3, found {len(self.points)}")


@dataclass(frozen=True)
class Line:
    """`[[camera.line]]`: a line whose crossings are counted; see `edge.service.counting.lines`.

    "in" is from the left to the right of the direction from the first of the two `points` to the second.
    """

    name: str
    points: tuple[tuple[float, float], tuple[float, float]]

    def __post_init__(self) -> None:
        _check_name(self.name)
        _check_points(self.points)
        if self.points[0] == self.points[1]:
            raise ValueError("points: expected two different ones, found the same twice")


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ValueError(f"name: expected up to 32 small letters, digits, - and _, found {name!r}")


def _check_points(points: tuple[tuple[float, float], ...]) -> None:
    for point in points:
        if not all(0 <= value <= 1 for value in point):
            raise ValueError(f"points: expected shares of width and height from 0 to 1, found {list(point)}")


def _check_unique(kind: str, names: list[str]) -> None:
    for name in sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{kind}.{name}: expected one {kind} of that name, found {names.count(name)}")


@dataclass(frozen=True)
class CameraConfig:
    """`[[camera]]`: where pictures come from, see `edge.video.open`.

    `loop` plays a file again and again at its own frame rate. A camera without a good picture for `stall_s` is offline
    and is connected anew. `credentials` names a file with user:password, see `edge.settings.credentials`.
    `detect_every` None is the model's.
    """

    name: str
    source: str
    loop: bool = False
    frame_rate: float | None = within(0.1, 1000, None)
    stall_s: float = within(0.5, 120, 5.0)
    credentials: str | None = None
    detect_every: int | None = within(1, 100, None)
    zone: tuple[Zone, ...] = ()
    line: tuple[Line, ...] = ()

    def __post_init__(self) -> None:
        _check_name(self.name)
        _check_unique("zone", [zone.name for zone in self.zone])
        _check_unique("line", [line.name for line in self.line])
        if not self.source:
            raise ValueError("source: expected an address, a device or a file, found nothing")
        if self.credentials is not None and "://" not in self.source:
            raise ValueError(f"credentials: expected a source with an address, found {self.source!r}")


@dataclass(frozen=True)
class Jsonl:
    """`[jsonl]`: JSON lines in `folder`; `tracks.jsonl` is the newest file.

    A file of `rotate_mib` is put aside, `keep` of those are kept. Nothing is written while less than `free_mib` are
    free on the disk.
    """

    folder: str
    rotate_mib: float = within(0.01, 4096, 64.0)
    keep: int = within(0, 10_000, 10)
    free_mib: float = within(0, 1 << 20, 256.0)


@dataclass(frozen=True)
class Mot:
    """`[mot]`: MOTChallenge text in `folder`, a file for each run of a camera; see `edge.sinks.mot`."""

    folder: str
    free_mib: float = within(0, 1 << 20, 256.0)


@dataclass(frozen=True)
class History:
    """`[history]`: counts, crossings, dwell and occupancy by minute in the SQLite file `path`.

    Minutes are kept for `keep_days` days and in at most `max_mib`; totals of lines are kept for ever and go on after a
    restart.
    """

    path: str
    keep_days: int = within(1, 3650, 90)
    max_mib: float = within(1, 1 << 20, 256.0)


@dataclass(frozen=True)
class Mqtt:
    """`[mqtt]`: a broker that gets all events, see `edge.sinks.mqtt`. `ca_file` None: the system's.

    Every `update_s` seconds an event tells where each identity is; 0 for none. `home_assistant` announces cameras,
    counts, zones and lines to it. `appearance` sends the embeddings of identities, which are personal data, for
    `nanotrack fleet`.
    """

    host: str
    port: int = within(1, 65535, 1883)
    prefix: str = "nanotrack"
    update_s: float = within(0, 3600, 5.0)
    home_assistant: bool = False
    appearance: bool = False
    credentials: str | None = None
    tls: bool = False
    ca_file: str | None = None

    def __post_init__(self) -> None:
        if not self.host or any(c in self.host for c in "/ @"):
            raise ValueError(f"host: expected a name or an address, found {self.host!r}")
        if not re.fullmatch(r"[^+#/\0\s$][^+#\0\s]{0,127}", self.prefix) or self.prefix.endswith("/"):
            raise ValueError(f"prefix: expected the beginning of a topic, without + # or spaces, found {self.prefix!r}")
        if self.ca_file is not None and not self.tls:
            raise ValueError("ca_file: expected tls = true beside it")


@dataclass(frozen=True)
class Web:
    """`[web]`: the pages that `edge.service.web.pages` lists, for this machine unless set otherwise.

    Any other `address` needs `credentials`, `certificate` and `key`, or `insecure`. Those two are PEM files: paths,
    or names of credentials.
    """

    address: str = "127.0.0.1"
    port: int = within(0, 65535, 8080)
    credentials: str | None = None
    certificate: str | None = None
    key: str | None = None
    insecure: bool = False

    def __post_init__(self) -> None:
        try:
            address = ipaddress.ip_address(self.address)
        except ValueError:
            raise ValueError(
                f"address: expected one in numbers, such as 127.0.0.1 or ::, found {self.address!r}"
            ) from None
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key: expected both or none")
        is_safe = self.credentials is not None and self.certificate is not None
        if not (address.is_loopback or is_safe or self.insecure):
            raise ValueError(
                f"address: {self.address} is open to others, which needs credentials, certificate and key; insecure ="
                " true does without"
            )


@dataclass(frozen=True)
class TemperatureLimit:
    """`[heat]`: while the board is too hot, only every `detect_every`-th frame is detected in; see
    `edge.service.temperature`.

    `limit_c` None is where the kernel begins to slow the board down, for each thermal zone its own.
    """

    detect_every: int = within(1, 100, 2)
    limit_c: float | None = within(30, 150, None)


@dataclass(frozen=True)
class Config:
    """The whole file."""

    model: Model
    camera: tuple[CameraConfig, ...]
    tracking: Tracking = Tracking()
    heat: TemperatureLimit = TemperatureLimit()
    jsonl: Jsonl | None = None
    mot: Mot | None = None
    history: History | None = None
    mqtt: Mqtt | None = None
    web: Web | None = None

    def __post_init__(self) -> None:
        names = [camera.name for camera in self.camera]
        if not names:
            raise ValueError("camera: expected at least one [[camera]], found none")
        _check_unique("camera", names)


def load(path: Path) -> Config:
    """The settings in `path`. Raises ConfigError with every mistake."""
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: expected the configuration, cannot read it: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: expected TOML, found a mistake: {error}") from error
    config, mistakes = build(Config, data)
    if config is None:
        raise ConfigError("\n  ".join([f"{path}: {len(mistakes)} to correct:", *mistakes]))
    return config
