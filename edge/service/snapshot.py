"""The state of the daemon at one moment: an immutable record that its loop publishes and its pages read."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edge.board import Reading
from edge.console.outgoing import redacted
from edge.detect.detector import Detector
from edge.detect.joint import JointDetector
from edge.events import CameraState, Direction
from edge.infer.backend import Running
from edge.reid.embedder import Embedder
from edge.service.histogram import Histogram, of_span
from edge.service.stream import Stream
from edge.service.view import View
from edge.sinks.queued import Queued
from edge.spans import Spans


@dataclass(frozen=True, slots=True)
class CameraSnapshot:
    """A camera and its tracks; times are on the daemon's clock.

    `reason` says why the camera is in `state`, `trouble` what is wrong with its pictures now. `frame_ages_ms` are the
    50th and the 99th percentile of how old the last frames were when their tracks were ready, None for a recording;
    `frame_ages` is the histogram of all, `reads` that of the times until a frame was there. `people` counts by zone and
    class, `crossings` by line, direction and class, `identities` by class, `dwells` are histograms by zone.
    `speeds_mps` are those of identities in the newest frame, None where no ground is configured. `view` gives its
    pictures.
    """

    name: str
    run: str
    state: CameraState
    since_s: float
    reason: str
    trouble: str
    is_live: bool
    size: tuple[int, int]
    fps: float
    frame_ages_ms: tuple[float, float] | None
    frame_ages: Histogram
    reads: Histogram
    tracked: int
    detected: int
    detect_every: int
    dropped: int
    corrupt: int
    reconnects: int
    shown: int
    people: Mapping[tuple[str, str], int]
    crossings: Mapping[tuple[str, Direction, str], int]
    identities: Mapping[str, int]
    dwells: Mapping[str, Histogram]
    speeds_mps: Mapping[int, float] | None
    view: View | None


@dataclass(frozen=True, slots=True)
class OutputSnapshot:
    """An output: events it took, events it lost, and what is wrong with it, "" for nothing."""

    name: str
    written: int
    dropped: int
    trouble: str


@dataclass(frozen=True, slots=True)
class StageSnapshot:
    """A stage of the chain: the times of all its runs, and percentiles of the last ones."""

    name: str
    times: Histogram
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class NetworkSnapshot:
    """A network ("detector" or "reid"), the name of its pack, and how it runs."""

    network: str
    pack: str
    running: Running


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The daemon when its loop came round at `cycled_s`; it began at `began_s`.

    `reading` are the board's sensors, `too_hot` says what is too hot, "" for nothing. `broken` counts frames that the
    network failed on, `clock_steps` how often the wall clock was set.
    """

    began_s: float
    cycled_s: float
    is_stopping: bool
    cameras: tuple[CameraSnapshot, ...]
    outputs: tuple[OutputSnapshot, ...]
    stages: tuple[StageSnapshot, ...]
    networks: tuple[NetworkSnapshot, ...]
    reading: Reading
    too_hot: str
    broken: int
    clock_steps: int


def camera_snapshot(stream: Stream, now_s: float) -> CameraSnapshot:
    """The camera of `stream` now."""
    capture, areas = stream.capture, stream.areas
    ages_ms = stream.throughput.ages_ms(50, 99) if capture.is_live else None
    return CameraSnapshot(
        name=stream.origin.camera,
        run=stream.origin.run,
        state=stream.state,
        since_s=stream.since_s,
        reason=redacted(stream.reason),
        trouble=redacted(capture.trouble),
        is_live=capture.is_live,
        size=stream.size,
        fps=stream.throughput.fps(now_s),
        frame_ages_ms=None if ages_ms is None else (ages_ms[0], ages_ms[1]),
        frame_ages=stream.throughput.ages.histogram(),
        reads=of_span(capture.reads),
        tracked=stream.tracked,
        detected=stream.detected,
        detect_every=stream.detect_every,
        dropped=capture.slot.dropped,
        corrupt=capture.corrupt,
        reconnects=max(0, capture.connects - 1),
        shown=stream.shown,
        people=areas.people,
        crossings=areas.crossings,
        identities=dict(stream.tallies.identities),
        dwells={zone: dwells.histogram() for zone, dwells in stream.tallies.dwells.items()},
        speeds_mps=areas.speeds_mps,
        view=stream.view,
    )


def network_snapshots(
    detectors: Sequence[Detector | JointDetector], embedder: Embedder | None, pack: str
) -> tuple[NetworkSnapshot, ...]:
    """The networks of the pack of that name."""
    backends = {"detector": detectors[0].backend}
    backends |= {f"detector {number}": another.backend for number, another in enumerate(detectors[1:], 2)}
    if embedder is not None:
        backends["reid"] = embedder.backend
    return tuple(NetworkSnapshot(name, pack, backend.running) for name, backend in backends.items())


def output_snapshots(outputs: Iterable[Queued]) -> tuple[OutputSnapshot, ...]:
    """The outputs now."""
    return tuple(OutputSnapshot(o.name, o.written, o.dropped, redacted(o.trouble)) for o in outputs)


def stage_snapshots(spans: Spans) -> tuple[StageSnapshot, ...]:
    """The stages that ran."""
    found = []
    for name, span in spans:
        recent_ms = span.recent_ms()
        if len(recent_ms):
            p50_ms, p99_ms = np.percentile(recent_ms, (50, 99))
            found.append(StageSnapshot(name, of_span(span), float(p50_ms), float(p99_ms)))
    return tuple(found)
