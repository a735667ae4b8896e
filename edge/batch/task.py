"""The task function: one recording tracked and counted, its results put into the output folder."""

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from edge.batch.folder import Folder
from edge.batch.formats import open_output, suffixes
from edge.batch.manifest import SCHEMA, Figures, Input, Manifest, Result
from edge.batch.recording import Recording, Settings, digest
from edge.batch.source import at_hand
from edge.batch.tally import Tally
from edge.chain.chain import Chain
from edge.chain.offline import Recording as SecondPass
from edge.chain.overlap import tracked
from edge.chain.pipeline import Pipeline
from edge.events import Event, Lives, Moment, Origin, UntilTheEnd, in_order
from edge.modelpack import sha256_of
from edge.service.counting.areas import Areas
from edge.types import Frame, Tracks
from edge.video.ahead import Ahead
from edge.video.open import open_source

Report = Callable[[float, float], None]  # seconds of video that are done, and the share of the work, 0..1

_REPORT_S = 0.5
_RUN_DIGITS = 8  # of `edge.events.Origin.run`, as everywhere


class Done(NamedTuple):
    """`manifest` is in place; `tracked` is False where the results of an earlier run still held."""

    manifest: Manifest
    tracked: bool


class _Shown(NamedTuple):
    """A frame without its picture, and its tracks."""

    number: int
    time_s: float
    tracks: Tracks


def track(recording: Recording, settings: Settings, pipeline: Pipeline, folder: Folder, report: Report) -> Done:
    """Track one recording and put whole results into `folder`; `pipeline` is used again and again.

    Results that an earlier run left of the same content and settings stay. `report` is called twice a second at most.
    Raises what is wrong with the recording or the folder; then nothing of this attempt is left.
    """
    progress = _Progress(report)
    wanted = settings.sha256_for(recording)
    files: dict[str, Path] = {}
    with contextlib.ExitStack() as stack:
        with at_hand(recording.address, folder, progress.beat) as (here, found):
            run = digest([recording.name, wanted, found.sha256])[:_RUN_DIGITS]
            known = folder.manifest(recording.name)
            kept = known if known is not None and _holds(known, wanted, found, folder) else None
            if kept is None:
                for suffix in suffixes(settings.format, counts=recording.has_areas):
                    files[recording.name + suffix] = folder.temporary(suffix)
                    stack.callback(files[recording.name + suffix].unlink, missing_ok=True)
                figures: Figures | None = _write(
                    recording, settings.offline, pipeline, here, run, files.values(), progress
                )
        if kept is not None:
            results, figures = kept.results, kept.figures
        else:
            results = tuple(_result(name, path) for name, path in files.items())
        manifest = Manifest(SCHEMA, run, recording, found, settings, wanted, "done", results, figures)
        folder.commit(manifest, files)
    return Done(manifest, kept is None)


def _holds(known: Manifest, wanted: str, found: Input, folder: Folder) -> bool:
    """Whether the results that `known` tells of are those of this content and these settings."""
    same = known.status == "done" and known.settings_sha256 == wanted and known.input.sha256 == found.sha256
    return same and folder.is_complete(known)


def _result(name: str, path: Path) -> Result:
    return Result(name, path.stat().st_size, sha256_of(path))


def _write(
    recording: Recording,
    offline: bool,
    pipeline: Pipeline,
    here: str,
    run: str,
    paths: Iterable[Path],
    progress: "_Progress",
) -> Figures:
    """Track what lies `here` and write all events to the files; what they add up to."""
    origin = Origin(run, recording.name, pipeline.classes)
    areas = Areas(origin, recording.zone, recording.line)
    tally, starts_s = Tally(recording), recording.starts_s
    with contextlib.ExitStack() as stack:
        source = stack.enter_context(contextlib.closing(open_source(here, recording.frame_rate)))
        pipeline.begin(source.frame_rate)
        progress.expect(source.frame_count, passes=1 + offline)
        memory = UntilTheEnd(pipeline.tracker.lost_s) if offline else pipeline.tracker
        lives = Lives(origin, memory)
        outputs = [stack.enter_context(contextlib.closing(open_output(path))) for path in paths]
        in_use = pipeline.workers * pipeline.detect_every + 1
        frames = stack.enter_context(contextlib.closing(Ahead(source, pipeline.spans, in_use)))
        results = stack.enter_context(contextlib.closing(tracked(pipeline, iter(frames))))

        def take(events: list[Event]) -> None:
            everything = [each for event in events for each in in_order(event, areas.note(event))]
            tally.add(everything)
            for output in outputs:
                output.write(everything)

        at = Moment(0.0, starts_s)
        for number, time_s, tracks in _second_pass(pipeline, results, progress) if offline else map(_shown, results):
            at = Moment(time_s, None if starts_s is None else starts_s + time_s)
            take(lives.observe(number, source.size, tracks, at))
            progress.note(time_s)
        take(lives.stop(at))
        return tally.figures(source.frame_rate, source.size)


def _shown(result: tuple[Frame, Tracks]) -> _Shown:
    frame, tracks = result
    return _Shown(frame.number, frame.time_s, tracks)


def _second_pass(chain: Chain, results: Iterable[tuple[Frame, Tracks]], progress: "_Progress") -> Iterator[_Shown]:
    """All frames with the tracks of the second pass."""
    recording = SecondPass(chain.tracker)
    times = []
    for frame, tracks in results:
        recording.add(frame.time_s, tracks, chain.detections if chain.was_detected else None)
        times.append((frame.number, frame.time_s))
        progress.note(frame.time_s)
    for (number, time_s), tracks in zip(times, recording.tracks(), strict=True):
        yield _Shown(number, time_s, tracks)


class _Progress:
    """Calls `report` with what is done, now and then."""

    def __init__(self, report: Report):
        self._report = report
        self._video_s, self._frames, self._expected = 0.0, 0, 0
        self._next_s = time.monotonic() + _REPORT_S

    def expect(self, frames: int | None, passes: int) -> None:
        """So many frames are to come (None: nobody knows), so many times."""
        self._expected = (frames or 0) * passes

    def note(self, time_s: float) -> None:
        """A frame is done."""
        self._video_s = max(self._video_s, time_s)
        self._frames += 1
        self.beat()

    def beat(self) -> None:
        """Something goes on."""
        now_s = time.monotonic()
        if now_s >= self._next_s:
            self._next_s = now_s + _REPORT_S
            self._report(self._video_s, min(1.0, self._frames / self._expected) if self._expected else 0.0)
