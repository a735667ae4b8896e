"""Track people in a video, a camera, a stream, images, or recorded detections.

SOURCE is one of
  street.mp4                   a video file
  -                            a video piped into standard input
  MOT17-09/img1, 'img/*.jpg'   a folder or a glob pattern of images
  0, /dev/video0, csi://0      a camera at this board
  rtsp://... http://...        a stream; rtsps, https, udp, rtmp and srt, too
  demo://                      the built-in scene
Every frame of a recording is tracked. A frame of a camera is dropped when a
newer one is already there.

  nanotrack track --path street.mp4 --model person.pack --save out.mp4
  nanotrack track --path rtsp://camera/1 --model person.pack --jsonl out.jsonl
  nanotrack track --path 'img1/*.jpg' --model person.pack --mot out.txt
  nanotrack track --detections MOT17-09/det/det.txt --mot out.txt
  nanotrack track --path street.mp4 --model person.pack --offline --mot out.txt

--offline reads SOURCE twice. The second pass knows what came later: it shows
people from their first detection on, fills gaps, smooths boxes, removes false
tracks, and with appearance gives people who came back their old identity.

Ctrl-C stops after the current frame: files are finished and the summary is
printed. A second one stops at once.
"""

import argparse
import contextlib
import logging
import sys
from collections.abc import Callable, Generator, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from edge.chain import flags
from edge.commands.opening import chain_of, outputs_of, polygons, source_of
from edge.console.outgoing import redacted
from edge.console.running import Progress, StopRequest, Summary
from edge.errors import NanoTrackError, UsageError
from edge.infer.summary import network_text
from edge.motchallenge import read_detections
from edge.sinks.lines import STANDARD_OUTPUT
from edge.sinks.output import WindowClosed
from edge.spans import Spans
from edge.types import Frame, Tracks
from edge.video.address import is_camera, kind_of
from edge.video.ahead import Ahead
from edge.video.newest import Newest
from edge.video.open import is_images, open_source
from edge.video.source import Source

if TYPE_CHECKING:
    from edge.chain.chain import Chain

LABELS = ("class", "score")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags of `nanotrack track`."""
    parser.add_argument(
        "--demo", choices=("video", "image", "webcam"), help="kind of source; webcam without --path: the first camera"
    )
    parser.add_argument("--path", metavar="SOURCE", help="what to track; see above")
    parser.add_argument("--model", type=Path, metavar="PACK|FILE.onnx", help="model pack, or a detector as ONNX")
    parser.add_argument("--detections", type=Path, metavar="DET.txt", help="track these and run no detector")
    parser.add_argument("--reid-budget-ms", type=float, metavar="F", help="most time for embeddings in each frame")
    parser.add_argument("--save", type=Path, metavar="OUT.mp4", help="write the annotated video")
    parser.add_argument("--show", action="store_true", help="show the annotated video in a window; q or Esc ends it")
    parser.add_argument("--labels", default="", metavar="A,B", help="what labels show besides the id: class,score")
    parser.add_argument(
        "--show-debug", metavar="A,B", help="draw a joint network's heatmap,offsets into the video or window"
    )
    parser.add_argument(
        "--privacy-mask",
        action="append",
        metavar="X,Y,X,Y,X,Y",
        help="hide this polygon in the video or window; points in fractions (0 to 1) of width and height; may be"
        " repeated",
    )
    parser.add_argument(
        "--exclude-mask",
        action="append",
        metavar="X,Y,X,Y,X,Y",
        help="ignore detections with their feet in this polygon; points in fractions (0 to 1) of width and height; may"
        " be repeated",
    )
    parser.add_argument("--mot", type=Path, metavar="OUT.txt", help="write MOTChallenge text, - to standard output")
    parser.add_argument("--jsonl", type=Path, metavar="OUT.jsonl", help="write JSON lines, - to standard output")
    parser.add_argument("--offline", action="store_true", help="better tracks of a finished recording, in two passes")
    parser.add_argument("--threads", type=int, metavar="N", help="threads of the network; default: all cores")
    parser.add_argument("--frames", type=int, metavar="N", help="stop after N frames")
    parser.add_argument("--frame-rate", type=float, metavar="F", help="replaces the source's own rate")
    flags.add(parser)


def run(args: argparse.Namespace) -> int:
    """Track everything, write the outputs, print the summary; 128 + signal where one ended it."""
    _check(args)
    if not args.verbose:
        _log_little()
    from edge.chain.overlap import tracked

    spans, summary, stop = Spans(), Summary(), StopRequest()
    chain: Chain | None = None
    try:
        with contextlib.ExitStack() as stack:
            recorded = read_detections(args.detections) if args.detections else None
            source = stack.enter_context(contextlib.closing(source_of(args, recorded)))
            chain = chain_of(args, source, recorded, spans)
            _leave_out_pictures(args, source)
            outputs = stack.enter_context(contextlib.closing(outputs_of(args, source, chain, spans)))
            in_use = chain.workers * chain.detect_every + 1
            ahead = Newest(source, spans, _shown(args)) if source.is_live else Ahead(source, spans, in_use)
            frames = stack.enter_context(contextlib.closing(ahead))
            results = stack.enter_context(contextlib.closing(tracked(chain, iter(frames))))
            progress = stack.enter_context(Progress(_expected(source.frame_count, args.frames, 1 + args.offline)))
            stack.enter_context(stop)
            if args.offline:
                again = partial(source_of, args, recorded)
                results = _second_pass(args.frames, chain, results, again, spans, stop, progress)
                stack.enter_context(contextlib.closing(results))
            summary.start()
            for frame, tracks in results:
                outputs.write(frame, tracks)
                summary.add(tracks)
                progress.advance(summary.brief)
                if not args.offline and (stop.exit_code or summary.frames == args.frames):
                    break
    except WindowClosed:
        pass  # whoever closes the window has seen enough
    finally:
        report = sys.stderr if STANDARD_OUTPUT in (args.mot, args.jsonl) else sys.stdout
        if summary.frames:
            report.write(summary.text(spans) + "\n")
            report.write(_networks_text(chain))
        if chain is not None and chain.reid is not None:
            report.write(chain.reid.counter.text() + "\n")
    return stop.exit_code


def _leave_out_pictures(args: argparse.Namespace, source: Source) -> None:
    """Spare the pixels of frames that are neither detected on nor shown."""
    from edge.chain.interval import DetectInterval
    from edge.video.file import VideoFile

    if args.detect_every not in (1, "auto") and not (args.save or args.show) and isinstance(source, VideoFile):
        source.look_at(DetectInterval(args.detect_every).is_due)  # which says the same as the chain's own


def _log_little() -> None:
    """Warnings alone, and on a terminal what takes long, once on a board."""
    logging.getLogger("edge").setLevel(logging.WARNING)
    if sys.stderr.isatty():
        for library in ("onnxrt", "openvino"):
            logging.getLogger(f"edge.infer.{library}.build").setLevel(logging.INFO)


def _networks_text(chain: "Chain | None") -> str:
    """A few lines on the networks that ran."""
    from edge.reid.embedder import Embedder

    lines = []
    if (detector := getattr(chain, "detector", None)) is not None:
        lines.append(network_text("detector", detector.description, detector.backend))
    if chain is not None and chain.reid is not None and isinstance(chain.reid.embedder, Embedder):
        lines.append(network_text("appearance", chain.reid.embedder.description, chain.reid.embedder.backend))
    return "".join(f"{line}\n" for line in lines)


def _second_pass(
    most: int | None,
    chain: "Chain",
    results: Iterable[tuple[Frame, Tracks]],
    again: Callable[[], Source],
    spans: Spans,
    stop: StopRequest,
    progress: Progress,
) -> Generator[tuple[Frame, Tracks], None, None]:
    """The frames once more, with the tracks of the second pass. What ended the first one early is raised at the end."""
    from edge.chain.offline import Recording

    recording, frames, error = Recording(chain.tracker), 0, None
    try:
        for frame, tracks in results:
            recording.add(frame.time_s, tracks, chain.detections if chain.was_detected else None)
            frames += 1
            progress.advance("first pass")
            if stop.exit_code or frames == most:
                break
    except NanoTrackError as raised:
        error = raised
    stopped = stop.exit_code
    with contextlib.closing(Ahead(again(), spans)) as pictures:
        for frame, tracks in zip(pictures, recording.tracks(), strict=False):
            yield frame, tracks
            if stop.exit_code != stopped:
                break
    if error is not None:
        raise error


def _check(args: argparse.Namespace) -> None:
    """Refuse flags that do not fit together, before anything is opened."""
    args.path = _path(args)
    if not args.path and not args.detections:
        raise UsageError("expected --path SOURCE or --detections DET.txt, found neither; say what to track")
    if args.model and args.detections:
        raise UsageError("--model and --detections exclude each other: give one of them")
    if not args.model and not args.detections:
        raise UsageError("expected --model PACK or FILE.onnx, found none; nanotrack-export pack makes a pack")
    polygons(args, "privacy_mask")
    if polygons(args, "exclude_mask") and not args.path:
        raise UsageError("--exclude-mask needs the size of the pictures; add --path SOURCE")
    if (args.show_debug or args.labels or args.privacy_mask) and not (args.save or args.show):
        name = "--show-debug" if args.show_debug else "--labels" if args.labels else "--privacy-mask"
        raise UsageError(f"{name} is drawn into the annotated video; add --save OUT.mp4, or --show")
    if unknown := set(filter(None, flags.names(args.labels))) - set(LABELS):
        raise UsageError(f"--labels {args.labels}: expected some of {','.join(LABELS)}, found {min(unknown)!r}")
    if (args.save or args.show) and not args.path:
        name = "--save" if args.save else "--show"
        raise UsageError(f"{name} needs pictures to draw on; add --path SOURCE, the video of the detections")
    if args.show:
        from edge.sinks.window import require_window

        require_window()
    if args.offline:
        _check_offline(args)
    flags.check(args)
    flags.check_ranges(
        ("--threads", args.threads, 1, 256),
        ("--frames", args.frames, 1, sys.maxsize),
        ("--frame-rate", args.frame_rate, 0.01, 10_000),
        ("--reid-budget-ms", args.reid_budget_ms, 0.01, 10_000),
    )
    source = args.path if args.path and kind_of(args.path) == "path" else None
    inputs = [Path(path) for path in (source, args.detections, args.model, args.reid_model) if path]
    outputs = [path for path in (args.save, args.mot, args.jsonl) if path]
    for index, path in enumerate(outputs):
        if any(_same(path, other) for other in inputs + outputs[:index]):
            raise UsageError(f"{path}: named twice, an output would overwrite it; choose another name")


def _path(args: argparse.Namespace) -> str | None:
    """The source, which `--demo` may name or must agree with."""
    path: str | None = args.path
    if args.demo is None:
        return path
    if path is None:
        if args.demo == "webcam":
            return "0"
        raise UsageError(f"--demo {args.demo}: expected --path SOURCE, found none; say which {args.demo}")
    is_webcam = kind_of(path) in ("device", "csi")
    found = "webcam" if is_webcam else "image" if is_images(path) else "video"
    if found != args.demo:
        raise UsageError(f"--demo {args.demo}: --path {redacted(path)} is of kind {found}; leave out --demo")
    return path


def _shown(args: argparse.Namespace) -> str:
    """The source as messages name it."""
    return redacted(str(args.path or args.detections))


def _check_offline(args: argparse.Namespace) -> None:
    """Refuse sources that cannot be read twice."""
    if args.show_debug:
        raise UsageError("--show-debug shows the network at work, --offline draws after it has ended; leave out one")
    if not args.path:
        return
    kind = kind_of(args.path)
    if is_camera(args.path) or kind == "stdin" or (kind == "path" and Path(args.path).is_fifo()):
        raise UsageError(f"--offline: {_shown(args)} cannot be read twice; record it into a file first")
    if kind == "demo" and not args.frames and open_source(args.path).frame_count is None:
        raise UsageError(f"--offline: {args.path} never ends; add frames=300 to the address, for example, or --frames")


def _same(path: Path, other: Path) -> bool:
    return path == other or (path.is_file() and other.exists() and path.samefile(other))


def _expected(available: int | None, wanted: int | None, passes: int) -> int | None:
    """How many frames will be read in all passes, None where that is not known."""
    known = [count for count in (available, wanted) if count]
    return passes * min(known) if known else None
