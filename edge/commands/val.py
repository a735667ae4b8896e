"""Score trackers on a benchmark folder with TrackEval: HOTA, DetA, AssA, MOTA, IDF1, IDSW, FP, FN, Frag.

The folder has MOTChallenge's layout, with or without the folder of the split:

  DATA/[train|val/]SEQUENCE/gt/gt.txt, seqinfo.ini, and optionally det/det.txt and img1/

Detections come from --detections (DIR/SEQUENCE.txt, .txt.gz or SEQUENCE/det/det.txt), else from the sequence's own
det/det.txt. --split val-half runs the second half of each training sequence; all files keep the numbers of the whole.

  nanotrack val --benchmark MOT17 --data MOT17 --sequences '*-FRCNN' --methods nanotrack,bytetrack:reference
  nanotrack val --benchmark MOT17 --data MOT17 --split val-half --detections yolox --methods nanotrack:track_thresh=0.3
  nanotrack val --benchmark DanceTrack --data dancetrack --tracks results
"""

import argparse
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge.benchmark import BENCHMARKS, SPLITS, Sequence, find_sequences, find_text
from edge.errors import OutputError, UsageError
from edge.evaluate import Job, Progress, Setting, evaluate
from edge.judge import COMBINED, COUNTS, METRICS, Scores, judge_version


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags of `nanotrack val`."""
    parser.add_argument("--benchmark", required=True, choices=BENCHMARKS, help="which boxes count as distractors")
    parser.add_argument("--data", required=True, type=Path, metavar="DIR", help="the benchmark's folder")
    parser.add_argument("--split", choices=SPLITS, help="default: the benchmark's labelled split")
    parser.add_argument("--sequences", default="*", metavar="GLOB", help="only the sequences of such names")
    parser.add_argument("--detections", type=Path, metavar="DIR", help="detections to replay, a file a sequence")
    parser.add_argument("--tracks", type=Path, metavar="DIR", help="score these results and run no tracker")
    parser.add_argument("--tracking-method", default="nanotrack", metavar="NAME", help="default: nanotrack")
    parser.add_argument("--preset", default="default", choices=("default", "reference"), help="default: default")
    parser.add_argument("--methods", metavar="A,B,C", help="several, side by side: NAME[:PRESET][:PARAMETER=NUMBER]...")
    parser.add_argument("--workers", type=int, metavar="N", help="processes; default: one for each core")
    parser.add_argument("--out", type=Path, metavar="DIR", help="keep the tracks, as DIR/METHOD/SEQUENCE.txt")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all scores to FILE")


def run(args: argparse.Namespace) -> None:
    """Track, score, print the table and write the JSON."""
    sequences = find_sequences(args.data, args.benchmark, args.split, args.detections, args.sequences)
    workers = args.workers or len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as temporary:
        jobs = _jobs(args, sequences, args.out or Path(temporary))
        with _progress(jobs) as progress:
            scores = evaluate(jobs, max(1, min(workers, len(jobs))), progress)
    _print_table(scores)
    if args.json:
        _write_json(args, scores)


def _jobs(args: argparse.Namespace, sequences: list[Sequence], out: Path) -> list[Job]:
    if args.tracks:
        if args.methods or args.detections:
            raise UsageError("--tracks scores existing results: leave out --methods and --detections")
        label = args.tracks.resolve().name
        return [Job(label, s, args.benchmark, find_text(args.tracks, s.name)) for s in sequences]
    jobs = []
    for label in (args.methods or args.tracking_method).split(","):
        setting = Setting.parse(label, args.preset)
        folder = out / label.replace(":", "_").replace(os.sep, "_")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{folder}: cannot make the folder: {error.strerror}") from error
        jobs += [Job(label, s, args.benchmark, folder / f"{s.name}.txt", setting) for s in sequences]
    return jobs


@contextmanager
def _progress(jobs: list[Job]) -> Iterator[Progress]:
    """A bar for everything and one for each sequence in work; nothing where standard error is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        everything = bars.add_task("frames", total=sum(len(job.sequence.frames) for job in jobs))
        tasks = [
            bars.add_task(f"{job.sequence.name} {job.label}", total=len(job.sequence.frames), visible=False)
            for job in jobs
        ]
        done = [0] * len(jobs)

        def report(job: int, frames: int) -> None:
            bars.advance(everything, frames - done[job])
            done[job] = frames
            bars.update(tasks[job], completed=frames, visible=frames < len(jobs[job].sequence.frames))

        yield report


def _print_table(scores: dict[str, dict[str, Scores]]) -> None:
    """One group of rows a sequence, one row a method, the best of a group in bold."""
    from rich.console import Console
    from rich.table import Table

    table = Table()
    table.add_column("sequence")
    table.add_column("method")
    for name in METRICS:
        table.add_column(name, justify="right")
    sequences = list(next(iter(scores.values())))
    for sequence, following in zip(sequences, [*sequences[1:], None], strict=True):
        divided = len(scores) > 1 or following == COMBINED
        group = {label: of_label[sequence] for label, of_label in scores.items()}
        for i, (label, values) in enumerate(group.items()):
            cells = [_cell(name, values[name], [other[name] for other in group.values()]) for name in METRICS]
            table.add_row(sequence if i == 0 else "", label, *cells, end_section=i == len(group) - 1 and divided)
    console = Console()
    if not console.is_terminal:
        console.width = 200  # a pipe has no width: never shorten
    console.print(table)


def _cell(name: str, value: float, group: list[float]) -> str:
    text = f"{value:d}" if name in COUNTS else f"{value:.3f}"
    best = min(group) if name in COUNTS else max(group)
    return f"[bold]{text}[/]" if value == best and len(group) > 1 else text


def _write_json(args: argparse.Namespace, scores: dict[str, dict[str, Scores]]) -> None:
    from edge import __version__

    document = {
        "version": __version__,
        "trackeval": judge_version(),
        "benchmark": args.benchmark,
        "split": args.split or BENCHMARKS[args.benchmark],
        "data": str(args.data),
        "detections": str(args.detections) if args.detections else None,
        "combined": {label: of_label[COMBINED] for label, of_label in scores.items()},
        "scores": scores,
    }
    try:
        args.json.write_text(json.dumps(document, indent=1) + "\n", "utf-8")
    except OSError as error:
        raise OutputError(f"{args.json}: cannot write scores: {error.strerror}") from error
