"""What a profile says: frozen dataclasses, written as JSON and read back strictly. The schema is `report.schema.json`.

None is "not available" throughout: a sensor that is not there is never zero. Durations are in milliseconds.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from edge import schema
from edge.board import Clock
from edge.errors import DataError, NotFoundError, OutputError

VERSION = 1
SCHEMA = Path(__file__).with_name("report.schema.json")


@dataclass(frozen=True)
class Machine:
    """Where it was measured: the board, its power mode and limits, and the versions of what ran."""

    model: str | None
    cpu: str | None
    cores: int
    memory_bytes: int | None
    jetpack: str | None
    driver: str
    power_mode: str | None
    clocks: tuple[Clock, ...]
    system: str
    versions: dict[str, str]

    @property
    def name(self) -> str:
        """Model, processor and cores in a few words."""
        names = [name for name in (self.model, self.cpu) if name]
        return f"{' / '.join(names) or 'unknown board'}, {self.cores} core{'s' * (self.cores > 1)}"


@dataclass(frozen=True)
class Setup:
    """What was measured. `passed_over` are the rungs above `rung` and why they were not taken."""

    pack: str
    rung: str
    passed_over: tuple[str, ...]
    threads: int
    method: str
    source: str
    width: int
    height: int
    frame_rate: float
    sinks: tuple[str, ...]


@dataclass(frozen=True)
class Stage:
    """One stage's durations. Percentiles and the maximum are within 1 %, see `edge.spans.RELATIVE_ERROR`.

    `histogram` are (lower edge, count) of the bins in use, `block_medians_ms` the medians of consecutive parts of the
    run, from which `--diff` knows how much the stage varies.
    """

    name: str
    thread: str
    calls: int
    mean_ms: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float
    histogram: tuple[tuple[float, int], ...]
    block_medians_ms: tuple[float, ...]

    @property
    def total_ms(self) -> float:
        """All calls together."""
        return self.calls * self.mean_ms


@dataclass(frozen=True)
class Rate:
    """Free running: every frame as fast as it goes. `people` is the mean number of tracks shown."""

    frames: int
    seconds: float
    fps: float
    people: float
    block_fps: tuple[float, ...]


@dataclass(frozen=True)
class Live:
    """At the recording's frame rate, newest frame first, as the daemon runs: it is read as if it were a camera.

    Age is from the moment the camera would have delivered a frame to its tracks being written. `jitter_ms` is the
    standard deviation of the time between two results.
    """

    frame_rate: float
    seconds: float
    offered: int
    tracked: int
    dropped: int
    age_p50_ms: float
    age_p99_ms: float
    age_max_ms: float
    jitter_ms: float
    interval_p99_ms: float


@dataclass(frozen=True)
class Thread:
    """A thread's time on a core for each frame, and what it spent ready to run without one (None: not told)."""

    name: str
    cpu_ms: float
    waited_ms: float | None


@dataclass(frozen=True)
class Memory:
    """Resident bytes when the measurement began, when it ended, and the most the process ever had."""

    start_bytes: int
    end_bytes: int
    peak_bytes: int


@dataclass(frozen=True)
class Sensors:
    """What the board felt: highest temperature by zone, clocks' lowest and mean, mean power by rail.

    `energy_mj` is millijoules a frame by rail. `throttled` is whether its clocks were ever lowered,
    `elsewhere` the share of our cores that other programs (or other guests of the same machine) used. Empty or None
    where nothing tells.
    """

    temperatures_before_c: dict[str, float]
    temperatures_most_c: dict[str, float]
    clocks_least_mhz: dict[str, int]
    clocks_mean_mhz: dict[str, float]
    power_w: dict[str, float]
    energy_mj: dict[str, float]
    throttled: bool | None
    elsewhere: float | None


@dataclass(frozen=True)
class Report:
    """A profile. `warnings` say why it is not to be trusted, `findings` what limits the speed and what to try."""

    schema: int
    created: str
    machine: Machine
    setup: Setup
    rate: Rate
    stages: tuple[Stage, ...]
    live: Live | None
    threads: tuple[Thread, ...]
    memory: Memory
    sensors: Sensors
    warnings: tuple[str, ...]
    findings: tuple[str, ...]

    def stage(self, name: str) -> Stage | None:
        """The stage of that name."""
        return next((stage for stage in self.stages if stage.name == name), None)


def write(report: Report, path: Path) -> None:
    """Write a report as JSON. Raises OutputError."""
    write_text(path, json.dumps(asdict(report), indent=1) + "\n")


def read(path: Path) -> Report:
    """The report in a file. Raises NotFoundError, or DataError for one that is no report of this version."""
    try:
        data = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise NotFoundError(f"{path}: cannot be read: {error.strerror}; nanotrack profile --json makes one") from error
    except ValueError as error:
        raise DataError(f"{path}: expected a report of nanotrack profile --json, found no JSON ({error})") from error
    version = data.get("schema") if isinstance(data, dict) else None
    if version != VERSION:
        raise DataError(f"{path}: expected a report of schema {VERSION}, found {version!r}; profile again")
    report, mistakes = schema.build(Report, data)
    if report is None:
        raise DataError(f"{path}: {'; '.join(mistakes[:5])}; profile again with --json")
    return report


def write_text(path: Path, text: str) -> None:
    """Write a text file. Raises OutputError."""
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise OutputError(f"{path}: cannot write it: {error.strerror}; choose another place") from error
