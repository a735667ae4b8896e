"""Detectors and trackers on benchmark sequences: a process a sequence, MOTChallenge text between the stages."""

import functools
import time
from collections.abc import Iterator, Mapping
from collections.abc import Sequence as Names
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from edge.detect.adopt import NONE, Overrides
from edge.errors import OutputError, UsageError
from edge.infer.backend import BackendName, VariantName
from edge.motchallenge import format_detections, format_rows, read_detections
from edge.track.registry import BUILT_IN, PEERS, choose
from edge.types import Frame, Tracks
from edge.val import embeddings, parallel
from edge.val.dataset import Sequence
from edge.val.embeddings import Embeddings
from edge.val.parallel import Progress, Report
from edge.val.score import COMBINED, METRICS, Result, Scores, combine, judge, judge_version, scores

_REPORT_EVERY = 50  # frames between two reports of progress where a frame takes less than a millisecond


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of a comparison: a tracking method, its preset and parameters.

    `appearance` is how embeddings are remembered, None: as the method does. `time_aware` False withholds the capture
    times, so that the tracker counts frames. `output_filter` leaves out boxes under 100 square pixels or wider than 1.6
    times their height, as the published evaluations of ByteTrack and SparseTrack do. `offline` adds the second pass of
    `edge.chain.offline`.
    """

    method: str
    preset: str = "default"
    parameters: Mapping[str, float] = field(default_factory=dict)
    time_aware: bool = True
    output_filter: bool = False
    appearance: str | None = None
    offline: bool = False

    @property
    def uses_appearance(self) -> bool:
        """Whether it compares embeddings. Raises UsageError for a method or preset that is unknown."""
        wanted = choose(self.method, self.preset).needs_embeddings if self.appearance is None else self.appearance
        return wanted not in (False, "none")

    @classmethod
    def parse(cls, text: str, preset: str = "default") -> "Setting":
        """A setting from `METHOD[:PRESET][:NAME=NUMBER]...`, as in "bytetrack:reference:track_thresh=0.3".

        A method from outside is `MODULE:NAME`.
        """
        method, *rest = text.split(":")
        if method not in (*BUILT_IN, *PEERS) and rest and "=" not in rest[0]:
            method, *rest = f"{method}:{rest[0]}", *rest[1:]
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
class Model:
    """A detector for the images: see `edge.detect.open.open_detector`."""

    path: Path
    classes: tuple[str, ...] = ("person",)
    floor: float | None = None
    backend: BackendName = "auto"
    variant: VariantName = "auto"
    overrides: Overrides = NONE


@dataclass(frozen=True, slots=True)
class Network:
    """An appearance network for the images: see `edge.reid.open.open_embedder`."""

    path: Path
    backend: BackendName = "auto"
    variant: VariantName = "auto"


@dataclass(frozen=True, slots=True)
class Job:
    """One sequence to score under a label: `setting` makes the file `tracks`; without one the file is there already.

    `embeddings` are those of the sequence's detections, for settings that use appearance.
    """

    label: str
    sequence: Sequence
    benchmark: str
    tracks: Path
    setting: Setting | None = None
    embeddings: Embeddings | None = None


class Judged(NamedTuple):
    """One sequence under one label: TrackEval's `result`, and what tracking took for so many `frames`.

    `seconds` is None where the tracks were there already.
    """

    result: Result
    frames: int
    seconds: float | None


def judged(
    jobs: list[Job], workers: int, progress: Progress = lambda job, frames: None
) -> dict[str, dict[str, Judged]]:
    """What came out by label, then by sequence.

    Raises UnavailableError without TrackEval, and what reading, tracking and scoring raise.
    """
    judge_version()  # fails here, before any work
    results = parallel.run(_track_and_judge, jobs, workers, progress, lambda job: _size(job.sequence))
    by_label: dict[str, dict[str, Judged]] = {}
    for job, result in zip(jobs, results, strict=True):
        by_label.setdefault(job.label, {})[job.sequence.name] = result
    return by_label


def scored(by_name: Mapping[str, Judged], metrics: Names[str] = METRICS) -> dict[str, Scores]:
    """The `metrics` of each sequence, and of all of them as `COMBINED`, which is last."""
    results = {name: each.result for name, each in by_name.items()}
    return {name: scores(each, metrics) for name, each in (results | {COMBINED: combine(results)}).items()}


def rates_fps(by_name: Mapping[str, Judged]) -> dict[str, float]:
    """Frames a second of tracking, by sequence and `COMBINED`; empty for tracks that were there already."""
    timed = {name: (each.frames, each.seconds) for name, each in by_name.items() if each.seconds is not None}
    if not timed:
        return {}
    timed[COMBINED] = sum(frames for frames, _ in timed.values()), sum(seconds for _, seconds in timed.values())
    return {name: frames / max(seconds, 1e-9) for name, (frames, seconds) in timed.items()}


def evaluate(
    jobs: list[Job], workers: int, progress: Progress = lambda job, frames: None
) -> dict[str, dict[str, Scores]]:
    """Scores by label, then by sequence, `COMBINED` last; see `edge.val.score.METRICS`. Percentages are 0..100.

    Raises as `judged`.
    """
    return {label: scored(by_name) for label, by_name in judged(jobs, workers, progress).items()}


def track(jobs: list[Job], workers: int, progress: Progress = lambda job, frames: None) -> None:
    """Write the tracks of `jobs` and score none: ground truth is not needed. Raises what reading and tracking raise."""
    parallel.run(_track_only, jobs, workers, progress, lambda job: _size(job.sequence))


def detect(
    sequences: list[Sequence],
    model: Model,
    folder: Path,
    workers: int,
    progress: Progress = lambda sequence, frames: None,
) -> list[Sequence]:
    """The sequences with detections of their own, written to `folder`/SEQUENCE.txt; only frames that have an image.

    Raises NotFoundError for a sequence without images, and what opening and running the model raises.
    """
    pictured = [replace(s, frames=np.array(list(s.images_by_frame()))) for s in sequences]
    work = functools.partial(_detect, model, folder)
    files = parallel.run(work, pictured, workers, progress, lambda s: len(s.frames))
    return [replace(s, detections=file) for s, file in zip(pictured, files, strict=True)]


def embed(
    sequences: list[Sequence],
    network: Network,
    folder: Path,
    workers: int,
    progress: Progress = lambda sequence, frames: None,
) -> tuple[list[Sequence], list[Embeddings]]:
    """Embeddings of the sequences' detections, written to `folder`; and the sequences with the frames that have images.

    Raises NotFoundError for a sequence without images, and what opening and running the network raises.
    """
    pictured = [replace(s, frames=np.array(list(s.images_by_frame()))) for s in sequences]
    work = functools.partial(_embed, network, folder)
    return pictured, parallel.run(work, pictured, workers, progress, lambda s: len(s.frames))


def _embed(network: Network, folder: Path, sequence: Sequence, report: Report) -> Embeddings:
    from edge.infer.ladder import Wish
    from edge.reid.open import open_embedder

    embedder = open_embedder(network.path, Wish(network.backend, network.variant))
    file = folder / f"{sequence.name}.npy"
    return embeddings.compute(embedder, sequence, _detections(sequence), file, report)


def _detections(sequence: Sequence) -> Path:
    if sequence.detections is None:
        raise UsageError(
            f"{sequence.name}: no det/det.txt beside its ground truth; add --detections DIR or --model PACK"
        )
    return sequence.detections


def _size(sequence: Sequence) -> int:
    """As long as it is crowded, where that is known."""
    truth = sequence.ground_truth
    return truth.stat().st_size if truth.is_file() else len(sequence.frames)


def _detect(model: Model, folder: Path, sequence: Sequence, report: Report) -> Path:
    from edge.detect.open import open_detector
    from edge.video.images import read_image

    detector = open_detector(
        model.path,
        classes=model.classes,
        floor=model.floor,
        backend=model.backend,
        variant=model.variant,
        overrides=model.overrides,
    )
    rows, images = [], sequence.images_by_frame()
    for done, number in enumerate(sequence.frames.tolist()):
        rows.append(format_detections(number, detector(read_image(images[number]))))
        report(done)
    report(len(sequence.frames))
    return _write(folder / f"{sequence.name}.txt", rows)


def _track_and_judge(job: Job, report: Report) -> Judged:
    seconds = _track(job.sequence, job.setting, job.embeddings, job.tracks, report) if job.setting else None
    result = judge(job.sequence, job.benchmark, job.tracks)
    report(len(job.sequence.frames))
    return Judged(result, len(job.sequence.frames), seconds)


def _track_only(job: Job, report: Report) -> None:
    if job.setting:
        _track(job.sequence, job.setting, job.embeddings, job.tracks, report)
    report(len(job.sequence.frames))


def _track(sequence: Sequence, setting: Setting, known: Embeddings | None, out: Path, report: Report) -> float:
    """Run the detections of the sequence's frames through a new tracker; `out` gets the sequence's frame numbers.

    The result is the seconds that tracking took, without reading and writing files.
    """
    from edge.chain.chain import Chain
    from edge.chain.detections import Recorded
    from edge.chain.offline import finished
    from edge.reid.stage import ReidStage
    from edge.track.tracker import Tracker

    detections = _detections(sequence)
    frame_rate, numbers = sequence.frame_rate, sequence.frames.tolist()
    tracker = Tracker(
        setting.method,
        frame_rate,
        setting.preset,
        appearance=setting.appearance,
        class_groups=None,
        **setting.parameters,
    )
    looked_up = embeddings.Known(known, sequence, detections) if known and setting.uses_appearance else None
    reid = ReidStage(looked_up, tracker) if looked_up else None
    chain = Chain(Recorded(read_detections(detections, sequence.info.frame_count)), tracker, reid=reid)
    blank = np.empty((0, 0, 3), np.uint8)

    def frames() -> Iterator[Frame]:
        for done, (number, time_s) in enumerate(zip(numbers, sequence.times_s.tolist(), strict=True)):
            if looked_up:
                looked_up.number = number
            yield Frame(blank, number, time_s if setting.time_aware else done / frame_rate)
            if done % _REPORT_EVERY == 0:
                report(done)

    start_s = time.perf_counter()
    shown = list(finished(chain, frames()) if setting.offline else map(chain, frames()))
    seconds = time.perf_counter() - start_s
    kept = map(upright, shown) if setting.output_filter else shown
    _write(out, [format_rows(number, tracks) for number, tracks in zip(numbers, kept, strict=True)])
    return seconds


def _write(path: Path, rows: list[str]) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(rows), "utf-8")
    except OSError as error:
        raise OutputError(f"{path}: cannot write it: {error.strerror}") from error
    return path


def upright(tracks: Tracks) -> Tracks:
    """The tracks that `Setting.output_filter` leaves."""
    width, height = (tracks.boxes_xyxy[:, 2:] - tracks.boxes_xyxy[:, :2]).T
    keep = (width * height > 100) & (width <= 1.6 * height)
    return Tracks(*(getattr(tracks, name)[keep] for name in Tracks.__slots__))
