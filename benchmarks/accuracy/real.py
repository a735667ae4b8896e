"""NanoTrack's default beside every published method at its own best threshold, on real detections and the other sets.

    python -m benchmarks.accuracy.real [--sets real,mot15] [--draws 4]

Ours has one setting for all sets. Each rival is run with all of `THRESHOLDS` and gets, for every set and frame rate,
the one with the best mean HOTA there. Needs the data folder (NANOTRACK_DATA) with the reference folder beside it.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.accuracy.sets import Set, sets
from benchmarks.accuracy.trials import JITTER, Counts, Run, Trial, counts, total, workers
from benchmarks.results import RESULTS, table, write_section
from edge.val.run import Setting

PICTURE = RESULTS / "rates.svg"
THRESHOLDS = (0.3, 0.4, 0.45, 0.6, 0.7)
SHOWN = ("pooled HOTA", "HOTA", "MOTA", "IDF1")
OURS = "NanoTrack"
DRAWN = "real"  # the set of the picture

Figures = Mapping[str, float]  # of `SHOWN`


@dataclass(frozen=True)
class Rival:
    """A published method as we ship it: the preset that reproduces it, or the one that repairs its defects."""

    name: str
    method: str
    preset: str
    match_thresh: float | None = None

    def settings(self) -> dict[float, Setting]:
        """A setting for each threshold. ByteTrack's and SparseTrack's evaluations leave out flat and tiny boxes."""
        fixed = {} if self.match_thresh is None else {"match_thresh": self.match_thresh}
        return {
            threshold: Setting(
                self.method,
                self.preset,
                {"track_thresh": threshold, **fixed},
                output_filter=self.method != "nanotrack",
            )
            for threshold in THRESHOLDS
        }


RIVALS = (
    *(
        Rival(f"ByteTrack, match {match:g}{repaired}", "bytetrack", preset, match)
        for match in (0.8, 0.9)
        for preset, repaired in (("reference", ""), ("default", ", repaired"))
    ),
    Rival("SparseTrack", "sparsetrack", "reference"),
    Rival("SparseTrack, repaired", "sparsetrack", "default"),
    Rival("NanoTrack as published", "nanotrack", "reference"),
    Rival("NanoTrack as published, repaired", "nanotrack", "published"),
)


@dataclass(frozen=True)
class Cell:
    """One set at one frame rate, measured: ours, and each rival's best with its threshold."""

    set: Set
    every: int
    ours: dict[str, Figures]
    rivals: dict[str, tuple[float, Figures]]

    @property
    def best(self) -> Figures:
        """The highest figure of any rival, each by itself: they need not be of the same rival."""
        return {name: max(figures[name] for _, figures in self.rivals.values()) for name in SHOWN}


def main() -> None:
    """Track, score, print, draw and write the section of the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", metavar="A,B", help="only these, without writing anything")
    parser.add_argument(
        "--draws", type=int, default=0, metavar="N", help=f"noise from N draws of {100 * JITTER:g} %% jitter"
    )
    args, begun = parser.parse_args(), time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        wanted = [s for s in sets(Path(temporary)) if not args.sets or s.key in args.sets.split(",")]
        cells = measured(wanted)
        noise = noises(wanted, args.draws) if args.draws > 1 else None
        body = text(cells, noise, standing(wanted))
    print(body)
    print(f"{time.monotonic() - begun:.0f} s")
    if not args.sets:
        draw([cell for cell in cells if cell.set.key == DRAWN], PICTURE)
        draws = f" --draws {args.draws}" if args.draws else ""
        write_section(
            "real", "Real detections first", body, f"python -m benchmarks.accuracy.real{draws}",
            ("nanotrack-edge", "numba", "scipy"),
        )  # fmt: skip


def measured(wanted: Iterable[Set]) -> list[Cell]:
    """All sets at all their rates, ours with its one setting and each rival with its best."""
    ours = {OURS: Setting("nanotrack"), f"{OURS}, offline": Setting("nanotrack", offline=True)}
    settings = [*ours.values(), *(setting for rival in RIVALS for setting in rival.settings().values())]
    places = [(s, every) for s in wanted for every in s.every]
    by_place = figures_of(places, [Run(setting) for setting in settings])
    cells = []
    for (set_, every), figures in zip(places, by_place, strict=True):
        rest = iter(figures[len(ours) :])
        rivals = {rival.name: _best([(threshold, next(rest)) for threshold in THRESHOLDS]) for rival in RIVALS}
        cells.append(Cell(set_, every, dict(zip(ours, figures, strict=False)), rivals))
    return cells


def noises(wanted: Iterable[Set], draws: int) -> dict[tuple[str, int], Figures]:
    """What our figures stray by, as a standard deviation, when boxes are jittered; by set and rate."""
    places = [(s, every) for s in wanted for every in s.every]
    runs = [Run(Setting("nanotrack"), JITTER, seed) for seed in range(draws)]
    return {
        (set_.key, every): {name: float(np.std([f[name] for f in figures], ddof=1)) for name in SHOWN}
        for (set_, every), figures in zip(places, figures_of(places, runs), strict=True)
    }


def standing(wanted: Iterable[Set]) -> dict[str, tuple[float, int]]:
    """By real sequence how long ours shows something that stands where nobody is, seconds, and its false boxes."""
    found = {}
    for sequence in (s for set_ in wanted if set_.key == DRAWN for s in set_.sequences):
        trial = Trial(sequence)
        tracked, ids = trial.track(Setting("nanotrack"))
        found[sequence.name] = trial.standing_false_s(tracked, ids), int(total([trial.count(tracked, ids)])["FP"])
    return found


def figures_of(places: Sequence[tuple[Set, int]], runs: list[Run]) -> list[list[Figures]]:
    """For each set and rate the figures (`SHOWN`) of every run."""
    work = [(sequence, runs) for set_, every in places for sequence in set_.thinned(every)]
    with workers() as pool:
        rest = iter(counts(pool, work, _progress()))
    found = []
    for set_, _ in places:
        of_set = [next(rest) for _ in set_.sequences]
        found.append([summed([of_sequence[k] for of_sequence in of_set]) for k in range(len(runs))])
    return found


def summed(by_sequence: Sequence[Counts]) -> Figures:
    """HOTA over all sequences as if they were one, and means over the sequences."""
    each = [total([counted]) for counted in by_sequence]
    means = {name: float(np.mean([scores[name] for scores in each])) for name in SHOWN[1:]}
    return {SHOWN[0]: total(by_sequence)["HOTA"], **means}


def _best(tried: Iterable[tuple[float, Figures]]) -> tuple[float, Figures]:
    return max(tried, key=lambda item: item[1]["HOTA"])


def _progress() -> Callable[[int, int], None]:
    """Tells on standard error how far it is: on a terminal always, else every tenth."""
    begun, terminal = time.monotonic(), sys.stderr.isatty()

    def tell(done: int, count: int) -> None:
        if terminal or done == count or done * 10 // count > (done - 1) * 10 // count:
            line = f"{done} of {count} sequences, {time.monotonic() - begun:.0f} s"
            sys.stderr.write(f"\r{line}" + "\n" * (done == count) if terminal else f"{line}\n")
            sys.stderr.flush()

    return tell


def text(
    cells: Sequence[Cell],
    noise: Mapping[tuple[str, int], Figures] | None,
    stands: Mapping[str, tuple[float, int]],
) -> str:
    """The tables: everything in short, all rivals, and what stands."""
    short, full = [], []
    for cell in cells:
        title = f"{'**simulated** ' if cell.set.simulated else ''}{cell.set.title}"
        title += f", {kept(cell.every)}" if len(cell.set.every) > 1 else ""
        for k, (name, figures) in enumerate(cell.ours.items()):
            spread = noise[cell.set.key, cell.every] if noise and name == OURS else None
            short.append((title if k == 0 else "", f"**{name}**", *_cells(figures, spread)))
            full.append((title if k == 0 else "", f"**{name}**", *_cells(figures)))
        short.append(("", "best of all others", *_cells(cell.best)))
        full += [("", f"{name}, {threshold:g}", *_cells(f)) for name, (threshold, f) in cell.rivals.items()]
    columns = ("set", "tracker", *SHOWN)
    rows = [(name, f"{seconds:.1f} s", f"{false}") for name, (seconds, false) in stands.items()]
    still = f"""
### What stands where nobody is

The longest time for which ours shows something that stands (its middle within half its height) where nobody is (IoU
below .3 with everybody), and all its false boxes, on real detections at every frame:

{table(("sequence", "longest", "false boxes"), rows)}"""
    return f"""One setting of ours for all sets and rates. *Best of all others*: the highest figure of any rival, each
column by itself, after every rival got its best threshold of {", ".join(f"{t:g}" for t in THRESHOLDS)} by mean HOTA,
anew for each set and rate. *Pooled* is over all sequences as if they were one, the others are means over sequences.
*Every 3rd frame* keeps every third, with the frame rate and the times that this makes.{_noise_told(noise)}

{table(columns, short)}
![HOTA and MOTA over the frame rate, real detections]({PICTURE.name})
{still if rows else ""}
### Every rival at its best threshold

{table(columns, full)}"""


def _noise_told(noise: object) -> str:
    return f"\n±: standard deviation of draws with {JITTER:.1%} jitter of the boxes." if noise else ""


def _cells(figures: Figures, spread: Figures | None = None) -> list[str]:
    return [f"{figures[name]:.1f}" + (f" ± {spread[name]:.1f}" if spread else "") for name in SHOWN]


def draw(cells: Sequence[Cell], path: Path) -> None:
    """A picture of HOTA and MOTA over the frame rate."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    panels = figure.subplots(1, 2)
    places = range(len(cells))
    names = {"ByteTrack": "#2b7bba", "SparseTrack": "#3a9a5b", "NanoTrack as published": "#8a63b0"}
    for panel, metric in zip(panels, ("HOTA", "MOTA"), strict=True):
        for family, colour in names.items():
            best = [max(f[metric] for name, (_, f) in c.rivals.items() if name.startswith(family)) for c in cells]
            panel.plot(places, best, color=colour, marker="o", linewidth=1.6, label=f"{family}, best threshold")
        for name, style in zip(cells[0].ours, ("-", "--"), strict=False):
            values = [cell.ours[name][metric] for cell in cells]
            panel.plot(places, values, color="#d2452f", marker="o", linewidth=2.4, linestyle=style, label=name)
        panel.set_ylabel(f"{metric}, mean over sequences")
        panel.set_xticks(places, [_rates(cell) for cell in cells], fontsize=8)
        panel.set_xlabel("frames a second that are kept")
        panel.grid(axis="y", color="#dddddd", linewidth=0.8)
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].legend(frameon=False, fontsize=8, loc="lower left")
    with rc_context({"svg.hashsalt": "rates"}):  # the same figures give the same file
        figure.savefig(path, facecolor="white", metadata={"Date": None})


ORDINALS = {2: "nd", 3: "rd"}


def kept(every: int) -> str:
    """Which frames a tracker is given, in words."""
    return "every frame" if every == 1 else f"every {every}{ORDINALS.get(every, 'th')} frame"


def _rates(cell: Cell) -> str:
    rates = [sequence.frame_rate for sequence in cell.set.thinned(cell.every)]
    return f"{min(rates):.2g} to {max(rates):.2g}\n{kept(cell.every).removesuffix(' frame')}"


if __name__ == "__main__":
    main()
