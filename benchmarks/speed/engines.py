"""Engines on this processor, in turns: every rung of packs with one and two threads, and the published file beside.

    python -m benchmarks.speed.engines nanodet416.pack nanodet320.pack

The packs want fp32 and int8 variants (nanotrack-export pack --calibrate). ncnn is timed where its wheels are (ncnn,
pnnx), OpenVINO where the extra is. Times are of the process, all threads together for one thread, and of the wall
clock for more. `auto` marks what the ladder takes by itself. Agreement wants the data folder (NANOTRACK_DATA).
"""

import argparse
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np

from benchmarks.data import DATA
from benchmarks.results import table, write_section
from benchmarks.speed import ncnn_peer
from calibration import feeds, frames
from calibration.gate import Agreement, DetectorJudge
from calibration.runtime import Arrays, Feed, Runner
from edge import modelpack
from edge.infer import turns
from edge.infer.backend import Backend
from edge.infer.ladder import LADDER, Ladder, Wish
from edge.infer.onnxrt.session import OnnxRuntime
from edge.infer.reasons import RungError
from edge.modelpack import ModelPack

ROUNDS = 40
THREADS = (1, 2)
REFERENCE = "published file, ONNX Runtime"
PUBLISHED = DATA / "models/nanodet-plus-m_416.onnx"
WITHIN = 0.03  # `auto` is as fast as the fastest, up to this share


@dataclass(frozen=True)
class Row:
    """One way to run a network: its engine in words, threads, median milliseconds, and whether `auto` takes it."""

    network: str
    engine: str
    threads: int
    ms: float
    is_auto: bool = False
    agreement: str = ""


def main() -> None:
    """Measure and write the section of the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("packs", type=Path, nargs="+", metavar="PACK")
    parser.add_argument("--dry-run", action="store_true", help="print only")
    args = parser.parse_args()
    rows = [row for path in args.packs for row in measured(modelpack.read(path))]
    body = text(rows)
    print(body)
    if not args.dry_run:
        write_section(
            "engines", "Engines", body, "python -m benchmarks.speed.engines PACK...", ("onnxruntime", "openvino")
        )


def measured(pack: ModelPack) -> list[Row]:
    """Every rung of the pack's detector, with one thread and with two, timed in turns; and the published file."""
    image = pack.detector.input
    name = f"{pack.detector.source.architecture} {image.width}x{image.height}"
    agreements = _agreements(pack) if DATA.is_dir() else {}
    rows = []
    for threads in THREADS:
        auto = Ladder(Wish(threads=threads)).open(pack, "detector").running.rung
        opened = dict(_opened(pack, threads))
        runs: dict[str, Callable[[], object]] = {rung: backend.run for rung, backend in opened.items()}
        with tempfile.TemporaryDirectory() as folder:
            if (image.width, image.height) == (416, 416) and PUBLISHED.exists():
                runs |= _published(Path(folder), threads)
            times_ms = turns.in_turns(list(runs.values()), threads, ROUNDS)
        for engine, ms in zip(runs, times_ms, strict=True):
            rows.append(Row(name, engine, threads, ms, engine == auto, agreements.get(engine, "")))
    return rows


def _opened(pack: ModelPack, threads: int) -> Iterator[tuple[str, Backend]]:
    """Every rung of the CPU that opens and is right, filled with noise."""
    random = np.random.default_rng(0)
    for rung in (rung for rung in LADDER if rung.backend != "tensorrt"):
        try:
            opened = Ladder(Wish(require=rung.name, threads=threads)).open_rung(rung, pack, "detector")
        except RungError as error:
            print(f"{rung.name}: {error}")
            continue
        buffer = opened.backend.inputs[pack.detector.input.name]
        buffer[...] = random.integers(0, 256, buffer.shape).astype(buffer.dtype)
        yield rung.name, opened.backend


def _published(folder: Path, threads: int) -> dict[str, Callable[[], object]]:
    planes = np.random.default_rng(0).normal(0, 1, (1, 3, 416, 416)).astype(np.float32)
    backend = OnnxRuntime(PUBLISHED, threads=threads)
    next(iter(backend.inputs.values()))[...] = planes
    peers = ncnn_peer.runs(PUBLISHED, planes, folder, threads)
    return {REFERENCE: backend.run} | {f"published file, {name}": run for name, run in peers.items()}


class _Run:
    """An open network as calibration's judge runs variants."""

    def __init__(self, backend: Backend, name: str):
        self._backend, self._name = backend, name

    def __call__(self, feed: Feed) -> Arrays:
        self._backend.inputs[self._name][...] = feed
        self._backend.run()
        return {name: np.array(array) for name, array in self._backend.outputs.items()}

    def each(self, tensors: Iterable[Feed]) -> Iterator[Arrays]:
        return map(self, tensors)


def _agreements(pack: ModelPack) -> dict[str, str]:
    """By rung: agreement on people with float32 on mot17_mini."""
    detector = pack.detector
    pictures = frames.find(39, str(DATA / "images/mot17_mini"))
    tensors = [feeds.tensor(detector.input, [picture]) for picture in pictures.pictures()]
    reference = Runner(pack.path(detector.variants["fp32"]).read_bytes())
    judge = DetectorJudge(detector, reference, tensors, classes=[detector.classes.index("person")])
    found = {}
    for rung, backend in _opened(pack, 1):
        verdict = judge.verdict(cast(Runner, _Run(backend, detector.input.name)), 1)
        assert isinstance(verdict, Agreement)
        found[rung] = f"{verdict.ap50:.3f} / {verdict.ap:.3f}"
    return found


def text(rows: Sequence[Row]) -> str:
    """The table, and for each network and number of threads how near `auto` comes to the fastest."""
    lines, shown = [], []
    for network in dict.fromkeys(row.network for row in rows):
        for threads in THREADS:
            group = [row for row in rows if (row.network, row.threads) == (network, threads)]
            ours = [row for row in group if "published" not in row.engine]
            fastest = min(row.ms for row in ours)
            (auto,) = [row for row in ours if row.is_auto]
            behind = auto.ms / fastest - 1
            verdict = "within" if behind <= WITHIN else "more than"
            lines.append(
                f"- {network}, threads {threads}: `auto` takes {auto.engine}, {behind:.1%} behind the fastest,"
                f" {verdict} {WITHIN:.0%}."
            )
            reference = next((row.ms for row in group if row.engine == REFERENCE), None)
            for row in sorted(group, key=lambda row: row.ms):
                speed = f"{reference / row.ms:.2f}x" if reference else ""
                name = f"**{row.engine}** (`auto`)" if row.is_auto else row.engine
                shown.append((network, name, str(threads), f"{row.ms:.2f}", speed, row.agreement))
    columns = ("network", "engine", "threads", "ms", "beside the published file", "AP .5 / .5:.95")
    return (
        f"Up to {ROUNDS} runs of each in turns, lower quartile: CPU time with one thread, wall clock with two."
        f" Agreement: people on mot17_mini against float32 detections of at least .3.{_busy()}\n\n"
        + "\n".join(lines)
        + "\n\n"
        + table(columns, shown)
        + _on_ncnn(rows)
    )


def _busy() -> str:
    """What other programs did meanwhile, where it matters."""
    load, cores = os.getloadavg()[2], len(os.sched_getaffinity(0))
    if load <= cores:
        return ""
    return (
        f" Other programs ran meanwhile (load {load:.0f} on {cores} cores): threads that wait for each other lost their"
        " cores, so with two the times are not those of an idle machine and change from run to run."
    )


def _on_ncnn(rows: Sequence[Row]) -> str:
    """Why ncnn is no rung, where it was timed."""
    peers = [row for row in rows if ", ncnn " in row.engine and row.threads == 1]
    if not peers:
        return ""
    best = min(peers, key=lambda row: row.ms)
    ours = min((r for r in rows if (r.network, r.threads) == (best.network, 1) and r.is_auto), key=lambda row: row.ms)
    name, slower = best.engine.removeprefix("published file, "), best.ms / ours.ms
    return (
        f"\nncnn is no rung: with one thread {name} takes {slower:.2f} times as long as what `auto` takes,"
        f" {ours.engine}. On ARM, where it may be faster, nothing could be timed, and its wheel lacks the programs that"
        " make integers of a float network.\n"
    )


if __name__ == "__main__":
    main()
