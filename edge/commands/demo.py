"""Track the built-in scene with a model pack and score the tracks against the scene's ground truth.

Where the pack has float32 and INT8, the faster one here makes the video, and the other tracks the same frames for
comparison. All files go to one folder: tracks.mp4, tracks.txt (MOTChallenge), tracks.jsonl, truth.txt, report.txt and
report.json. `make demo` exports the built-in weights into packs first: a detector with an appearance network, and for
jointtrack the joint network.
"""

import argparse
import contextlib
import json
import os
import secrets
import sys
import textwrap
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np

from edge.chain.pipeline import Pipeline
from edge.console.flags import add_out
from edge.console.outgoing import public, say
from edge.console.running import Progress, StopRequest, Summary
from edge.errors import OutputError, UnavailableError, UsageError
from edge.events import Origin
from edge.infer.summary import WIDTH
from edge.sinks.mot import MotText
from edge.sinks.output import Output
from edge.sinks.recording import RecordingOutputs
from edge.spans import Spans
from edge.track import registry
from edge.track.appearance import Appearance
from edge.video.ahead import Ahead
from edge.video.demo import DemoScene

TRACKS, OTHER_TRACKS = "tracks.txt", "tracks.beside.txt"
SCENE = "demo://?people=20&seed=3&frames=300"  # ten seconds
# Where `make demo` puts them inside the output folder.
PACK, JOINT_PACK = "builtin.pack", "joint.pack"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags of `nanotrack demo`."""
    parser.add_argument(
        "--model", type=Path, metavar="PACK", help=f"default: {PACK}, for jointtrack {JOINT_PACK}, in the output folder"
    )
    add_out(parser, "default: out/demo", default=Path("out/demo"))
    parser.add_argument("--scene", default=SCENE, metavar="demo://…", help=f"default: {SCENE}")
    parser.add_argument("--tracking-method", default="nanotrack", metavar="NAME", help="default: nanotrack")
    parser.add_argument(
        "--appearance", choices=get_args(Appearance), help="how tracks remember embeddings; default: the method's own"
    )
    parser.add_argument(
        "--variant", default="auto", choices=("auto", "fp32", "int8"), help="default: auto, the fastest that is right"
    )
    parser.add_argument("--threads", type=int, metavar="N", help="threads of the network; default: all cores but one")


def run(args: argparse.Namespace) -> int:
    """Track, score, write everything and say where it is; 128 + signal where one ended it."""
    rows: list[str] = []
    source = DemoScene(args.scene, lambda frame, truth: rows.append(truth.rows(frame.number, frame.image.shape[0])))
    if source.frame_count is None:
        raise UsageError(f"{args.scene}: a scored scene needs an end; add frames=300, for example")
    model = args.model or args.out / (JOINT_PACK if registry.find(args.tracking_method).is_joint else PACK)
    if not model.exists() and args.model is None:
        raise UsageError(f"expected a model pack at {model}, found none; run make demo, or name one with --model")
    spans, summary, stop = Spans(), Summary(), StopRequest()
    opened = partial(
        Pipeline,
        model,
        method=args.tracking_method,
        frame_rate=source.frame_rate,
        appearance=args.appearance,
        threads=args.threads or max(1, len(os.sched_getaffinity(0)) - 1),
    )
    pipeline = opened(variant=args.variant, spans=spans)
    other = _in_other_variant(pipeline, opened) if args.variant == "auto" else None
    try:
        args.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{args.out}: cannot make this folder: {error.strerror}; choose another --out") from error
    with contextlib.ExitStack() as stack:
        outputs = stack.enter_context(contextlib.closing(_outputs(args.out, source, pipeline, spans)))
        files: dict[str, Output] = {"mot": MotText(args.out / OTHER_TRACKS)} if other else {}
        others = RecordingOutputs(files, _origin(pipeline), pipeline.tracker, Spans())
        stack.callback(others.close)
        frames = stack.enter_context(contextlib.closing(Ahead(source, spans)))
        progress = stack.enter_context(Progress(source.frame_count))
        stack.enter_context(stop)
        summary.start()
        for frame in frames:
            tracks = pipeline(frame)
            outputs.write(frame, tracks)
            if other:
                others.write(frame, other(frame))
            summary.add(tracks)
            progress.advance(summary.brief)
            if stop.exit_code:
                break
    _write(args.out / "truth.txt", "".join(rows[: summary.frames]))
    scores = _scores(args.out / TRACKS, source, summary.frames)
    runs = [Run(_rung(pipeline), scores, spans)]
    if other:
        runs.append(Run(_rung(other), _scores(args.out / OTHER_TRACKS, source, summary.frames), other.spans))
    _report(args.out, args.scene, runs, summary)
    return stop.exit_code


class Run(NamedTuple):
    """What one variant gave: its rung of the ladder, TrackEval's scores (None without it), and the times of stages."""

    rung: str
    scores: dict[str, float] | None
    spans: Spans


def _in_other_variant(pipeline: Pipeline, opened: Callable[..., Pipeline]) -> Pipeline | None:
    """The same chain in float32 beside INT8, and the other way round; None where the pack or this board has one."""
    try:
        other = opened(variant="fp32" if pipeline.detector.backend.running.variant == "int8" else "int8")
    except UnavailableError:
        return None
    return other if _rung(other) != _rung(pipeline) else None  # a bare ONNX file has one


def _rung(pipeline: Pipeline) -> str:
    return pipeline.detector.backend.running.rung


def _outputs(out: Path, source: DemoScene, pipeline: Pipeline, spans: Spans) -> RecordingOutputs:
    from edge.sinks.jsonl import JsonLines
    from edge.sinks.video import AnnotatedVideo

    outputs: dict[str, Output] = {
        "mot": MotText(out / TRACKS),
        "jsonl": JsonLines(out / "tracks.jsonl"),
        "video": AnnotatedVideo(out / "tracks.mp4", source.size, source.frame_rate, ()),
    }
    return RecordingOutputs(outputs, _origin(pipeline), pipeline.tracker, spans)


def _origin(pipeline: Pipeline) -> Origin:
    return Origin(secrets.token_hex(4), "demo", pipeline.classes)


def _scores(tracks: Path, source: DemoScene, frames: int) -> dict[str, float] | None:
    """TrackEval's scores of a file beside truth.txt, None without TrackEval."""
    from edge.motchallenge import SequenceInfo
    from edge.val.dataset import Sequence as Benchmarked
    from edge.val.score import judge, scores

    info = SequenceInfo("demo", source.frame_rate, frames, *source.size, "img1", ".jpg")
    sequence = Benchmarked("demo", info, np.arange(1, frames + 1), tracks.with_name("truth.txt"), None, None)
    try:
        return scores(judge(sequence, "MOT17", tracks))
    except UnavailableError as error:
        sys.stderr.write(public(f"nanotrack demo: not scored: {error}\n"))
        return None


def _report(out: Path, scene: str, runs: Sequence[Run], summary: Summary) -> None:
    shown = runs[0]
    lines = [scene, "", f"{shown.rung}:", summary.text(shown.spans)]
    if len(runs) > 1:
        lines[-1] += "\n(FPS: both variants were run on each frame.)"
    if shown.scores is not None:
        lines += ["", "against the scene's ground truth (TrackEval):", *_table(runs)]
    text = "\n".join(lines) + "\n"
    values = {
        "scene": scene,
        "frames": summary.frames,
        "rung": shown.rung,
        "scores": shown.scores,
        "latency_ms": _stages(shown.spans),
        "beside": [{"rung": r.rung, "scores": r.scores, "latency_ms": _stages(r.spans)} for r in runs[1:]],
    }
    _write(out / "report.txt", text)
    _write(out / "report.json", json.dumps(values, indent=1) + "\n")
    say(text)
    others = [*_OTHERS, *([OTHER_TRACKS] if len(runs) > 1 else [])]
    closing = f"Look at {out / 'tracks.mp4'}; beside it lie {', '.join(others)}."
    say(textwrap.fill(closing, WIDTH, break_long_words=False, break_on_hyphens=False))


def _table(runs: Sequence[Run]) -> list[str]:
    """Scores and the time of the detector's network, a line for each variant."""
    from edge.val.score import COUNTS

    names = [name for name in (runs[0].scores or {}) if name not in ("FP", "FN", "Frag")]
    lines = [f"{'':<16} {' '.join(f'{name:>6}' for name in names)}  network p50"]
    for run in runs:
        values = " ".join(f"{(run.scores or {})[name]:6.{0 if name in COUNTS else 1}f}" for name in names)
        lines.append(f"{run.rung:<16} {values} {np.median(run.spans['infer'].recent_ms()):9.1f} ms")
    return lines


def _stages(spans: Spans) -> dict[str, dict[str, float]]:
    return {
        name: dict(zip(("p50", "p90", "p99", "max"), np.percentile(span.recent_ms(), (50, 90, 99, 100)), strict=True))
        for name, span in spans
        if span.count
    }


_OTHERS = (TRACKS, "tracks.jsonl", "truth.txt", "report.txt", "report.json")


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise OutputError(f"{path}: cannot write it: {error.strerror}; choose another --out") from error
