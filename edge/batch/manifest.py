"""What was made of a recording, of what, and how: a JSON file beside its results.

It holds no time of its making: the same input and settings give the same bytes.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from edge.batch.recording import Recording, Settings
from edge.events import Direction
from edge.schema import build

SCHEMA = 1


@dataclass(frozen=True)
class Input:
    """The recording's file: `stamp` changes when it is written anew, `sha256` is of its content; "" where unknown."""

    bytes: int
    stamp: str
    sha256: str = ""


@dataclass(frozen=True)
class Result:
    """A file of results: `file` is its path in the output folder."""

    file: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Hour:
    """An hour of the recording, from 0: `observed_s` seconds had pictures."""

    hour: int
    observed_s: float


@dataclass(frozen=True)
class People:
    """People of class `cls` in an hour. `identities` were first shown in it, `person_s` sums the seconds of everybody
    in view, `most` were in view at once."""

    hour: int
    cls: str
    identities: int
    person_s: float
    most: int


@dataclass(frozen=True)
class Crossings:
    """How many crossed a line in an hour."""

    hour: int
    line: str
    cls: str
    direction: Direction
    count: int


@dataclass(frozen=True)
class Stays:
    """Who `entered` and who was `gone` from a zone in an hour; `dwell_s` sums the stays of those who left, `longest_s`
    is the longest, `most` were there at once."""

    hour: int
    zone: str
    cls: str
    entered: int
    gone: int
    dwell_s: float
    longest_s: float
    most: int


@dataclass(frozen=True)
class Figures:
    """A recording in numbers: `frames` in `duration_s` of video, of `width` and `height` pixels; sums by hour.

    An hour is one of the day where the recording's start is known, else it counts from the start.
    """

    frames: int
    duration_s: float
    frame_rate: float
    width: int
    height: int
    identities: int
    most_people: int
    hours: tuple[Hour, ...] = ()
    people: tuple[People, ...] = ()
    crossings: tuple[Crossings, ...] = ()
    zones: tuple[Stays, ...] = ()


@dataclass(frozen=True)
class Failure:
    """Why a recording was set aside: `kind` in a word, `reason` in a sentence, after so many `tries`.

    Tries whose process somebody killed count only where that was the reason: the same recording, the same failure.
    """

    kind: str
    reason: str
    tries: int


@dataclass(frozen=True)
class Manifest:
    """`run` is that of the identities, see `edge.events.Origin`. There are `figures` and `results`, or a `failure`.

    `settings_sha256` is the hash of the settings, the recording's own included; `tracks_sha256` of those that decide
    its tracks, which `tracks` keeps, see `edge.batch.kept`.
    """

    schema: int
    run: str
    recording: Recording
    input: Input
    settings: Settings
    settings_sha256: str
    tracks_sha256: str
    status: Literal["done", "failed"]
    results: tuple[Result, ...] = ()
    tracks: Result | None = None
    figures: Figures | None = None
    failure: Failure | None = field(default=None)

    @property
    def files(self) -> tuple[Result, ...]:
        """All files beside it."""
        return self.results if self.tracks is None else (*self.results, self.tracks)

    def text(self) -> str:
        """The manifest as JSON."""
        return json.dumps(asdict(self), indent=1) + "\n"


def read(path: Path) -> Manifest | None:
    """The manifest at `path`; None where there is none of this version, or a damaged one."""
    try:
        data = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    manifest, mistakes = build(Manifest, data)
    return None if mistakes or manifest is None or manifest.schema != SCHEMA else manifest
