"""One profile from beginning to end: open, measure free running and live, gather the facts, judge."""

import contextlib
import datetime
import importlib.metadata
import os
import platform
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge import __version__, board, modelpack
from edge.chain.pipeline import Pipeline
from edge.console.outgoing import redacted
from edge.detect.adopt import NONE, Overrides
from edge.events import Origin
from edge.infer.backend import BackendName, VariantName
from edge.profile import bottleneck, bounds, measure, reliability, trace
from edge.profile.measure import Chain, Plan
from edge.profile.report import VERSION, Machine, Report, Setup, Stage
from edge.profile.watch import Watch
from edge.reid.stage import Policy
from edge.sinks.jsonl import JsonLines
from edge.sinks.mot import MotText
from edge.sinks.output import Output
from edge.sinks.recording import RecordingOutputs
from edge.spans import Spans
from edge.video.address import kind_of
from edge.video.loop import Looped
from edge.video.open import open_source
from edge.video.source import Source

PACKAGES = ("numpy", "numba", "opencv-python-headless", "onnxruntime", "openvino", "tensorrt", "pycuda")
# Of the built-in scene, a camera or a pipe so much is recorded into a video first, which can be read again and again.
RECORDED_FRAMES = 90


@dataclass(frozen=True)
class Wishes:
    """What to measure: fields as in `edge.Pipeline`. With `reid`, a policy, the appearance is a running mean."""

    model: Path
    source: str
    method: str = "nanotrack"
    backend: BackendName = "auto"
    variant: VariantName = "auto"
    require: str | None = None
    threads: int = 1
    side_by_side: bool = False
    reid: Policy | None = None
    classes: tuple[str, ...] = ("person",)
    floor: float | None = None
    overrides: Overrides = NONE

    def pipeline(self, frame_rate: float, spans: Spans) -> Pipeline:
        """The chain to measure. Raises as `edge.Pipeline`."""
        return Pipeline(
            self.model,
            method=self.method,
            frame_rate=frame_rate,
            classes=self.classes,
            floor=self.floor,
            backend=self.backend,
            variant=self.variant,
            require=self.require,
            threads=self.threads,
            side_by_side=self.side_by_side,
            appearance="ema" if self.reid else None,
            reid=self.reid or "auto",
            overrides=self.overrides,
            spans=spans,
        )


@dataclass(frozen=True)
class Run:
    """A report, and when each stage ran during the last frames of its free-running part."""

    report: Report
    events: list[trace.Event]


def profile(wishes: Wishes, plan: Plan, live_s: float, say: Callable[[str], None]) -> Run:
    """Measure; `live_s` 0 leaves the part at the frame rate out. `say` is told what is being done.

    Raises NotFoundError, DataError, UsageError or UnavailableError with what is wrong.
    """
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        open_one = recording(wishes.source, folder, say)
        spans = Spans()
        say("opening the model")
        source = Looped(open_one)
        pipeline = wishes.pipeline(source.frame_rate, spans)
        files = _outputs(folder)
        origin = Origin("profile", "profile", pipeline.classes)
        outputs = RecordingOutputs(files, origin, pipeline.tracker, spans)
        chain = Chain(pipeline, stack.enter_context(contextlib.closing(outputs)), spans)
        say(f"as fast as possible, {plan.frames} frames" if plan.frames else f"as fast as possible, {plan.seconds:g} s")
        watch = Watch()
        rate, stages = measure.run_free(chain, source, plan, watch)
        events = trace.events(spans)
        live = None
        if live_s:
            say(f"at the source's frame rate, {live_s:g} s")
            pipeline.tracker.reset()
            live = measure.run_live(chain, Looped(open_one), live_s)
    setup = _setup(wishes, pipeline, source, tuple(files))
    here, sensors = machine(), watch.sensors(rate.fps)
    threads, memory = watch.threads(rate.frames), watch.memory()
    whole = next(stage for stage in stages if stage.name == measure.WHOLE)
    report = Report(
        schema=VERSION,
        created=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        machine=here,
        setup=setup,
        rate=rate,
        stages=stages,
        live=live,
        threads=threads,
        memory=memory,
        sensors=sensors,
        warnings=reliability.warnings(here, sensors, rate, whole, threads, memory),
        findings=(
            *bottleneck.findings(setup, rate, stages, live, here.cores),
            *_bounds(wishes, pipeline, setup, stages),
        ),
    )
    return Run(report, events)


def recording(text: str, folder: Path, say: Callable[[str], None]) -> Callable[[], Source]:
    """How to open the source again and again; what is no file is recorded into a video in `folder` once."""
    if kind_of(text) == "path":
        return lambda: open_source(text)
    say(f"recording {RECORDED_FRAMES} frames")
    path = folder / "recording.mp4"
    with contextlib.closing(open_source(text)) as source:
        _record(source, path)
    return lambda: open_source(str(path))


def _record(source: Source, path: Path) -> None:
    from edge.video.opencv import cv2

    encoder = cv2.VideoWriter.fourcc(*"mp4v")
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, encoder, round(source.frame_rate, 2), source.size)
    try:
        for _ in range(RECORDED_FRAMES):
            if (frame := source.read(None)) is None:
                break
            writer.write(frame.image)
    finally:
        writer.release()


def _outputs(folder: Path) -> dict[str, Output]:
    return {"mot": MotText(folder / "profile.txt"), "jsonl": JsonLines(folder / "profile.jsonl")}


def _setup(wishes: Wishes, pipeline: Pipeline, source: Source, sinks: tuple[str, ...]) -> Setup:
    running = pipeline.detector.backend.running
    return Setup(
        pack=pack_name(wishes.model),
        rung=running.rung,
        passed_over=tuple(f"{skip.rung}: {skip.reason.value}" for skip in running.passed_over),
        threads=wishes.threads,
        method=wishes.method,
        source=redacted(wishes.source),
        width=source.size[0],
        height=source.size[1],
        frame_rate=source.frame_rate,
        sinks=sinks,
    )


def _bounds(wishes: Wishes, pipeline: Pipeline, setup: Setup, stages: tuple[Stage, ...]) -> tuple[str, ...]:
    """What the stages would take at the board's best; of a GPU that is not known."""
    if not setup.rung.startswith(("onnxruntime", "openvino")):
        return ()
    detector = pipeline.detector
    network = wishes.model
    if network.is_dir():
        network /= detector.description.variants["fp32"].file  # the same arithmetic in every variant
    tensor = detector.backend.inputs[detector.description.input.name]
    work = bounds.Work(bounds.multiply_adds(network), 3 * setup.width * setup.height, tensor.nbytes)
    return bounds.sentences(work, bounds.best(), stages, setup.threads)


def pack_name(model: Path) -> str:
    """What a pack calls itself; of a bare ONNX file its name."""
    return model.name if model.is_file() else modelpack.read(model).manifest.name


def machine() -> Machine:
    """This board, its limits, and the versions of what runs on it."""
    facts = board.facts()
    versions = {"python": platform.python_version(), "nanotrack-edge": __version__}
    for package in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    return Machine(
        model=facts["model"],
        cpu=facts["cpu"],
        cores=len(os.sched_getaffinity(0)),
        memory_bytes=facts["memory_bytes"],
        jetpack=facts["jetpack"],
        driver=facts["driver"],
        power_mode=facts["power_mode"],
        clocks=tuple(board.clocks()),
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        versions=versions,
    )
