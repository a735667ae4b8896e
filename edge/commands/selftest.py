"""Check on this board that a model pack computes the right results: on every rung of the ladder, one after another.

For each network and rung: whether it opens, how far it is from the pack's golden output, how long a run takes (copies
and waiting included), and, on TensorRT, the precision that each layer really got. For a rung that is not available the
reason is shown. The exit code is 0 when every rung that opened was right, 65 when one was wrong.

  nanotrack selftest person.pack --json > selftest.json
"""

import argparse
import dataclasses
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from edge import __version__, board, modelpack
from edge.console.terminal import Terminal
from edge.errors import DataError, NanoTrackError, UsageError
from edge.infer.golden import NetworkName
from edge.infer.ladder import LADDER, Ladder, Rung, Wish
from edge.infer.latency import latencies_ms, percentiles_ms
from edge.infer.reasons import Reason, RungError
from edge.infer.tensorrt.measure import layers_of
from edge.modelpack import ModelPack


@dataclass(frozen=True)
class Result:
    """One network on one rung: the reason and detail when it was not run, the figures when it was.

    Times are of one image or crop.
    """

    network: NetworkName
    rung: str
    reason: str | None
    detail: str
    error: float | None = None
    limit: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    layers: dict[str, int] | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's flags."""
    parser.add_argument("pack", type=Path, metavar="PACK", help="the model pack")
    parser.add_argument(
        "--threads", type=int, default=1, metavar="N", help="threads of the network on the CPU; default: 1"
    )
    parser.add_argument("--seconds", type=float, default=3.0, metavar="S", help="to time each rung for; default: 3")
    parser.add_argument("--json", action="store_true", help="the results as JSON, with all facts of the board")


def run(args: argparse.Namespace) -> None:
    """Run every rung and show the results. Raises DataError when one computes something else."""
    if args.threads < 1 or not 0 < args.seconds <= 3600:
        raise UsageError("--threads: expected 1 or more; --seconds: expected a number above 0, up to 3600")
    pack = modelpack.read(args.pack)
    if pack.manifest.golden is None:
        raise DataError(f"{pack.folder}: it has no golden output to compare with; export it again")
    gpu = Ladder(Wish()).gpu  # looked for once
    networks: tuple[NetworkName, ...] = ("detector", "reid") if pack.reid else ("detector",)
    before = board.facts()
    with Terminal(stderr=True).status("") as status:
        results = []
        for network in networks:
            for rung in LADDER:
                status.update(f"{network} on {rung.name}")
                # By name, so that a rung is tested also where another one is faster.
                ladder = Ladder(Wish(require=rung.name, threads=args.threads), look=gpu)
                results.append(try_rung(ladder, rung, pack, network, args.seconds))
    if args.json:
        report = {
            "version": __version__,
            "pack": pack.manifest.name,
            "threads": args.threads,
            "board": before,
            "temperatures_after_c": board.temperatures(),
            "results": [dataclasses.asdict(result) for result in results],
        }
        sys.stdout.write(json.dumps(report, indent=2) + "\n")
    else:
        show(Terminal(), results, pack)
    wrong = [f"{r.network} on {r.rung} ({r.detail})" for r in results if r.reason == Reason.GOLDEN_MISMATCH.value]
    if wrong:
        raise DataError(f"{pack.folder}: not what the pack's golden output says: {', '.join(wrong)}")


def try_rung(ladder: Ladder, rung: Rung, pack: ModelPack, network: NetworkName, seconds: float) -> Result:
    """Open, check and time one rung."""
    try:
        opened = ladder.open_rung(rung, pack, network)
    except RungError as error:
        return Result(network, rung.name, error.reason.value, error.detail)
    except NanoTrackError as error:
        return Result(network, rung.name, Reason.BACKEND_FAILED.value, str(error))
    try:
        p50_ms, p99_ms = percentiles_ms(latencies_ms(opened.backend, 1, seconds))
        layers = layers_of(opened.backend)
    finally:
        opened.backend.close()
    figures: dict[str, Any] = {"p50_ms": p50_ms, "p99_ms": p99_ms, "layers": layers}
    if opened.parity is not None:
        figures |= {"error": opened.parity.error, "limit": opened.parity.limit}
    return Result(network, rung.name, None, "", **figures)


def show(console: Console, results: list[Result], pack: ModelPack) -> None:
    """The results as a table, a line a rung, and below it why rungs were not run."""
    table = Table(box=None)
    for name in ("network", "rung", "result", "error", "p50 ms", "p99 ms", "layers"):
        table.add_column(name, no_wrap=name in ("network", "rung", "result"))
    for result in results:
        if result.reason is not None:
            table.add_row(result.network, result.rung, result.reason)
            continue
        layers = ", ".join(f"{count} {name}" for name, count in (result.layers or {}).items())
        error = "not known" if result.error is None else f"{result.error:.2g} of {result.limit:.2g}"
        table.add_row(
            result.network, result.rung, "right", error, f"{result.p50_ms:.2f}", f"{result.p99_ms:.2f}", layers
        )
    console.print(table)
    for reason, detail in dict.fromkeys((r.reason, r.detail) for r in results if r.reason is not None):
        console.print(f"{reason}: {detail}; {_remedy(Reason(reason), pack)}", highlight=False)


def _remedy(reason: Reason, pack: ModelPack) -> str:
    """What to do; nothing where a pack that was calibrated was meant to be without the variant."""
    if reason is Reason.VARIANT_MISSING and pack.manifest.calibration is not None:
        return "nothing to do: the pack was calibrated without it, as --boards said or because it would gain nothing"
    return reason.remedy_for(pack.folder)
