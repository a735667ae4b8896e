"""Track the built-in scene with a model pack and score the tracks against the scene's own truth.

One folder gets everything: tracks.mp4, tracks.txt (MOTChallenge), tracks.jsonl, truth.txt, report.txt and report.json.
`make demo` exports the built-in weights into a pack first.
"""

import argparse
import contextlib
import json
import os
import secrets
import sys
from pathlib import Path

import numpy as np

from edge.errors import OutputError, UnavailableError, UsageError
from edge.pipeline import Pipeline
from edge.running import Progress, StopRequest, Summary
from edge.sinks.sink import Sink
from edge.spans import Spans
from edge.video.ahead import Ahead
from edge.video.demo import DemoScene

SCENE = "demo://?people=20&seed=3&frames=300"  # ten seconds
PACK = "builtin.pack"  # where `make demo` puts it inside the output folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags of `nanotrack demo`."""
    parser.add_argument("--model", type=Path, metavar="PACK", help=f"default: {PACK} in the output folder")
    parser.add_argument("-o", "--out", type=Path, default=Path("out/demo"), metavar="DIR", help="default: out/demo")
    parser.add_argument("--scene", default=SCENE, metavar="demo://…", help=f"default: {SCENE}")
    parser.add_argument("--tracking-method", default="nanotrack", metavar="NAME", help="default: nanotrack")
    parser.add_argument("--appearance", choices=("none", "ema", "sasm"), help="memory of looks; default: the method's")
    parser.add_argument("--variant", default="auto", choices=("auto", "fp32", "int8"), help="default: auto")
    parser.add_argument("--threads", type=int, metavar="N", help="for the network; default: all cores but one")


def run(args: argparse.Namespace) -> int:
    """Track, score, write everything and say where it is; 128 + signal where one ended it."""
    rows: list[str] = []
    source = DemoScene(args.scene, lambda frame, truth: rows.append(truth.rows(frame.number, frame.image.shape[0])))
    if source.frame_count is None:
        raise UsageError(f"{args.scene}: a scored scene needs an end; add frames=300, for example")
    model = args.model or args.out / PACK
    if not model.exists() and args.model is None:
        raise UsageError(f"expected a model pack at {model}, found none; run make demo, or name one with --model")
    spans, summary, stop = Spans(), Summary(), StopRequest()
    pipeline = Pipeline(
        model,
        method=args.tracking_method,
        frame_rate=source.frame_rate,
        appearance=args.appearance,
        variant=args.variant,
        threads=args.threads or max(1, len(os.sched_getaffinity(0)) - 1),
        spans=spans,
    )
    try:
        args.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{args.out}: cannot make this folder: {error.strerror}; choose another --out") from error
    with contextlib.ExitStack() as stack:
        sinks = _sinks(args.out, source, pipeline, stack)
        frames = stack.enter_context(contextlib.closing(Ahead(source, spans)))
        progress = stack.enter_context(Progress(source.frame_count))
        stack.enter_context(stop)
        summary.start()
        for frame in frames:
            tracks = pipeline(frame)
            for name, sink in sinks.items():
                with spans[name]:
                    sink.write(frame, tracks)
            summary.add(tracks)
            progress.advance(summary.line)
            if stop.exit_code:
                break
    _write(args.out / "truth.txt", "".join(rows[: summary.frames]))
    scores = _scores(args.out, source, summary.frames)
    _report(args.out, args.scene, scores, spans, summary)
    return stop.exit_code


def _sinks(out: Path, source: DemoScene, pipeline: Pipeline, stack: contextlib.ExitStack) -> dict[str, Sink]:
    from edge.sinks.jsonl import JsonLines
    from edge.sinks.mot import MotText
    from edge.sinks.video import AnnotatedVideo

    lost_s = pipeline.tracker.lost_s
    sinks: dict[str, Sink] = {
        "mot": MotText(out / "tracks.txt"),
        "jsonl": JsonLines(
            out / "tracks.jsonl", run=secrets.token_hex(4), camera="demo", classes=pipeline.classes, lost_s=lost_s
        ),
        "video": AnnotatedVideo(out / "tracks.mp4", source.size, source.frame_rate, ()),
    }
    for sink in sinks.values():
        stack.enter_context(contextlib.closing(sink))
    return sinks


def _scores(out: Path, source: DemoScene, frames: int) -> dict[str, float] | None:
    """TrackEval's scores, None without TrackEval."""
    from edge.benchmark import Sequence
    from edge.judge import judge, scores
    from edge.motchallenge import SequenceInfo

    info = SequenceInfo("demo", source.frame_rate, frames, *source.size, "img1", ".jpg")
    sequence = Sequence("demo", info, np.arange(1, frames + 1), out / "truth.txt", None, None)
    try:
        return scores(judge(sequence, "MOT17", out / "tracks.txt"))
    except UnavailableError as error:
        sys.stderr.write(f"nanotrack demo: not scored: {error}\n")
        return None


def _report(out: Path, scene: str, scores: dict[str, float] | None, spans: Spans, summary: Summary) -> None:
    lines = [scene, "", summary.text(spans)]
    if scores is not None:
        lines += ["", "against the scene's truth (TrackEval):"]
        lines += [
            "  ".join(f"{name} {value:.1f}" for name, value in scores.items() if name not in ("FP", "FN", "Frag"))
        ]
    text = "\n".join(lines) + "\n"
    stages = {
        name: dict(zip(("p50", "p90", "p99", "max"), np.percentile(span.recent_ms(), (50, 90, 99, 100)), strict=True))
        for name, span in spans
        if span.count
    }
    values = {"scene": scene, "frames": summary.frames, "scores": scores, "latency_ms": stages}
    _write(out / "report.txt", text)
    _write(out / "report.json", json.dumps(values, indent=1) + "\n")
    sys.stdout.write(text)
    sys.stdout.write(f"\nLook at {out / 'tracks.mp4'}; beside it lie " + ", ".join(_OTHERS) + ".\n")


_OTHERS = ("tracks.txt", "tracks.jsonl", "truth.txt", "report.txt", "report.json")


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise OutputError(f"{path}: cannot write it: {error.strerror}; choose another --out") from error
