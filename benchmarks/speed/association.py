"""What association costs a frame, ours and other projects' trackers in turns on the same streams.

    python -m benchmarks.speed.association

Other projects' trackers and the picture need a virtual environment of their own, since some bring a second OpenCV:
`python -m venv .venv-bench && .venv-bench/bin/python -m pip install -e '.[bench]'`. What is not installed is left out.
"""

import argparse
import importlib.metadata
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmarks.results import RESULTS, table, write_section
from benchmarks.speed.peers import PEERS, Peer
from benchmarks.speed.streams import StreamFrame, quality, stream

OBJECTS = (10, 50, 100, 200, 500, 1000)
PICTURE = RESULTS / "association.svg"
FRAMES, ROUNDS, WARM_UP = 300, 3, 10
PASS_S = 2.0  # a slow tracker sees fewer frames


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU microseconds of one update call over a pass, and what the pass found."""

    median_us: float
    p99_us: float
    recall: float
    switches: float


def main() -> None:
    """Time all installed trackers, print the table, write the section of the results and the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", default=",".join(map(str, OBJECTS)), help="numbers of objects, by commas")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--dry-run", action="store_true", help="print only")
    args = parser.parse_args()
    installed = _installed()
    costs = {
        objects: _in_turns(installed, stream(objects, FRAMES), args.rounds)
        for objects in map(int, args.objects.split(","))
    }
    text = _text(costs)
    print(text)
    if not args.dry_run:
        packages = ("nanotrack-edge", "numpy", "numba")
        write_section("association", "Cost of association", text, "python -m benchmarks.speed.association", packages)
        _draw(costs)


def _installed() -> dict[str, Callable[[], Peer]]:
    """The trackers that can be imported, each run once so that nothing is compiled or loaded later."""
    frames, makers = stream(20, 30, seed=7), {}
    for name, (distribution, _, make) in PEERS.items():
        try:
            _one_pass(make(), frames)
        except ImportError:
            print(f"{name}: left out, {distribution} is not installed")
            continue
        makers[name] = make
    return makers


def _in_turns(makers: dict[str, Callable[[], Peer]], frames: list[StreamFrame], rounds: int) -> dict[str, Cost]:
    """The round with the lowest median of each tracker: what disturbs a shared machine only ever adds."""
    passes: dict[str, list[Cost]] = {name: [] for name in makers}
    for _ in range(rounds):
        for name, make in makers.items():
            passes[name].append(_one_pass(make(), frames))
    return {name: min(costs, key=lambda cost: cost.median_us) for name, costs in passes.items()}


def _one_pass(peer: Peer, frames: list[StreamFrame]) -> Cost:
    costs_ns, results, end = [], [], time.perf_counter() + PASS_S
    for frame in frames:
        arguments = peer.prepare(frame.boxes_xyxy, frame.scores)
        before = time.process_time_ns()
        output = peer.update(arguments)
        costs_ns.append(time.process_time_ns() - before)
        ids, boxes = peer.extract(output)
        results.append((np.array(ids), np.array(boxes)))
        if len(costs_ns) > 2 * WARM_UP and time.perf_counter() > end:
            break
    costs_us = np.array(costs_ns[WARM_UP:]) / 1e3
    found = results[:100]  # enough for a sanity check
    return Cost(float(np.median(costs_us)), float(np.percentile(costs_us, 99)), *quality(found, frames))


def _text(costs: dict[int, dict[str, Cost]]) -> str:
    shown = min(costs, key=lambda objects: abs(objects - 100))  # of the other columns one N is enough
    rows = []
    for name in costs[shown]:
        distribution, language, _ = PEERS[name]
        cost = costs[shown][name]
        rows.append(
            (
                f"{name} ({importlib.metadata.version(distribution)})",
                language,
                *(f"{by_name[name].median_us:,.1f}" for by_name in costs.values()),
                f"{cost.p99_us:,.1f}",
                f"{cost.recall:.3f}",
                f"{cost.switches:.1f}",
            )
        )
    sizes = tuple(f"N={objects}" for objects in costs)
    columns = ("tracker", "language", *sizes, f"p99, N={shown}", "recall", "switches per 1000")
    return f"""Process CPU time of one update call with the library's own input and output, median microseconds a
frame, one core; up to {FRAMES} frames of N moving objects (`benchmarks/speed/streams.py`), trackers in turns, best of
{ROUNDS} rounds. Recall and identity switches (N={shown}) tell that the work was done.

{table(columns, rows)}
![cost of association](association.svg)"""


def _draw(costs: dict[int, dict[str, Cost]]) -> None:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("no picture: matplotlib is not installed")
        return
    figure = Figure(figsize=(7.6, 4.6), layout="constrained")
    axes = figure.subplots()
    sizes = list(costs)
    label_us = 0.0
    for name, last in sorted(costs[sizes[-1]].items(), key=lambda item: item[1].median_us):
        medians = [costs[objects][name].median_us for objects in sizes]
        ours = name.startswith("ours")
        color = "#d6336c" if ours else "#868e96"
        axes.loglog(sizes, medians, marker="o", ms=3.5, color=color, lw=1.8 if ours else 1.1)
        label_us = max(0.7 * last.median_us, 1.5 * label_us)  # labels do not cover each other
        label = name if ours else f"{name}, {PEERS[name][1]}"
        axes.text(sizes[-1] * 1.1, label_us, label, color=color, va="center", fontsize=8)
    axes.set_xlabel("objects in view")
    axes.set_xticks(sizes, labels=map(str, sizes))
    axes.set_yticks([10, 100, 1e3, 1e4, 1e5], labels=["10 µs", "100 µs", "1 ms", "10 ms", "100 ms"])
    axes.minorticks_off()
    axes.grid(which="major", color="#e9ecef")
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title("CPU time of association for one frame, one core", loc="left", fontsize=11)
    figure.savefig(PICTURE, facecolor="white", metadata={"Date": None})


if __name__ == "__main__":
    main()
