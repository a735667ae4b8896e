"""The settings of the outputs on a disk: JSON lines, MOT text, the history, snapshots and clips."""

from typing import Literal

from pydantic import Field, StrictFloat, StrictInt
from pydantic.dataclasses import dataclass

from edge.settings.section import SECTION


@dataclass(frozen=True, config=SECTION)
class Jsonl:
    """`[jsonl]`: JSON lines; tracks.jsonl is the newest file."""

    folder: str = Field(description="Where the files are.")
    rotate_mib: StrictFloat = Field(default=64.0, ge=0.01, le=4096, description="A file of this size is put aside.")
    keep: StrictInt = Field(default=10, ge=0, le=10_000, description="So many of those are kept.")
    free_mib: StrictFloat = Field(
        default=256.0, ge=0, le=1 << 20, description="With less free on the disk nothing is written."
    )


@dataclass(frozen=True, config=SECTION)
class Mot:
    """`[mot]`: MOTChallenge text, a file for each run of a camera; see `edge.sinks.mot`."""

    folder: str = Field(description="Where the files are.")
    free_mib: StrictFloat = Field(
        default=256.0, ge=0, le=1 << 20, description="With less free on the disk nothing is written."
    )


@dataclass(frozen=True, config=SECTION)
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


@dataclass(frozen=True, config=SECTION)
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


@dataclass(frozen=True, config=SECTION)
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
