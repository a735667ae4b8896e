"""What it costs to detect on fewer frames: fixed intervals beside `--detect-every auto`, with the same detections.

    python -m benchmarks.accuracy.interval [--draws 8] [--dry-run]

Every frame is scored, those with predicted boxes too. `auto` is run with a budget for each sequence, and with one for
all sequences of a set, as the cameras of one daemon share it. Needs the data folder (NANOTRACK_DATA).
"""

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.accuracy.sets import Set, sets
from benchmarks.accuracy.trials import JITTER, Trial, total
from benchmarks.results import table, write_section
from edge.chain.chain import Chain
from edge.chain.interval import Every
from edge.chain.need import Budget
from edge.track.tracker import Tracker
from edge.types import Detections, Frame, Tracks

SETS = ("real", "half")
SHARES = (1.0, 0.5, 0.25)
_NOBODY = Tracks(
    np.empty(0, np.int64),
    np.empty((0, 4), np.float32),
    np.empty(0, np.float32),
    np.empty(0, np.int32),
    np.empty(0, np.int32),
)
_BLANK = np.empty((0, 0, 3), np.uint8)


@dataclass(frozen=True)
class Way:
    """How frames to detect on are chosen: every so many, or by a budget, of each sequence or `shared` by all."""

    name: str
    share: float
    every: Every
    shared: bool = False


WAYS = (
    Way("every frame", 1.0, 1),
    Way("every 2nd", 0.5, 2),
    Way("auto, a budget each", 0.5, "auto"),
    Way("auto, one budget for all", 0.5, "auto", shared=True),
    Way("every 4th", 0.25, 4),
    Way("auto, a budget each", 0.25, "auto"),
    Way("auto, one budget for all", 0.25, "auto", shared=True),
)


class _Replay:
    """The detections of a trial, as the chain asks for them."""

    classes: Sequence[str] = ("person",)
    is_joint = False

    def __init__(self, by_frame: Sequence[Detections]) -> None:
        self._by_frame = by_frame
        self.asked = 0

    def __call__(self, frame: Frame) -> Detections:
        self.asked += 1
        return self._by_frame[frame.number - 1]

    def feedback(self, tracks: Tracks) -> None:
        """Nothing."""

    def reset(self) -> None:
        """Nothing."""


def main() -> None:
    """Track, score, print and write the section of the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=8, metavar="N", help="runs that are averaged; default: 8")
    parser.add_argument("--dry-run", action="store_true", help="print only")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        wanted = [s for s in sets(Path(temporary)) if s.key in SETS]
        body = "\n".join(measured(set_, args.draws) for set_ in wanted)
    body = (
        f"HOTA of all frames, means of {args.draws} runs, ± their standard deviation: each begins a frame later than"
        f" the last, all but the first with boxes jittered by {JITTER:.1%}. One identity lost or kept is worth points"
        " in a short sequence, and which frames a fixed interval meets is luck. The share is that of all frames of the"
        " set.\n\n" + body
    )
    print(body)
    if not args.dry_run:
        write_section("interval", "Detecting on fewer frames", body, "python -m benchmarks.accuracy.interval",
                      ("nanotrack-edge", "numba"))  # fmt: skip


def measured(set_: Set, draws: int) -> str:
    """The table of one set."""
    trials = [Trial(sequence) for sequence in set_.sequences]
    rows = []
    reference = 0.0
    for way in WAYS:
        runs = [run(trials, way, draw) for draw in range(draws)]
        hota = np.array([found[0] for found in runs])
        share = float(np.mean([found[1] for found in runs]))
        mean, spread = hota.mean(), hota.mean(1).std(ddof=1) if draws > 1 else 0.0
        reference = reference or float(mean)
        each = [f"{value:.1f}" for value in hota.mean(0)]
        rows.append((way.name, f"{share:.2f}", *each, f"{mean:.1f} ± {spread:.1f}", f"{mean - reference:+.1f}"))
    columns = ("detected on", "share", *(trial.name for trial in trials), "mean", "beside every frame")
    return f"### {set_.title}\n\n{table(columns, rows)}"


def run(trials: Sequence[Trial], way: Way, draw: int = 0) -> tuple[list[float], float]:
    """HOTA of each trial, and the share of all frames that was detected on. Frames come in the order of their times.

    Draw k begins at frame k: which frames a fixed interval meets is luck.
    """
    budget = Budget(way.share)
    chains, replays, events = [], [], []
    for place, trial in enumerate(trials):
        replays.append(_Replay(trial.detections(JITTER if draw else 0.0, draw)))
        own = budget if way.shared else Budget(way.share)
        chains.append(Chain(replays[-1], Tracker("nanotrack", trial.frame_rate), detect_every=way.every, budget=own))
        events += [(time_s, place, number) for number, time_s in enumerate(trial.times_s, 1) if number > draw]
    shown: list[list[Tracks]] = [[_NOBODY] * draw for _ in trials]
    for time_s, place, number in sorted(events):
        shown[place].append(chains[place](Frame(_BLANK, number, time_s)))
    hota = [total([trial.count(*trial.as_text(tracks))])["HOTA"] for trial, tracks in zip(trials, shown, strict=True)]
    return hota, sum(replay.asked for replay in replays) / len(events)


if __name__ == "__main__":
    main()
