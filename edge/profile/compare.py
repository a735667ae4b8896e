"""Runs a pack in every way this board can, in rounds of short runs: heat and other programs then meet all alike."""

import contextlib
import datetime
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median

import numpy as np

from edge import modelpack
from edge.chain.overlap import tracked
from edge.console.outgoing import redacted
from edge.console.running import Progress
from edge.errors import DataError, UnavailableError
from edge.events import Origin
from edge.infer.ladder import LADDER, Ladder, Wish
from edge.infer.reasons import RungError, Skip, summary
from edge.profile import profiler, reliability
from edge.profile.agreement import Shown, agreement
from edge.profile.choices import VERSION, Choice, Comparison, judged, passed_by, recommendation
from edge.profile.profiler import Wishes
from edge.profile.watch import Watch
from edge.reid.stage import Policy
from edge.sinks.mot import MotText
from edge.sinks.recording import RecordingOutputs
from edge.spans import Spans
from edge.track import registry
from edge.types import Frame
from edge.video.ahead import Ahead
from edge.video.loop import Looped

ROUNDS = 3
_WARM_UP_FRAMES = 3
_LEAST_FRAMES = 10  # of a run, also on the slowest board
_POLICIES: tuple[Policy, ...] = ("auto", "always")
_REFERENCE = "onnxruntime-fp32"


@dataclass
class _Candidate:
    """A way to run, and what its runs gave: rates, latencies, watts of the board, what other programs took."""

    wishes: Wishes
    rung: str
    rounds_fps: list[float] = field(default_factory=list)
    latencies_ms: list[float] = field(default_factory=list)
    watts: list[float] = field(default_factory=list)
    elsewhere: list[float] = field(default_factory=list)
    shown: list[Shown] = field(default_factory=list)  # in the first run, from the first frame on


def compare(wishes: Wishes, seconds: float, say: Callable[[str], None]) -> Comparison:
    """Measure every choice for about `seconds`, in ROUNDS runs. Threads go up to `wishes.threads`.

    Raises NotFoundError, DataError, UsageError or UnavailableError with what is wrong.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        open_one = profiler.recording(wishes.source, folder, say)
        with contextlib.closing(open_one()) as source:
            width, height = source.size
        say("finding out what this board can run")
        rungs, passed_over = _rungs(wishes)
        candidates = _candidates(wishes, rungs)
        with Progress(ROUNDS * len(candidates)) as progress:
            for number in range(ROUNDS):
                for candidate in candidates:
                    progress.advance(f"round {number + 1} of {ROUNDS}: {candidate.rung}, {candidate.wishes.method}")
                    _run(candidate, Looped(open_one), seconds / ROUNDS, folder / "tracks.txt")
    here = profiler.machine()
    choices = judged([_choice(candidate, candidates) for candidate in candidates])
    elsewhere = [share for candidate in candidates for share in candidate.elsewhere]
    return Comparison(
        schema=VERSION,
        created=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        machine=here,
        pack=profiler.pack_name(wishes.model),
        source=redacted(wishes.source),
        width=width,
        height=height,
        choices=choices,
        passed_over=passed_over,
        warnings=(
            *passed_by(choices, wishes.method),
            *reliability.shared(median(elsewhere) if elsewhere else None),
            *reliability.unpinned(here.clocks),
        ),
        recommendation=recommendation(choices, wishes.method),
    )


def _rungs(wishes: Wishes) -> tuple[list[str], tuple[str, ...]]:
    """The rungs that open here, and why the others do not."""
    if wishes.model.is_file():
        return ["onnxruntime"], ()
    pack = modelpack.read(wishes.model)
    able, skips = [], []
    for rung in LADDER:
        try:
            Ladder(Wish(require=rung.name)).open_rung(rung, pack, "detector").backend.close()
        except RungError as error:
            skips.append(Skip(rung.name, error.reason, error.detail))
        else:
            able.append(rung.name)
    if not able:
        raise UnavailableError(f"{wishes.model}: nothing runs it here: {summary(skips)}")
    return able, tuple(f"{skip.rung}: {skip.reason.value}" for skip in skips)


def _on(rung: str, wishes: Wishes) -> Wishes:
    require = None if wishes.model.is_file() else rung
    return replace(wishes, backend="auto", variant="auto", require=require)


def _candidates(wishes: Wishes, rungs: Sequence[str]) -> list[_Candidate]:
    """Every rung with every number of threads; with one thread every method, and appearance where it can."""
    pack = None if wishes.model.is_file() else modelpack.read(wishes.model)
    is_joint = pack is not None and pack.detector.is_joint
    ours = registry.choose(wishes.method)
    with_reid = pack is not None and pack.reid is not None and ours.takes_appearance and not ours.needs_embeddings
    known = [registry.choose(name) for name in registry.BUILT_IN]
    methods = [c.name for c in known if not c.needs_embeddings or (is_joint and c.method.is_joint)]
    found = []
    for rung in rungs:
        here = _on(rung, wishes)
        for threads, side_by_side in _threads(rung, wishes.threads):
            if not (side_by_side and is_joint):  # it needs the tracks of the frame before
                found.append(_Candidate(replace(here, threads=threads, side_by_side=side_by_side), rung))
        one = replace(here, threads=1)
        found += [_Candidate(replace(one, method=name), rung) for name in methods if name != wishes.method]
        if with_reid:
            found += [_Candidate(replace(one, reid=policy), rung) for policy in _POLICIES]
    return found


def _threads(rung: str, most: int) -> Iterator[tuple[int, bool]]:
    """Threads of the network, and whether each has a frame of its own."""
    on_gpu = rung.startswith("tensorrt")
    for threads in range(1, 2 if on_gpu else most + 1):
        yield threads, False
        if threads > 1 or on_gpu:
            yield threads, True


def _run(candidate: _Candidate, source: Looped, seconds: float, out: Path) -> None:
    """One of the candidate's runs, from the first frame of the recording on."""
    spans, watch, taken_s = Spans(), Watch(), dict[int, float]()
    pipeline = candidate.wishes.pipeline(source.frame_rate, spans)
    count, start_s, is_first = 0, 0.0, not candidate.rounds_fps
    with contextlib.ExitStack() as stack:
        ahead = stack.enter_context(contextlib.closing(Ahead(source, spans, pipeline.workers + 1)))
        origin = Origin("compare", "compare", pipeline.classes)
        outputs = RecordingOutputs({"mot": MotText(out)}, origin, pipeline.tracker, spans)
        stack.callback(outputs.close)
        results = stack.enter_context(contextlib.closing(tracked(pipeline, _stamped(ahead, taken_s))))
        for frame, tracks in results:
            outputs.write(frame, tracks)
            now_s, count = time.perf_counter(), count + 1
            latency_ms = 1000 * (now_s - taken_s.pop(frame.number))
            if is_first:
                candidate.shown.append((tracks.ids.copy(), tracks.boxes_xyxy.copy()))
            if count == _WARM_UP_FRAMES:
                start_s = now_s
                stack.enter_context(watch)
            if count > _WARM_UP_FRAMES:
                candidate.latencies_ms.append(latency_ms)
                if now_s - start_s >= seconds and count >= _WARM_UP_FRAMES + _LEAST_FRAMES:
                    break
    if not count:
        raise DataError(f"{candidate.wishes.source}: the source has no frames; choose another")
    fps = (count - _WARM_UP_FRAMES) / (now_s - start_s)
    candidate.rounds_fps.append(fps)
    sensors = watch.sensors(fps)
    candidate.watts += [max(sensors.power_w.values())] if sensors.power_w else []  # the rail that feeds the others
    candidate.elsewhere += [] if sensors.elsewhere is None else [sensors.elsewhere]
    pipeline.detector.backend.close()


def _stamped(frames: Iterable[Frame], taken_s: dict[int, float]) -> Iterator[Frame]:
    """The frames, noting when each was taken."""
    for frame in frames:
        taken_s[frame.number] = time.perf_counter()
        yield frame


def _choice(candidate: _Candidate, candidates: Sequence[_Candidate]) -> Choice:
    wishes = candidate.wishes
    fps = median(candidate.rounds_fps)
    p50_ms, p99_ms = np.percentile(candidate.latencies_ms, (50, 99))
    tracking = wishes.method, wishes.reid
    of_reference = [e for e in candidates if e.rung == _REFERENCE and (e.wishes.method, e.wishes.reid) == tracking]
    return Choice(
        rung=candidate.rung,
        threads=wishes.threads,
        at_once=max(2, wishes.threads) if wishes.side_by_side else 1,
        method=wishes.method,
        reid=wishes.reid or "none",
        frames=len(candidate.latencies_ms),
        fps=fps,
        round_fps=tuple(candidate.rounds_fps),
        p50_ms=float(p50_ms),
        p99_ms=float(p99_ms),
        people=sum(len(ids) for ids, _ in candidate.shown) / len(candidate.shown),
        energy_mj=1000 * median(candidate.watts) / fps if candidate.watts else None,
        agreement=agreement(of_reference[0].shown, candidate.shown) if of_reference else None,
    )
