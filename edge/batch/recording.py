"""What is tracked, one recording a task, and with which settings."""

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from edge.detect.adopt import NONE, Overrides
from edge.infer.backend import BackendName, VariantName
from edge.schema import within
from edge.track.appearance import Appearance

Format = Literal["mot", "jsonl", "parquet"]


@dataclass(frozen=True)
class Area:
    """A zone or a line, see `edge.service.counting.shape`."""

    name: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Recording:
    """One recording: `name` is that of its results, `address` where its pictures are.

    `frame_rate` replaces the recording's own; `starts` is when it begins, ISO 8601 with its offset from UTC. People are
    counted in the zones and at the lines.
    """

    name: str
    address: str
    frame_rate: float | None = within(0.01, 10_000, None)
    starts: str | None = None
    zone: tuple[Area, ...] = ()
    line: tuple[Area, ...] = ()

    def __post_init__(self) -> None:
        parts = self.name.split("/")
        if not self.name.isprintable() or any(part.strip() in ("", ".", "..") for part in parts):
            raise ValueError(f"name: expected a relative path such as door/monday, found {self.name!r}")
        if self.starts is not None:
            _moment(self.starts)

    @property
    def starts_s(self) -> float | None:
        """`starts` in seconds since 1970, None where it is not known."""
        return None if self.starts is None else _moment(self.starts).timestamp()

    @property
    def into_hour_s(self) -> float:
        """How long the hour of the day has lasted when it begins, in seconds; 0 where that is not known."""
        if self.starts is None:
            return 0.0
        moment = _moment(self.starts)
        return moment.minute * 60 + moment.second + moment.microsecond / 1e6

    @property
    def has_areas(self) -> bool:
        """Whether anything is counted."""
        return bool(self.zone or self.line)


@dataclass(frozen=True)
class Settings:
    """What is the same for all recordings and decides their results.

    `model` and `reid_model` are paths, `model_sha256` and `reid_sha256` the hashes of what lies there; `networks` is
    what they run on. Other names are `edge.Pipeline`'s. `offline` adds the second pass of `edge.chain.offline`.
    """

    version: str
    model: str
    model_sha256: str
    networks: tuple[str, ...]
    format: Format = "mot"
    reid_model: str | None = None
    reid_sha256: str | None = None
    method: str = "nanotrack"
    preset: str = "default"
    appearance: Appearance | None = None
    reid: Literal["always", "auto", "never"] = "auto"
    classes: tuple[str, ...] = ("person",)
    floor: float | None = None
    backend: BackendName = "auto"
    variant: VariantName = "auto"
    require: str | None = None
    detect_every: int = 1
    overrides: Overrides = NONE
    offline: bool = False

    def sha256_for(self, recording: Recording) -> str:
        """The hash of all that decides the results of `recording` besides its pictures. Paths and names do not."""
        own = asdict(recording)
        del own["name"], own["address"]
        return digest({"tracks": self.tracks_sha256_for(recording), "format": self.format, "recording": own})

    def tracks_sha256_for(self, recording: Recording) -> str:
        """The hash of all that decides its tracks: not the format, nor what is made of them, as counts and hours."""
        settings = asdict(self)
        for name in ("model", "reid_model", "format"):
            del settings[name]
        return digest({"settings": settings, "frame_rate": recording.frame_rate})


def digest(document: Any) -> str:
    """The hex sha256 of a JSON document."""
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise ValueError(f"starts: expected a time such as 2026-11-30T08:00:00+01:00, found {text!r}") from None
    if found.tzinfo is None:
        raise ValueError(f"starts: expected an offset from UTC behind {text!r}, such as +01:00 or Z")
    return found
