"""Measure how fast a pack tracks on this board, and where the time goes.

SOURCE is what nanotrack track --path takes; the default is demo://, the
built-in scene. It is tracked as fast as possible, over and over, and then at
its own frame rate, as if it were a camera. Of a camera, a stream or a pipe 90
frames are recorded first.

  nanotrack profile person.pack street.mp4 --json before.json
  nanotrack profile person.pack street.mp4 --report page.html --trace t.json
  nanotrack profile --diff before.json after.json
  nanotrack profile person.pack street.mp4 --compare --report choices.html

Frames are tracked one after another, as the daemon does. --compare measures
every backend, variant, number of threads and tracking method that runs here,
and several frames at once, as nanotrack track does.
"""

import argparse
import logging
import os
import sys
from pathlib import Path
from typing import get_args

from rich.console import Console

from edge.console.terminal import Terminal
from edge.detect import flags
from edge.errors import UsageError
from edge.infer.backend import BackendName
from edge.profile import choices, page, show, trace
from edge.profile import report as reports
from edge.profile.compare import compare
from edge.profile.measure import Plan
from edge.profile.profiler import Wishes, profile


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's flags."""
    parser.add_argument("model", nargs="?", type=Path, metavar="PACK", help="model pack, or a detector as ONNX")
    parser.add_argument("source", nargs="?", default="demo://", metavar="SOURCE", help="default: demo://")
    parser.add_argument("--diff", nargs=2, type=Path, metavar=("A.json", "B.json"), help="compare two reports")
    parser.add_argument("--compare", action="store_true", help="measure every way this board can run it")
    parser.add_argument(
        "--seconds",
        type=float,
        metavar="S",
        help="how long to run as fast as possible; default: 10, with --compare 3 for each way",
    )
    parser.add_argument("--frames", type=int, metavar="N", help="how many frames to run, in place of --seconds")
    parser.add_argument(
        "--live", type=float, default=5.0, metavar="S", help="then how long at its own frame rate; default: 5; 0: none"
    )
    parser.add_argument("--tracking-method", default="nanotrack", metavar="NAME", help="default: nanotrack")
    parser.add_argument(
        "--conf", type=float, metavar="F", help="lowest score of a detection to track; default: the pack's, 0.1"
    )
    parser.add_argument("--classes", default="person", metavar="A,B,...", help="classes to track; default: person")
    backends = get_args(BackendName)
    parser.add_argument(
        "--backend", default="auto", choices=backends, metavar="NAME", help=f"{', '.join(backends)}; default: auto"
    )
    parser.add_argument(
        "--variant", default="auto", choices=("auto", "fp32", "int8"), help="default: auto, the fastest that is right"
    )
    parser.add_argument(
        "--require", metavar="SPEC", help="end with an error unless this rung (as onnxruntime-int8) or backend runs"
    )
    parser.add_argument(
        "--threads",
        type=int,
        metavar="N",
        help="threads of the network, with --compare up to N; default: all cores but one, with --compare all",
    )
    parser.add_argument("--json", type=Path, metavar="OUT.json", help="write the report for --diff and other programs")
    parser.add_argument("--report", type=Path, metavar="OUT.html", help="write the report as a page with plots")
    flags.add(parser)
    parser.add_argument("--trace", type=Path, metavar="OUT.json", help="write a timeline for ui.perfetto.dev")


def run(args: argparse.Namespace) -> None:
    """Measure, show, write; or compare two reports."""
    if not args.verbose:
        logging.getLogger("edge").setLevel(logging.WARNING)
    console = Terminal()
    if args.diff:
        _refuse_with_diff(args)
        show.comparison(console, *(reports.read(path) for path in args.diff))
        return
    _check(args)
    if args.compare:
        _compare(console, args)
        return
    found = profile(_wishes(args), Plan(args.seconds or 10.0, args.frames), args.live, _say)
    show.report(console, found.report)
    if args.json:
        reports.write(found.report, args.json)
    if args.report:
        page.write(found.report, args.report)
    if args.trace:
        trace.write(found.events, args.trace, f"nanotrack profile {found.report.setup.pack}")


def _compare(console: Console, args: argparse.Namespace) -> None:
    if args.frames or args.trace:
        raise UsageError("--compare runs each way for some seconds: leave out --frames and --trace; --seconds sets it")
    found = compare(_wishes(args), args.seconds or 3.0, _say)
    show.choices(console, found)
    if args.json:
        choices.write(found, args.json)
    if args.report:
        page.write_choices(found, args.report)


def _refuse_with_diff(args: argparse.Namespace) -> None:
    if args.model:
        raise UsageError("--diff compares two files and measures nothing; leave out the PACK")


def _check(args: argparse.Namespace) -> None:
    """Refuse what cannot be measured, before anything is opened."""
    if args.model is None:
        raise UsageError("expected a PACK to profile, or --diff A.json B.json; nanotrack-export pack makes a pack")
    for name, value, low, high in (
        ("--seconds", args.seconds, 0.1, 86_400),
        ("--frames", args.frames, 20, 10**9),
        ("--live", args.live, 0, 86_400),
        ("--conf", args.conf, 0, 1),
        ("--threads", args.threads, 1, 256),
    ):
        if value is not None and not low <= value <= high:
            raise UsageError(f"{name} {value}: expected a number from {low} to {high}")


def _wishes(args: argparse.Namespace) -> Wishes:
    return Wishes(
        model=args.model,
        source=args.source,
        method=args.tracking_method,
        backend=args.backend,
        variant=args.variant,
        require=args.require,
        threads=args.threads or max(1, len(os.sched_getaffinity(0)) - (not args.compare)),
        classes=tuple(name.strip() for name in args.classes.split(",")),
        floor=args.conf,
        overrides=flags.overrides(args),
    )


def _say(text: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"{text} …\n")
