"""The task function: one recording tracked and counted, its results put into the output folder."""

import contextlib
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from edge.batch import kept
from edge.batch.folder import Folder
from edge.batch.formats import open_output, suffixes
from edge.batch.manifest import SCHEMA, Input, Manifest, Result
from edge.batch.recording import Recording, Settings, digest
from edge.batch.source import at_hand, seen
from edge.batch.tally import Tally
from edge.chain.chain import Chain
from edge.chain.offline import Recording as SecondPass
from edge.chain.overlap import tracked
from edge.chain.pipeline import Pipeline
from edge.events import Event, Lives, Moment, Observed, Origin, UntilTheEnd, in_order
from edge.modelpack import sha256_of
from edge.service.counting.areas import Areas
from edge.types import Frame, Tracks
from edge.video.ahead import Ahead
from edge.video.open import open_source
from edge.video.source import Source

Report = Callable[[float, float], None]  # seconds of video that are done, and the share of the work, 0..1

_REPORT_S = 0.5
_RUN_DIGITS = 8  # of `edge.events.Origin.run`, as everywhere


class Done(NamedTuple):
    """`manifest` is in place; `is_new` is False where the results of an earlier run still held."""

    manifest: Manifest
    is_new: bool


class _Shown(NamedTuple):
    """A frame without its picture, and its tracks."""

    number: int
    time_s: float
    tracks: Tracks


def track(recording: Recording, settings: Settings, pipeline: Pipeline, folder: Folder, report: Report) -> Done:
    """Track one recording and put whole results into `folder`; `pipeline` is used again and again.

    Results that an earlier run left of the same content and settings stay. Where only that changed which does not
    touch the tracks, as zones or the format, results are made of the tracks that were kept. `report` is called twice a
    second at most. Raises what is wrong with the recording or the folder; then nothing of this attempt is left.
    """
    progress = _Progress(report)
    wanted, of_tracks = settings.sha256_for(recording), settings.tracks_sha256_for(recording)
    files: dict[str, Path] = {}
    with contextlib.ExitStack() as stack:

        def temporary(suffix: str) -> Path:
            path = files[recording.name + suffix] = folder.temporary(suffix)
            stack.callback(path.unlink, missing_ok=True)
            return path

        earlier = _earlier(recording, wanted, of_tracks, folder)
        if earlier is not None and _is_as_it_was(earlier.input, recording.address):
            found = earlier.input
        else:
            here, found = stack.enter_context(at_hand(recording.address, folder, progress.beat))
            if earlier is not None and earlier.input.sha256 != found.sha256:
                earlier = None
        run = digest([recording.name, of_tracks, found.sha256])[:_RUN_DIGITS]
        origin = Origin(run, recording.name, pipeline.classes)
        is_new = earlier is None or not _holds(earlier, wanted, folder)
        if not is_new:
            assert earlier is not None
            results, tracks, figures = earlier.results, earlier.tracks, earlier.figures
        else:
            paths = [temporary(suffix) for suffix in suffixes(settings.format, counts=recording.has_areas)]
            if earlier is not None and earlier.tracks is not None and earlier.figures is not None:
                was, tracks = earlier.figures, earlier.tracks
                events = kept.replay(folder.path / tracks.file, origin, (was.width, was.height), recording.starts_s)
                progress.expect(was.frames, passes=1)
                tally = _write(recording, origin, progress.noted(events), paths)
                figures = tally.figures(was.frame_rate, (was.width, was.height))
            else:
                path = temporary(kept.SUFFIX)
                with contextlib.closing(open_source(here, recording.frame_rate)) as source:
                    watched = _watched(source, pipeline, settings.offline, origin, recording.starts_s, progress)
                    with contextlib.closing(watched) as batches:
                        tally = _write(recording, origin, batches, [*paths, path])
                    figures = tally.figures(source.frame_rate, source.size)
                tracks = _result(recording.name + kept.SUFFIX, path)
            results = tuple(_result(name, path) for name, path in files.items() if path in paths)
        manifest = Manifest(
            SCHEMA, run, recording, found, settings, wanted, of_tracks, "done", results, tracks, figures
        )
        folder.commit(manifest, files)
    return Done(manifest, is_new)


def _earlier(recording: Recording, wanted: str, of_tracks: str, folder: Folder) -> Manifest | None:
    """The manifest of an earlier run whose results, or else whose tracks, are those of these settings and whole."""
    known = folder.manifest(recording.name)
    if known is None or known.status != "done" or known.tracks_sha256 != of_tracks:
        return None
    return known if _holds(known, wanted, folder) or _tracks_are_whole(known, folder) else None


def _holds(known: Manifest, wanted: str, folder: Folder) -> bool:
    """Whether the results that `known` tells of are those of these settings, and there."""
    return known.settings_sha256 == wanted and folder.is_complete(known)


def _tracks_are_whole(known: Manifest, folder: Folder) -> bool:
    try:
        return known.tracks is not None and sha256_of(folder.path / known.tracks.file) == known.tracks.sha256
    except OSError:
        return False


def _is_as_it_was(known: Input, address: str) -> bool:
    """Whether the file has the size and the stamp that it had, so that it need not be read."""
    now = seen(address)
    return bool(now.stamp) and (now.bytes, now.stamp) == (known.bytes, known.stamp)


def _result(name: str, path: Path) -> Result:
    return Result(name, path.stat().st_size, sha256_of(path))


def _write(recording: Recording, origin: Origin, batches: Iterable[list[Event]], paths: Iterable[Path]) -> Tally:
    """Count what happens in zones and at lines, and write everything to the files; what it adds up to."""
    areas, tally = Areas(origin, recording.zone, recording.line), Tally(recording)
    with contextlib.ExitStack() as stack:
        outputs = [stack.enter_context(contextlib.closing(open_output(path))) for path in paths]
        for events in batches:
            everything = [each for event in events for each in in_order(event, areas.note(event))]
            tally.add(everything)
            for output in outputs:
                output.write(everything)
    return tally


def _watched(
    source: Source, pipeline: Pipeline, offline: bool, origin: Origin, starts_s: float | None, progress: "_Progress"
) -> Generator[list[Event], None, None]:
    """The events of the identities, frame by frame, those of their end last."""
    pipeline.begin(source.frame_rate)
    progress.expect(source.frame_count, passes=1 + offline)
    memory = UntilTheEnd(pipeline.tracker.lost_s) if offline else pipeline.tracker
    lives = Lives(origin, memory)
    with contextlib.ExitStack() as stack:
        in_use = pipeline.workers * pipeline.detect_every + 1
        frames = stack.enter_context(contextlib.closing(Ahead(source, pipeline.spans, in_use)))
        results = stack.enter_context(contextlib.closing(tracked(pipeline, iter(frames))))
        at = Moment(0.0, starts_s)
        for number, time_s, tracks in _second_pass(pipeline, results, progress) if offline else map(_shown, results):
            at = Moment(time_s, None if starts_s is None else starts_s + time_s)
            yield lives.observe(number, source.size, tracks, at)
            progress.note(time_s)
        yield lives.stop(at)


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

    def noted(self, events: Iterable[Event]) -> Iterator[list[Event]]:
        """The events, one by one; a frame is done when the next event is asked for."""
        for event in events:
            yield [event]
            if isinstance(event, Observed):
                self.note(event.at.time_s)

    def beat(self) -> None:
        """Something goes on."""
        now_s = time.monotonic()
        if now_s >= self._next_s:
            self._next_s = now_s + _REPORT_S
            self._report(self._video_s, min(1.0, self._frames / self._expected) if self._expected else 0.0)
