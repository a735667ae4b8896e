"""Track thousands of recordings: each one is a task, and is done once.

INPUT is one of
  street.mp4, cam1/*.mp4       video files
  recordings/                  a folder: all videos below it; a folder with
                               images and no video is one recording
  list.txt, -                  a list with one of these on each line
  table.csv                    a table of recordings: column path, and where
                               wanted name, frame_rate, starts, areas, zones,
                               lines
  s3://bucket/cam1/            files of an object store (extra [batch])
  https://host/street.mp4      a file of a web server (extra [batch])
In --out each recording has its tracks, its counts where there are zones or
lines, and NAME.manifest.json. summary.sqlite is over all of them.

  nanotrack batch recordings --model person.pack --out tracks
  nanotrack batch table.csv --model person.pack --out tracks --format parquet
  nanotrack batch recordings --model person.pack --out tracks --offline
  nanotrack batch s3://bucket/cam1/ --model person.pack --out tracks \\
      --engine ray --address auto

Run the same command again after a stop, a crash or new recordings: what is
done and unchanged stays. A recording is tracked whole, however long it is:
cutting it would cut identities. One that fails twice is set aside with the
reason and never stops the rest; exit code 65 says that there are such.

Ctrl-C gives up what is in work, and writes the summary of what is done.
"""

import argparse
import contextlib
import logging
import sys
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from edge.batch.recording import Area, Format, Recording
from edge.chain import flags
from edge.console.flags import add_out
from edge.console.outgoing import say
from edge.console.running import StopRequest
from edge.errors import DataError, UsageError

if TYPE_CHECKING:
    from edge.batch.folder import Folder
    from edge.batch.plan import Plan
    from edge.batch.progress import Progress
    from edge.batch.summary import Totals

_DAY_S = 86_400.0
_SHOWN = 10  # failures that are printed


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags of `nanotrack batch`."""
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help="recordings; see above")
    parser.add_argument("--model", type=Path, required=True, metavar="PACK|FILE.onnx", help="pack, or detector as ONNX")
    add_out(parser, "folder of the results", required=True)
    parser.add_argument("--format", default="mot", choices=get_args(Format), help="of the results; default: mot")
    parser.add_argument("--offline", action="store_true", help="better tracks, with a second pass over each recording")
    parser.add_argument("--areas", type=Path, metavar="FILE.toml", help="zones and lines where a table has none")
    parser.add_argument("--frame-rate", type=float, metavar="F", help="replaces the recordings' own rate")
    parser.add_argument("--engine", default="local", choices=("local", "ray"), help="default: local, this machine")
    parser.add_argument("--address", metavar="HOST:PORT", help="of a Ray cluster, or auto; default: none, Ray here")
    parser.add_argument("--workers", type=int, metavar="N", help="recordings at once; default: one for each core")
    parser.add_argument(
        "--time-limit", type=float, default=_DAY_S, metavar="S", help="seconds for one recording; default: a day"
    )
    parser.add_argument(
        "--memory-limit", type=float, metavar="MIB", help="for one recording; default: its share of the machine's"
    )
    parser.add_argument("--retry-failed", action="store_true", help="try again what was set aside in earlier runs")
    parser.add_argument("--shard", metavar="I/N", help="do the I-th of N equal parts only, as in an array of jobs")
    flags.add(parser)


def run(args: argparse.Namespace) -> int:
    """Do all recordings that are left to do; 65 where some are set aside, 128 + signal where one ended it."""
    number, parts = _check(args)
    if not args.verbose:
        logging.getLogger("edge").setLevel(logging.WARNING)
        if sys.stderr.isatty():
            logging.getLogger("edge.batch.cluster").setLevel(logging.INFO)
    from edge.batch.folder import Folder
    from edge.batch.inputs import recordings
    from edge.batch.worker import Spares

    zones, lines = _areas(args.areas)
    everything = recordings(args.inputs, frame_rate=args.frame_rate, zone=zones, line=lines)
    part = everything[number - 1 :: parts]
    folder = Folder(args.out)
    with folder.lock(shared=parts > 1), Spares(_certain_workers(args, part, folder)) as spares:
        # Workers load their libraries while these and the networks are loaded here.
        from edge.batch.open import Wanted, open_engine, open_settings
        from edge.batch.plan import plan
        from edge.batch.progress import Progress
        from edge.batch.run import Run
        from edge.batch.summary import write_summary

        opened = open_settings(args.model, args.format, args.offline, flags.options(args))
        wanted = Wanted(args.engine, args.address, args.workers, args.time_limit, args.memory_limit)
        todo = plan(part, opened.settings, folder, retry_failed=args.retry_failed)
        totals = None
        try:
            with StopRequest() as stop, Progress(todo.tasks) as progress:
                if todo.tasks:
                    engine = open_engine(wanted, opened, args.out, len(todo.tasks), spares.take)
                    with contextlib.closing(engine):
                        Run(opened.settings, folder, engine, progress).run(todo.tasks, lambda: bool(stop.exit_code))
        finally:
            if parts == 1:  # the parts of an array would write over each other's
                totals = write_summary(folder)
    _report(folder, todo, progress, totals)
    if stop.exit_code:
        return stop.exit_code
    return DataError.exit_code if progress.failed or todo.failed else 0


def _check(args: argparse.Namespace) -> tuple[int, int]:
    """Refuse flags that do not fit together; the part to be done, and of how many."""
    flags.check(args)
    if args.detect_every == "auto":
        raise UsageError(
            "--detect-every auto goes by what was tracked so far, which depends on the number of threads, and batch"
            " gives the same results on every machine; name a number of frames"
        )
    flags.check_ranges(
        ("--frame-rate", args.frame_rate, 0.01, 10_000),
        ("--workers", args.workers, 1, 100_000),
        ("--time-limit", args.time_limit, 1, 1e9),
        ("--memory-limit", args.memory_limit, 64, 1e9),
    )
    if args.address and args.engine != "ray":
        raise UsageError("--address is that of a Ray cluster; add --engine ray, or leave it out")
    if args.format == "parquet":
        from edge.batch.parquet import require

        require()
    if args.engine == "ray":
        from edge.batch.cluster import require_ray

        require_ray()
    if args.shard is None:
        return 1, 1
    number, _, parts = args.shard.partition("/")
    if not (number.isdecimal() and parts.isdecimal() and 1 <= int(number) <= int(parts)):
        raise UsageError(f"--shard {args.shard}: expected I/N, a number of 1 to N, such as 3/10")
    return int(number), int(parts)


def _certain_workers(args: argparse.Namespace, part: Sequence[Recording], folder: "Folder") -> int:
    """How many workers this machine needs whatever the networks run on: one for each recording never seen, at most."""
    if args.engine != "local":
        return 0
    from edge.batch.local import most_workers

    most = args.workers or most_workers()
    return len(list(islice((each for each in part if not folder.knows(each.name)), most)))


def _areas(path: Path | None) -> tuple[tuple[Area, ...], tuple[Area, ...]]:
    if path is None:
        return (), ()
    from edge.batch.areas import read_areas

    return read_areas(path)


def _report(folder: "Folder", todo: "Plan", progress: "Progress", totals: "Totals | None") -> None:
    """Say what was done, what is set aside, and where the summary is."""
    from edge.batch.folder import SUMMARY
    from edge.batch.progress import counted, lasting

    earlier = f", {len(todo.done)} unchanged since earlier" if todo.done else ""
    left = len(todo.tasks) - progress.done - progress.failed
    rest = f", {left} not done" if left else ""
    lines = [
        f"{counted(progress.done)} done{earlier}, {progress.failed + len(todo.failed)} set aside{rest};"
        f" {lasting(progress.duration_s)} of video, {progress.speed:.1f} times real time"
    ]
    failures = [*progress.failures, *((each.recording.name, each.failure) for each in todo.failed)]
    for name, failure in failures[:_SHOWN]:
        if failure is not None:
            lines.append(f"  {name}: {failure.kind}, {failure.tries} tries: {failure.reason}")
    if len(failures) > _SHOWN:
        lines.append(f"  and {len(failures) - _SHOWN} more")
    if totals is not None:
        lines.append(
            f"{folder.path / SUMMARY}: {counted(totals.done)}, {lasting(totals.duration_s)},"
            f" {totals.identities} identities, {totals.failed} set aside"
        )
    say("\n".join(lines))
