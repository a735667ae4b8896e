"""Score trackers on a benchmark folder with TrackEval: HOTA, DetA, AssA, MOTA, IDF1, IDSW, FP, FN, Frag.

The folder has MOTChallenge's layout, with or without the folder of the split:

  DATA/[train|val/]SEQUENCE/gt/gt.txt, seqinfo.ini, and optionally det/det.txt and img1/

Detections come from --model, which reads the images; from --detections (DIR/SEQUENCE.txt, .txt.gz or
SEQUENCE/det/det.txt); else from the sequence's own det/det.txt. --split val-half runs the second half of each training
sequence; --every 3 runs every third frame, as a camera with a third of the frame rate. All files keep the numbers of
the whole. Ground truth is MOT17's (frame,id,left,top,width,height,consider,class,visibility) or MOT15's, which has
world coordinates behind `consider`.

  nanotrack val --benchmark MOT17 --data MOT17 --sequences '*-FRCNN' --model person.pack --out results
  nanotrack val --benchmark MOT17 --data MOT17 --split val-half --detections yolox --methods nanotrack,bytetrack
  nanotrack val --benchmark DanceTrack --data dancetrack --detections yolox --methods bytetrack:track_thresh=0.3
  nanotrack val --benchmark MOT15 --data MOT15 --detections nanodet --every 3
  nanotrack val --benchmark MOT17 --data MOT17 --reid-model person.pack --methods nanotrack,qdtrack
  nanotrack val --benchmark MOT20 --data MOT20 --tracks results
"""

import argparse
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from edge.chain.appearance import appearance_of
from edge.errors import OutputError, UsageError
from edge.val.dataset import BENCHMARKS, SPLITS, Sequence, find_sequences, find_text
from edge.val.embeddings import Embeddings
from edge.val.parallel import Progress
from edge.val.run import Job, Model, Network, Setting, detect, embed, evaluate
from edge.val.score import COMBINED, COUNTS, METRICS, Scores, judge_version

if TYPE_CHECKING:
    from rich.text import Text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags of `nanotrack val`."""
    parser.add_argument("--benchmark", required=True, choices=BENCHMARKS, help="which boxes count as distractors")
    parser.add_argument("--data", required=True, type=Path, metavar="DIR", help="the benchmark's folder")
    parser.add_argument(
        "--split", metavar="NAME", help=f"{', '.join(SPLITS)} or a folder of DIR; default: the benchmark's labelled one"
    )
    parser.add_argument("--every", type=int, default=1, metavar="K", help="run and score only every K-th frame")
    parser.add_argument("--sequences", default="*", metavar="GLOB", help="only the sequences of such names")
    parser.add_argument("--detections", type=Path, metavar="DIR", help="detections to replay, a file a sequence")
    parser.add_argument("--tracks", type=Path, metavar="DIR", help="score these results and run no tracker")
    parser.add_argument("--model", type=Path, metavar="PACK|FILE.onnx", help="detect on the images")
    parser.add_argument("--conf", type=float, metavar="F", help="lowest score of the model's; default: the pack's, 0.1")
    parser.add_argument("--classes", default="person", metavar="A,B,...", help="what to detect; default: person")
    parser.add_argument("--backend", default="auto", choices=("auto", "onnxruntime", "tensorrt"), help="default: auto")
    parser.add_argument("--variant", default="auto", choices=("auto", "fp32", "int8"), help="default: auto")
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
        "--appearance", choices=("none", "ema", "sasm"), help="memory of embeddings; default: the method's own"
    )
    parser.add_argument("--methods", metavar="A,B,C", help="several, side by side: NAME[:PRESET][:PARAMETER=NUMBER]...")
    parser.add_argument("--offline", action="store_true", help="improve the tracks in a second pass over each sequence")
    parser.add_argument("--workers", type=int, metavar="N", help="processes; default: one for each core")
    parser.add_argument("--out", type=Path, metavar="DIR", help="keep the tracks, as DIR/METHOD/SEQUENCE.txt")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all scores to FILE")


def run(args: argparse.Namespace) -> None:
    """Track, score, print the table and write the JSON."""
    _check(args)
    found = find_sequences(args.data, args.benchmark, args.split, args.detections, args.sequences)
    sequences = [sequence.thinned(args.every) for sequence in found]
    workers = min(args.workers or len(os.sched_getaffinity(0)), len(sequences))
    judge_version()  # without a judge no work is begun
    with tempfile.TemporaryDirectory() as temporary:
        out = args.out or Path(temporary)
        if args.model:
            model = Model(args.model, tuple(args.classes.split(",")), args.conf, args.backend, args.variant)
            with _progress([(s.name, len(s.images_by_frame())) for s in sequences]) as progress:
                sequences = detect(sequences, model, out / "detections", workers, progress)
        settings = {} if args.tracks else _settings(args)
        embeddings: dict[str, Embeddings] = {}
        if any(setting.uses_appearance for setting in settings.values()):
            network = Network(_reid_model(args), args.backend, args.variant)
            with _progress([(s.name, len(s.images_by_frame())) for s in sequences]) as progress:
                sequences, found_ = embed(sequences, network, Path(temporary) / "embeddings", workers, progress)
            embeddings = {s.name: each for s, each in zip(sequences, found_, strict=True)}
        jobs = _jobs(args, sequences, settings, embeddings, out)
        with _progress([(f"{job.sequence.name} {job.label}", len(job.sequence.frames)) for job in jobs]) as progress:
            scores = evaluate(jobs, workers, progress)
    _print_table(scores)
    if args.json:
        _write_json(args, sequences, scores)


def _check(args: argparse.Namespace) -> None:
    """Refuse flags that do not fit together."""
    sources = [f"--{name}" for name in ("model", "detections", "tracks") if getattr(args, name)]
    if len(sources) > 1:
        raise UsageError(f"{' and '.join(sources)} exclude each other: expected one source of boxes")
    for name in ("methods", "reid_model", "appearance", "offline"):
        if args.tracks and getattr(args, name):
            raise UsageError(f"--tracks scores existing results: leave out --{name.replace('_', '-')}")
    if args.workers is not None and args.workers < 1:
        raise UsageError(f"--workers {args.workers}: expected a number from 1 on")
    if not 1 <= args.every <= 1000:
        raise UsageError(f"--every {args.every}: expected a number from 1 to 1000")


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
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    from edge.console.terminal import Terminal

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
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


def _print_table(scores: dict[str, dict[str, Scores]]) -> None:
    """One group of rows a sequence, one row a method, the best of a group in bold."""
    from rich.table import Table

    from edge.console.terminal import Terminal

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
    console = Terminal()
    if not console.is_terminal:
        console.width = 200  # a pipe has no width: never shorten
    console.print(table)


def _cell(name: str, value: float, group: list[float]) -> "Text":
    text = f"{value:d}" if name in COUNTS else f"{value:.3f}"
    best = min(group) if name in COUNTS else max(group)
    from rich.text import Text

    return Text(text, "bold" if value == best and len(group) > 1 else "")


def _write_json(args: argparse.Namespace, sequences: list[Sequence], scores: dict[str, dict[str, Scores]]) -> None:
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
        "scores": scores,
    }
    try:
        args.json.write_text(json.dumps(document, indent=1) + "\n", "utf-8")
    except OSError as error:
        raise OutputError(f"{args.json}: cannot write scores: {error.strerror}") from error
