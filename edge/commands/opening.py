"""What `nanotrack track` opens for its flags: the source, the chain of a frame, the outputs."""

import argparse
import contextlib
import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from edge.chain import flags
from edge.console.outgoing import redacted
from edge.errors import UsageError
from edge.events import Origin, UntilTheEnd
from edge.sinks.output import Output
from edge.sinks.recording import RecordingOutputs
from edge.spans import Spans
from edge.types import Detections, Image, Tracks
from edge.video.address import kind_of
from edge.video.blank import Blank
from edge.video.open import open_source
from edge.video.source import Source

if TYPE_CHECKING:
    from edge.chain.chain import Chain
    from edge.drawing.painter import Underpaint

_REPLAY_RATE = 30.0  # frames a second of detections that come without a video


def source_of(args: argparse.Namespace, recorded: Sequence[Detections] | None) -> Source:
    """Where the pictures come from; blank ones for recorded detections without a video."""
    if args.path:
        return open_source(args.path, args.frame_rate)
    return Blank(len(recorded or ()), args.frame_rate or _REPLAY_RATE)


def chain_of(args: argparse.Namespace, source: Source, recorded: Sequence[Detections] | None, spans: Spans) -> "Chain":
    """What makes tracks of frames: a detector's pipeline, or recorded detections."""
    if recorded is not None:
        return _replay(args, source, recorded, spans)
    from edge.chain.pipeline import Pipeline

    return Pipeline(
        args.model,
        frame_rate=source.frame_rate,
        reid_budget_ms=args.reid_budget_ms,
        threads=_threads(args),
        side_by_side=_cores() > 1 and not source.is_live,  # of a camera the frame in hand comes first
        excluded=polygons(args, "exclude_mask"),
        spans=spans,
        **flags.options(args),
    )


def _replay(args: argparse.Namespace, source: Source, recorded: Sequence[Detections], spans: Spans) -> "Chain":
    from edge.chain.chain import Chain
    from edge.chain.detections import Recorded
    from edge.chain.need import Budget
    from edge.infer.ladder import Wish
    from edge.reid.open import open_embedder
    from edge.reid.stage import ReidStage
    from edge.track.tracker import Tracker

    appearance, reid = flags.appearance(args), None
    tracker = Tracker(args.tracking_method, source.frame_rate, args.preset, appearance=appearance)
    if tracker.appearance is not None:
        if not args.path or not args.reid_model:
            raise UsageError("embeddings of recorded detections need --path, the pictures, and --reid-model; add both")
        wish = Wish(args.backend, args.variant, args.require, _threads(args))
        reid = ReidStage(open_embedder(args.reid_model, wish, spans), tracker, args.reid, args.reid_budget_ms)
    detections = Recorded(recorded, args.conf or 0.0)
    return Chain(
        detections,
        tracker,
        reid=reid,
        detect_every=args.detect_every,
        budget=Budget(flags.budget(args)),
        excluded=polygons(args, "exclude_mask"),
        spans=spans,
    )


def _threads(args: argparse.Namespace) -> int:
    """All cores: decoding, tracking and drawing take little compared with the network."""
    return int(args.threads or _cores())


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def outputs_of(args: argparse.Namespace, source: Source, chain: "Chain", spans: Spans) -> RecordingOutputs:
    """The outputs that were asked for; what is open is closed again where one cannot be opened."""
    outputs: dict[str, Output] = {}
    with contextlib.ExitStack() as stack:
        if args.mot:
            from edge.sinks.mot import MotText

            outputs["mot"] = stack.enter_context(contextlib.closing(MotText(args.mot)))
        if args.jsonl:
            from edge.sinks.jsonl import JsonLines

            outputs["jsonl"] = stack.enter_context(contextlib.closing(JsonLines(args.jsonl)))
        labels = flags.names(args.labels)
        named = chain.classes if len(flags.names(args.classes)) > 1 or "class" in labels else ()
        view = _underpaint(args, chain)
        if args.save:
            from edge.sinks.aside import Aside
            from edge.sinks.video import AnnotatedVideo

            video = AnnotatedVideo(args.save, source.size, source.frame_rate, named, with_scores="score" in labels)
            outputs["video"] = Aside(video, spans["encode"], view, video.require_room)
        if args.show:
            from edge.sinks.window import Window

            title = f"nanotrack track {camera_name(args.path)}"
            outputs["window"] = Window(title, source.frame_rate, named, view, with_scores="score" in labels)
        stack.pop_all()
    origin = Origin(secrets.token_hex(4), camera_name(args.path or str(args.detections)), chain.classes)
    memory = UntilTheEnd(chain.tracker.lost_s) if args.offline else chain.tracker
    return RecordingOutputs(outputs, origin, memory, spans)


def _underpaint(args: argparse.Namespace, chain: "Chain") -> "Underpaint | None":
    """What is done to the picture before tracks are drawn, None for nothing."""
    view = _debug_view(args, chain) if args.show_debug else None
    if not args.privacy_mask:
        return view
    from edge.drawing.masks import PrivacyMask

    mask = PrivacyMask(polygons(args, "privacy_mask"))

    def paint(canvas: Image, tracks: Tracks) -> None:
        mask.hide(canvas)
        if view is not None:
            view(canvas, tracks)

    return paint


def polygons(args: argparse.Namespace, name: str) -> list[list[tuple[float, float]]]:
    """The polygons that were given by the flag of this name. Raises UsageError."""
    return [_polygon(f"--{name.replace('_', '-')}", text) for text in getattr(args, name) or ()]


def _polygon(flag: str, text: str) -> list[tuple[float, float]]:
    """The points of "x,y,x,y,x,y". Raises UsageError."""
    expected = "expected at least 3 points X,Y, in fractions of width and height from 0 to 1"
    try:
        values = [float(value) for value in text.split(",")]
    except ValueError:
        raise UsageError(f"{flag} {text}: {expected}, found no numbers") from None
    if len(values) < 6 or len(values) % 2 or not all(0 <= value <= 1 for value in values):
        raise UsageError(f"{flag} {text}: {expected}")
    return list(zip(values[::2], values[1::2], strict=True))


def _debug_view(args: argparse.Namespace, chain: "Chain") -> "Underpaint":
    from edge.detect.joint import JointDetector
    from edge.sinks.debug import DebugView

    detector = getattr(chain, "detector", None)
    if not isinstance(detector, JointDetector):
        raise UsageError("--show-debug: only a joint network has a heat map and offsets; leave it out")
    view = DebugView(detector, flags.names(args.show_debug))
    return lambda canvas, tracks: view.paint(canvas, chain.detections, tracks)


def camera_name(text: str) -> str:
    """A short name for a source: of the host, the file or folder, or where that is a pattern, of the folder around."""
    kind = kind_of(text)
    if kind in ("demo", "stdin"):
        return kind
    if kind == "network":
        return urlsplit(redacted(text)).hostname or "network"
    path = Path(text)
    return path.parent.name if any(c in path.name for c in "*?[") else path.stem
