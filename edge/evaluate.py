"""Trackers on benchmark sequences: replays detections through them, one process a sequence, and has them judged."""

import contextlib
import functools
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge.benchmark import Sequence
from edge.errors import NanoTrackError, OutputError, UsageError
from edge.judge import COMBINED, Result, Scores, combine, judge, judge_version, scores
from edge.motchallenge import format_rows, read_detections
from edge.types import Tracks

_REPORT_EVERY = 50  # frames between two reports of progress: about 10 a second for each process


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of a comparison: a tracking method, its preset and parameters.

    `time_aware` False withholds the capture times, so that the tracker counts frames. `output_filter` leaves out boxes
    under 100 square pixels or wider than 1.6 times their height, as the published evaluations of ByteTrack and
    SparseTrack do.
    """

    method: str
    preset: str = "default"
    parameters: Mapping[str, float] = field(default_factory=dict)
    time_aware: bool = True
    output_filter: bool = False

    @classmethod
    def parse(cls, text: str, preset: str = "default") -> "Setting":
        """A setting from `METHOD[:PRESET][:NAME=NUMBER]...`, as in "nanotrack:reference:track_thresh=0.3"."""
        method, *rest = text.split(":")
        parameters: dict[str, float] = {}
        for part in rest:
            name, equals, number = part.partition("=")
            if not equals:
                preset = part
                continue
            try:
                parameters[name] = int(number) if number.isdecimal() else float(number)
            except ValueError:
                raise UsageError(f"{text}: expected a number as {name}, found {number!r}") from None
        return cls(method, preset, parameters)


@dataclass(frozen=True, slots=True)
class Job:
    """One sequence to score under a label: `setting` makes the file `tracks`; without one the file is there already."""

    label: str
    sequence: Sequence
    benchmark: str
    tracks: Path
    setting: Setting | None = None


Progress = Callable[[int, int], None]  # index of the job, frames tracked so far; all of them: tracked and judged


def evaluate(
    jobs: list[Job], workers: int, progress: Progress = lambda job, frames: None
) -> dict[str, dict[str, Scores]]:
    """Scores by label, then by sequence, `COMBINED` last; see `edge.judge.METRICS`. Percentages are 0..100.

    Raises UnavailableError without TrackEval, and what reading, tracking and scoring raise.
    """
    judge_version()  # fails here, before any work
    by_label: dict[str, dict[str, Result]] = {}
    for job, result in zip(jobs, _run(jobs, workers, progress), strict=True):
        by_label.setdefault(job.label, {})[job.sequence.name] = result
    return {
        label: {name: scores(result) for name, result in (results | {COMBINED: combine(results)}).items()}
        for label, results in by_label.items()
    }


def _run(jobs: list[Job], workers: int, progress: Progress) -> list[Result]:
    """TrackEval's results, in the order of the jobs."""
    if workers == 1:
        return [_work(job, functools.partial(progress, i)) for i, job in enumerate(jobs)]
    # Spawned, not forked: Numba and inference runtimes do not survive a fork of their threads.
    context = multiprocessing.get_context("spawn")
    longest_first = sorted(range(len(jobs)), key=lambda i: -jobs[i].sequence.ground_truth.stat().st_size)
    with _single_threaded_libraries(), context.Manager() as manager:
        reports = manager.Queue()
        # Ctrl-C is for the parent, which then lets no further job start.
        with ProcessPoolExecutor(workers, context, signal.signal, (signal.SIGINT, signal.SIG_IGN)) as pool:
            futures = {i: pool.submit(_work, jobs[i], functools.partial(_send, reports, i)) for i in longest_first}
            try:
                pending = set(futures.values())
                while pending:
                    finished, pending = wait(pending, timeout=0.1)
                    while not reports.empty():
                        progress(*reports.get())
                    for future in finished:
                        future.result()  # stop at the first failure
                return [futures[i].result() for i in range(len(jobs))]
            except BrokenProcessPool as error:
                raise NanoTrackError("a process that was tracking died: out of memory? try fewer --workers") from error
            finally:
                pool.shutdown(wait=True, cancel_futures=True)


def _send(reports: Any, job: int, frames: int) -> None:
    reports.put((job, frames))


@contextlib.contextmanager
def _single_threaded_libraries() -> Iterator[None]:
    """One thread for BLAS in processes started meanwhile: they are as many as the cores already."""
    before = dict(os.environ)
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _work(job: Job, report: Callable[[int], None]) -> Result:
    if job.setting:
        _track(job.sequence, job.setting, job.tracks, report)
    result = judge(job.sequence, job.benchmark, job.tracks)
    report(len(job.sequence.frames))
    return result


def _track(sequence: Sequence, setting: Setting, out: Path, report: Callable[[int], None]) -> None:
    """Run the detections of the sequence's frames through a new tracker; `out` gets the sequence's frame numbers."""
    from edge.track.tracker import Tracker

    if sequence.detections is None:
        raise UsageError(f"{sequence.name}: no det/det.txt beside its ground truth; name a folder with --detections")
    detections = read_detections(sequence.detections, sequence.info.frame_count)
    frame_rate = sequence.info.frame_rate
    tracker = Tracker(setting.method, frame_rate=frame_rate, preset=setting.preset, **setting.parameters)
    rows = []
    for done, number in enumerate(sequence.frames.tolist()):
        tracks = tracker.update(detections[number - 1], (number - 1) / frame_rate if setting.time_aware else None)
        rows.append(format_rows(number, _upright(tracks) if setting.output_filter else tracks))
        if done % _REPORT_EVERY == 0:
            report(done)
    try:
        out.write_text("".join(rows), "utf-8")
    except OSError as error:
        raise OutputError(f"{out}: cannot write tracks: {error.strerror}") from error


def _upright(tracks: Tracks) -> Tracks:
    width, height = (tracks.boxes_xyxy[:, 2:] - tracks.boxes_xyxy[:, :2]).T
    keep = (width * height > 100) & (width <= 1.6 * height)
    return Tracks(*(getattr(tracks, name)[keep] for name in Tracks.__slots__))
