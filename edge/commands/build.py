"""Build the TensorRT engines of a model pack for this board.

Every network is built in FP16, and in INT8 where the GPU has it; each is run on the pack's golden input and timed here,
and the fastest that is right is kept. Run it as the user of the tracker, or as root into a folder that the tracker only
reads, after every change of pack, JetPack or TensorRT. A first build takes minutes, later ones reuse its timings.

  nanotrack build person.pack
"""

import argparse
import json
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from edge import board, modelpack
from edge.console.terminal import Terminal
from edge.errors import UnavailableError, UsageError
from edge.infer import storage
from edge.infer.golden import NetworkName
from edge.infer.reasons import Skip, summary
from edge.infer.tensorrt.available import Gpu, probe
from edge.infer.tensorrt.build import Built, Limits, build_network
from edge.infer.tensorrt.versions import is_untried
from edge.modelpack import ModelPack

MEMORY_SHARE = 0.75  # of the board's, for one child: what else runs there must survive


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's flags."""
    parser.add_argument("pack", type=Path, metavar="PACK", help="the model pack")
    parser.add_argument("--timeout-s", type=float, default=1800.0, metavar="S", help="for one engine; default: 1800")
    parser.add_argument("--memory-mb", type=int, metavar="MB", help="for one engine; default: 3/4 of the board's")
    parser.add_argument("--json", action="store_true", help="the report as JSON")


def run(args: argparse.Namespace) -> None:
    """Build, measure, keep the best, write and show the report. Raises UnavailableError when no engine came of it."""
    if args.timeout_s <= 0 or (args.memory_mb is not None and args.memory_mb <= 0):
        raise UsageError("--timeout-s and --memory-mb: expected a number above 0")
    pack = modelpack.read(args.pack)
    gpu = probe()
    limits = Limits(args.timeout_s, _memory_bytes(args.memory_mb))
    networks: tuple[NetworkName, ...] = ("detector", "reid") if pack.reid else ("detector",)
    folder = storage.default_folder()
    built: list[Built] = []
    skips: list[Skip] = []
    console = Terminal(stderr=True)
    with storage.locked(folder), console.status("") as status:
        for network in networks:
            found, passed = build_network(pack, network, gpu, folder, limits, status.update)
            built += found
            skips += passed
        report = report_of(pack, gpu, built, skips)
        path = folder / f"report-{pack.manifest.name}.json"
        storage.write(path, json.dumps(report, indent=2).encode("utf-8"))
    if args.json:
        sys.stdout.write(json.dumps(report, indent=2) + "\n")
    else:
        show(Terminal(), gpu, built, skips, path)
    if not any(b.network == "detector" and b.verdict == "kept" for b in built):
        why = summary(skips) or "; ".join(f"{b.precision}: {b.detail}" for b in built)
        raise UnavailableError(f"{pack.folder}: no engine for the detector came of it: {why}")


def _memory_bytes(wanted_mb: int | None) -> int | None:
    if wanted_mb is not None:
        return wanted_mb << 20
    total = board.memory_bytes()
    return None if total is None else int(total * MEMORY_SHARE)


def report_of(pack: ModelPack, gpu: Gpu, built: list[Built], skips: list[Skip]) -> dict[str, object]:
    """Everything about the build, JSON-ready: board, GPU, figures, layers by precision, what was not built and why."""
    return {
        "pack": pack.manifest.name,
        "board": board.facts(),
        "gpu": vars(gpu),
        "engines": [b.as_dict() for b in built],
        "skipped": [skip.as_dict() for skip in skips],
    }


def show(console: Console, gpu: Gpu, built: list[Built], skips: list[Skip], path: Path) -> None:
    """The report as a table."""
    table = Table("network", "precision", "batch", "p50 ms", "p99 ms", "layers", "error", "result", box=None)
    for item in built:
        figures = item.measured
        for row, batch in enumerate(figures.p50_ms):
            layers = figures.layers[batch]
            table.add_row(
                *((item.network, f"{item.precision} ({item.variant})") if row == 0 else ("", "")),
                batch,
                f"{figures.p50_ms[batch]:.2f}",
                f"{figures.p99_ms[batch]:.2f}",
                ", ".join(f"{count} {name}" for name, count in layers.items())
                + f", {figures.reformats[batch]} reformats"
                + ("" if batch in figures.unrecorded else ", one CUDA graph"),
                "unknown" if figures.error is None else f"{figures.error:.2g} of {figures.limit:.2g}",
                item.verdict.replace("_", " "),
            )
    console.print(f"{gpu.name}, TensorRT {gpu.tensorrt}, {gpu.driver}", highlight=False)
    if is_untried(gpu.tensorrt):
        console.print(Text("This TensorRT is newer than any that was tried; please report how it went.", "yellow"))
    console.print(table)
    for skip in skips:
        console.print(f"not built: {skip}", highlight=False)
    console.print(f"report: {path}", highlight=False, soft_wrap=True)
