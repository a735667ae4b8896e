"""Runs the chain and measures it: as fast as possible over a recording, then at its frame rate, as of a camera."""

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from edge.chain.pipeline import Pipeline
from edge.errors import DataError
from edge.profile.camera import Camera
from edge.profile.report import Live, Rate, Stage
from edge.sinks.recording import RecordingOutputs
from edge.spans import KEPT, Span, Spans, bin_edges_ms, percentiles_ms
from edge.types import Frame, Int64s, Tracks
from edge.video.ahead import Ahead
from edge.video.source import Source

# Enough parts of a run to see how it varies, each long enough for a median.
BLOCKS = 20
WARM_UP_FRAMES = 30
# The span around everything that is done with a frame once it is decoded.
WHOLE = "frame"
_BEFORE = ("decode", "wait")


@dataclass(frozen=True)
class Plan:
    """How long to measure: `frames` of them, or for `seconds` where that is None."""

    seconds: float
    frames: int | None = None
    warm_up_frames: int = WARM_UP_FRAMES

    def part_ended(self, part: int, frames: int, seconds: float) -> bool:
        """Whether the part'th of BLOCKS (from 1) is over after so many frames and seconds."""
        share = part / BLOCKS
        return frames >= share * self.frames if self.frames else seconds >= share * self.seconds


class Chain:
    """A pipeline with its outputs: `chain(frame)` does all that is done with a frame, with a span around each part."""

    def __init__(self, pipeline: Pipeline, outputs: RecordingOutputs, spans: Spans):
        self.pipeline, self.spans = pipeline, spans
        self._whole = spans[WHOLE]
        self._outputs = outputs

    def __call__(self, frame: Frame) -> Tracks:
        """The tracks of `frame`, once they are written."""
        with self._whole:
            tracks = self.pipeline(frame)
            self._outputs.write(frame, tracks)
        return tracks


class Recorder:
    """What the spans of a run gathered since this object was made, and the medians of its parts."""

    def __init__(self, spans: Spans):
        self._spans = spans
        self._before = {name: (span.count, span.total_ns, span.histogram()) for name, span in spans}
        self._counts = {name: count for name, (count, _, _) in self._before.items()}
        self._medians: dict[str, list[float]] = {}

    def end_part(self) -> None:
        """A part of the run is over."""
        for name, span in self._spans:
            new = span.count - self._counts.get(name, 0)
            if new:
                latest = span.recent_ms()[-min(new, KEPT) :]
                self._medians.setdefault(name, []).append(float(np.median(latest)))
            self._counts[name] = span.count

    def stages(self) -> tuple[Stage, ...]:
        """Every stage that ran: what brings frames first, the whole last."""
        found = []
        for name, span in self._spans:
            count, total_ns, histogram = self._before.get(name, (0, 0, np.int64(0)))
            if span.count > count:
                found.append(
                    _stage(name, span, span.total_ns - total_ns, span.histogram() - histogram, self._medians[name])
                )
        return tuple(sorted(found, key=lambda stage: (stage.name not in _BEFORE, stage.name == WHOLE)))


def _stage(name: str, span: Span, total_ns: int, histogram: Int64s, medians: list[float]) -> Stage:
    edges = bin_edges_ms()
    calls = int(histogram.sum())
    p50_ms, p90_ms, p99_ms, p999_ms, max_ms = percentiles_ms(histogram, (50, 90, 99, 99.9, 100))
    return Stage(
        name=name,
        thread="main" if span.thread == threading.main_thread().name else span.thread,
        calls=calls,
        mean_ms=total_ns / calls / 1e6,
        p50_ms=p50_ms,
        p90_ms=p90_ms,
        p99_ms=p99_ms,
        p999_ms=p999_ms,
        max_ms=max_ms,
        histogram=tuple((float(edges[bin_]), int(histogram[bin_])) for bin_ in np.flatnonzero(histogram)),
        block_medians_ms=tuple(medians),
    )


def run_free(
    chain: Chain, source: Source, plan: Plan, during: contextlib.AbstractContextManager[object]
) -> tuple[Rate, tuple[Stage, ...]]:
    """Track as fast as it goes, one frame after another as the daemon does, the next ones being decoded meanwhile.

    `source` must not end; it is closed. `during` is entered when the warm-up is over. Raises what the chain raises.
    """
    with contextlib.closing(Ahead(source, chain.spans)) as ahead:
        frames = iter(ahead)
        for _ in range(plan.warm_up_frames):
            chain(_next(frames))
        with during:
            return _measured(chain, frames, plan)


def _measured(chain: Chain, frames: Iterator[Frame], plan: Plan) -> tuple[Rate, tuple[Stage, ...]]:
    recorder = Recorder(chain.spans)
    count = people = part_frames = 0
    part, block_fps = 1, []
    start_s = part_s = now_s = time.perf_counter()
    while part <= BLOCKS:
        people += len(chain(_next(frames)))
        count += 1
        part_frames += 1
        now_s = time.perf_counter()
        if plan.part_ended(part, count, now_s - start_s):
            block_fps.append(part_frames / (now_s - part_s))
            recorder.end_part()
            while part <= BLOCKS and plan.part_ended(part, count, now_s - start_s):
                part += 1  # a frame may last longer than a part
            part_frames, part_s = 0, now_s
    seconds = now_s - start_s
    return Rate(count, seconds, count / seconds, people / count, tuple(block_fps)), recorder.stages()


def _next(frames: Iterator[Frame]) -> Frame:
    frame = next(frames, None)
    if frame is None:
        raise DataError("the source has no frames; choose another")
    return frame


def run_live(chain: Chain, source: Source, seconds: float, warm_up_frames: int = 5) -> Live:
    """Track the newest frame of a simulated camera, as the daemon does, for `seconds`.

    `source` must not end; it is closed. Raises what the chain raises.
    """
    ages_s, ends_s = [], []
    with contextlib.closing(Camera(source, chain.spans)) as camera:
        for index, (frame, due_s) in enumerate(camera):
            chain(frame)
            end_s = time.perf_counter()
            if index < warm_up_frames:
                start_s, offered, dropped = end_s, camera.offered, camera.dropped
                continue
            ages_s.append(end_s - due_s)
            ends_s.append(end_s)
            if end_s - start_s >= seconds and len(ends_s) > 2:
                break
        offered, dropped = camera.offered - offered, camera.dropped - dropped
    age_p50_ms, age_p99_ms, age_max_ms = 1000 * np.percentile(ages_s, (50, 99, 100))
    intervals_ms = 1000 * np.diff(ends_s)
    return Live(
        frame_rate=source.frame_rate,
        seconds=end_s - start_s,
        offered=offered,
        tracked=len(ends_s),
        dropped=dropped,
        age_p50_ms=float(age_p50_ms),
        age_p99_ms=float(age_p99_ms),
        age_max_ms=float(age_max_ms),
        jitter_ms=float(np.std(intervals_ms)),
        interval_p99_ms=float(np.percentile(intervals_ms, 99)),
    )
