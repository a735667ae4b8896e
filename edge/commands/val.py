"""Score trackers on a benchmark folder with TrackEval: HOTA, MOTA, IDF1, ...

The folder has MOTChallenge's layout, with or without the folder of the split:

  DATA/[train|val/]SEQUENCE/gt/gt.txt, seqinfo.ini,
                            and optionally det/det.txt and img1/

Detections come from --model, which reads the images; from --detections
(DIR/SEQUENCE.txt, .txt.gz or SEQUENCE/det/det.txt); else from the sequence's
own det/det.txt. --split val-half runs the second half of each training
sequence; --every 3 runs every third frame, as a camera with a third of the
frame rate. All files keep the frame numbers of the whole sequence. Ground
truth is in MOT17's format (frame,id,left,top,width,height,consider,class,
visibility) or MOT15's, which has world coordinates after `consider`.

  nanotrack val --benchmark MOT17 --data MOT17 --sequences '*-FRCNN' \\
      --model person.pack --out results
  nanotrack val --benchmark MOT17 --data MOT17 --split val-half \\
      --detections yolox --methods nanotrack,bytetrack --intervals --plot a.svg
  nanotrack val --benchmark DanceTrack --data dancetrack --detections yolox \\
      --methods nanotrack,bytetrack:track_thresh=0.3
  nanotrack val --benchmark MOT17 --data MOT17 --reid-model person.pack \\
      --methods nanotrack,qdtrack
  nanotrack val --benchmark MOT20 --data MOT20 --tracks results
  nanotrack val --benchmark MOT17 --data MOT17 --split test \\
      --detections yolox --submit MOT17.zip

The table begins with all sequences together (COMBINED), then has each one by
the part of its name that differs. FPS are frames a second of tracking alone,
in one process. --intervals says how much the scores depend on the choice of
sequences. --submit needs no ground truth and writes the zip that the
benchmark's server takes.
"""

import argparse
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from edge.chain.appearance import appearance_of
from edge.console.flags import add_out
from edge.console.outgoing import printable, say
from edge.detect import flags
from edge.errors import OutputError, UsageError
from edge.infer.backend import BackendName, VariantName
from edge.track.appearance import Appearance
from edge.val import bootstrap, plot, submission, table
from edge.val.dataset import BENCHMARKS, SPLITS, Sequence, find_sequences, find_text
from edge.val.embeddings import Embeddings
from edge.val.parallel import Progress
from edge.val.run import (
    Job,
    Model,
    Network,
    Setting,
    detect,
    embed,
    judged,
    rates_fps,
    scored,
    track,
)
from edge.val.score import ALL_METRICS, METRICS, judge_version


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags of `nanotrack val`."""
    parser.add_argument("--benchmark", required=True, choices=BENCHMARKS, help="which boxes count as distractors")
    parser.add_argument("--data", required=True, type=Path, metavar="DIR", help="the benchmark's folder")
    parser.add_argument(
        "--split", metavar="NAME", help=f"{', '.join(SPLITS)} or a folder of DIR; default: the benchmark's labelled one"
    )
    parser.add_argument("--every", type=int, default=1, metavar="K", help="run and score only every K-th frame")
    parser.add_argument("--sequences", default="*", metavar="GLOB", help="only the sequences of such names")
    parser.add_argument(
        "--detections", type=Path, metavar="DIR", help="detections to track, a file for each sequence; see above"
    )
    parser.add_argument("--tracks", type=Path, metavar="DIR", help="score these results and run no tracker")
    parser.add_argument("--model", type=Path, metavar="PACK|FILE.onnx", help="detect with this on the images")
    parser.add_argument(
        "--conf", type=float, metavar="F", help="lowest score of the model's detections; default: the pack's, 0.1"
    )
    parser.add_argument("--classes", default="person", metavar="A,B,...", help="what to detect; default: person")
    backends = get_args(BackendName)
    parser.add_argument(
        "--backend", default="auto", choices=backends, metavar="NAME", help=f"{', '.join(backends)}; default: auto"
    )
    parser.add_argument(
        "--variant", default="auto", choices=get_args(VariantName), help="default: auto, the fastest that is right"
    )
    parser.add_argument("--tracking-method", default="nanotrack", metavar="NAME", help="default: nanotrack")
    parser.add_argument(
        "--preset", default="default", metavar="NAME", help="default, reference, or one of the method's"
    )
    parser.add_argument(
        "--reid-model",
        type=Path,
        metavar="PACK|FILE.onnx",
        help="appearance network for the images; default: the one in --model's pack. Alone it means --appearance ema",
    )
    parser.add_argument(
        "--appearance", choices=get_args(Appearance), help="how tracks remember embeddings; default: the method's own"
    )
    parser.add_argument("--methods", metavar="A,B,C", help="several, side by side: NAME[:PRESET][:PARAMETER=NUMBER]...")
    parser.add_argument("--offline", action="store_true", help="improve the tracks in a second pass over each sequence")
    parser.add_argument("--workers", type=int, metavar="N", help="processes; default: one for each core")
    add_out(parser, "keep the tracks, as DIR/METHOD/SEQUENCE.txt")
    parser.add_argument(
        "--metrics",
        type=_metrics,
        default=METRICS,
        metavar="A,B,...",
        help=f"columns of the table, out of {', '.join(ALL_METRICS)}; default: {', '.join(METRICS)}",
    )
    parser.add_argument(
        "--intervals",
        action="store_true",
        help="95 %% intervals by bootstrap over sequences, also of the differences to the first method",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all scores to FILE")
    parser.add_argument("--plot", type=Path, metavar="OUT.svg|png", help="draw the comparison")
    parser.add_argument(
        "--submit", type=Path, metavar="OUT.zip", help="score nothing; write the zip for the benchmark's server"
    )
    flags.add(parser)


def run(args: argparse.Namespace) -> None:
    """Track, score, print the table and write the files."""
    _check(args)
    if args.plot:
        plot.require(args.plot)
    found = find_sequences(
        args.data, args.benchmark, args.split, args.detections, args.sequences, labelled=args.submit is None
    )
    if args.intervals and len(found) < 2:
        raise UsageError("--intervals: expected 2 or more sequences to resample, found 1; leave it out, or add some")
    sequences = [sequence.thinned(args.every) for sequence in found]
    workers = min(args.workers or len(os.sched_getaffinity(0)), len(sequences))
    if not args.submit:
        judge_version()  # without a judge no work is begun
    with tempfile.TemporaryDirectory() as temporary:
        sequences, jobs = _prepared(args, sequences, workers, Path(temporary))
        with _progress([(f"{job.sequence.name} {job.label}", len(job.sequence.frames)) for job in jobs]) as progress:
            if args.submit:
                track(jobs, workers, progress)
                _submit(args, jobs)
                return
            found_ = judged(jobs, workers, progress)
    scores = {label: scored(by_name, args.metrics) for label, by_name in found_.items()}
    rates = {label: rates_fps(by_name) for label, by_name in found_.items()}
    table.show(scores, rates)
    intervals, differences = bootstrap.intervals(found_) if args.intervals else ({}, {})
    if args.intervals:
        _print_intervals(intervals, differences)
    if args.plot:
        every = {label: scored(by_name, bootstrap.METRICS) for label, by_name in found_.items()}
        plot.draw(args.plot, every, intervals, f"{args.benchmark}, {len(sequences)} sequences")
    if args.json:
        of_bootstrap = {"intervals": intervals, "differences": differences} if args.intervals else {}
        _write_json(args, sequences, {"scores": scores, "fps": rates, **of_bootstrap})


def _prepared(
    args: argparse.Namespace, sequences: list[Sequence], workers: int, temporary: Path
) -> tuple[list[Sequence], list[Job]]:
    """The sequences with detections, and what is to be run of them, with embeddings where they are compared."""
    out = args.out or temporary
    if args.model:
        classes = tuple(name.strip() for name in args.classes.split(","))
        model = Model(args.model, classes, args.conf, args.backend, args.variant, flags.overrides(args))
        with _progress([(s.name, len(s.images_by_frame())) for s in sequences]) as progress:
            sequences = detect(sequences, model, out / "detections", workers, progress)
    settings = {} if args.tracks else _settings(args)
    embeddings: dict[str, Embeddings] = {}
    if any(setting.uses_appearance for setting in settings.values()):
        network = Network(_reid_model(args), args.backend, args.variant)
        with _progress([(s.name, len(s.images_by_frame())) for s in sequences]) as progress:
            sequences, found = embed(sequences, network, temporary / "embeddings", workers, progress)
        embeddings = {s.name: each for s, each in zip(sequences, found, strict=True)}
    return sequences, _jobs(args, sequences, settings, embeddings, out)


def _submit(args: argparse.Namespace, jobs: list[Job]) -> None:
    """Write the archive and say what lies in it."""
    written = submission.write(args.submit, args.benchmark, {job.sequence.name: job.tracks for job in jobs})
    say(f"{args.submit}: {len(written)} files, {written[0]} to {written[-1]}")
    if len(written) > len(jobs):
        say(
            f"{args.benchmark}'s server wants every sequence once for each public detector: where only one is here, its"
            " tracks are in the zip under all three names, as is usual for private detections"
        )


def _check(args: argparse.Namespace) -> None:
    """Refuse flags that do not fit together."""
    sources = [f"--{name}" for name in ("model", "detections", "tracks") if getattr(args, name)]
    if len(sources) > 1:
        raise UsageError(f"{' and '.join(sources)} exclude each other: expected one source of boxes")
    if flags.overrides(args) and not args.model:
        raise UsageError("--family and the other flags of an ONNX file belong to --model; add it, or leave them out")
    for name in ("methods", "reid_model", "appearance", "offline"):
        if args.tracks and getattr(args, name):
            raise UsageError(f"--tracks scores existing results: leave out --{name.replace('_', '-')}")
    if args.submit:
        _check_submission(args)
    if args.workers is not None and args.workers < 1:
        raise UsageError(f"--workers {args.workers}: expected a number of processes, 1 or more")
    if not 1 <= args.every <= 1000:
        raise UsageError(f"--every {args.every}: expected a number from 1 to 1000")


def _check_submission(args: argparse.Namespace) -> None:
    """Refuse what makes no submission: another number of methods than one, and what is about scores."""
    for name in ("json", "plot", "intervals"):
        if getattr(args, name):
            raise UsageError(f"--submit writes tracks and scores nothing: leave out --{name}")
    if args.methods and "," in args.methods:
        raise UsageError(f"--submit takes the tracks of one method, found --methods {args.methods}; choose one")
    if args.every != 1:
        raise UsageError(f"--submit: a server scores all frames; leave out --every {args.every}")


def _metrics(text: str) -> tuple[str, ...]:
    known = {name.lower(): name for name in ALL_METRICS}
    names = [name.strip() for name in text.split(",")]
    unknown = [name for name in names if name.lower() not in known]
    if unknown:
        raise argparse.ArgumentTypeError(f"expected some of {','.join(ALL_METRICS)}, found {unknown[0]!r}")
    return tuple(dict.fromkeys(known[name.lower()] for name in names))


def _settings(args: argparse.Namespace) -> dict[str, Setting]:
    """The methods by their labels."""
    found = {}
    for text in (args.methods or args.tracking_method).split(","):
        setting = Setting.parse(text, args.preset)
        appearance = appearance_of(setting.method, setting.preset, args.appearance, bool(args.reid_model))
        found[text] = replace(setting, appearance=appearance, offline=args.offline)
    return found


def _reid_model(args: argparse.Namespace) -> Path:
    if not (model := args.reid_model or args.model):
        raise UsageError("appearance needs --reid-model PACK or FILE.onnx, found none; add it, or use other --methods")
    found: Path = model
    return found


def _jobs(
    args: argparse.Namespace,
    sequences: list[Sequence],
    settings: dict[str, Setting],
    embeddings: dict[str, Embeddings],
    out: Path,
) -> list[Job]:
    if args.tracks:
        label = args.tracks.resolve().name
        return [Job(label, s, args.benchmark, find_text(args.tracks, s.name)) for s in sequences]
    return [
        Job(text, s, args.benchmark, out / text.replace(":", "_") / f"{s.name}.txt", setting, embeddings.get(s.name))
        for text, setting in settings.items()
        for s in sequences
    ]


@contextmanager
def _progress(tasks: list[tuple[str, int]]) -> Iterator[Progress]:
    """A bar for all tasks (name, frames) and one for each in work; nothing where standard error is no terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    from edge.console.terminal import Terminal

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(20),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    console = Terminal(stderr=True)
    with Bars(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        everything = bars.add_task("frames", total=sum(frames for _, frames in tasks))
        ids = [bars.add_task(name, total=frames, visible=False) for name, frames in tasks]
        done = [0] * len(tasks)

        def report(task: int, frames: int) -> None:
            bars.advance(everything, frames - done[task])
            done[task] = frames
            bars.update(ids[task], completed=frames, visible=frames < tasks[task][1])

        yield report


def _print_intervals(
    intervals: dict[str, dict[str, bootstrap.Interval]], differences: dict[str, dict[str, bootstrap.Interval]]
) -> None:
    """A line for each method, and for each other one its difference to the first."""
    from edge.console.terminal import Terminal

    rows = [(label, f"{{:{kind}}} to {{:{kind}}}", each) for kind, label, each in _lines(intervals, differences)]
    width = max(len(label) for label, _, _ in rows)
    lines = [f"\n{100 * bootstrap.LEVEL:.0f} % intervals over sequences, {bootstrap.RESAMPLES} resamples"]
    lines.append(" " * width + "".join(f"  {name:>14}" for name in bootstrap.METRICS))
    for label, pattern, each in rows:
        lines.append(
            f"{label:<{width}}" + "".join(f"  {pattern.format(*each[name]):>14}" for name in bootstrap.METRICS)
        )
    Terminal().out("\n".join(map(printable, lines)), highlight=False)


def _lines(
    intervals: dict[str, dict[str, bootstrap.Interval]], differences: dict[str, dict[str, bootstrap.Interval]]
) -> Iterator[tuple[str, str, dict[str, bootstrap.Interval]]]:
    first = next(iter(intervals))
    for label, each in intervals.items():
        yield ".1f", label, each
    for label, each in differences.items():
        yield "+.1f", f"{label} - {first}", each


def _write_json(args: argparse.Namespace, sequences: list[Sequence], found: dict[str, Any]) -> None:
    from edge import __version__

    document = {
        "version": __version__,
        "trackeval": judge_version(),
        "benchmark": args.benchmark,
        "split": args.split or BENCHMARKS[args.benchmark],
        "every": args.every,
        "offline": args.offline,
        "source": str(args.model or args.detections or args.tracks or "det/det.txt"),
        "frames": {s.name: len(s.frames) for s in sequences},
        **found,
    }
    try:
        args.json.write_text(json.dumps(document, indent=1) + "\n", "utf-8")
    except OSError as error:
        raise OutputError(f"{args.json}: cannot write scores: {error.strerror}") from error
