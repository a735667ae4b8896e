"""How much of what NanoTrack's default gains is tuning: tuned on one half of the sequences, judged by the other.

    python -m benchmarks.accuracy.halves

The parameters in `SEARCHED` are spoilt first, each by a factor of up to `SPOILT` either way, so that nothing of what is
known about the other half is left in them. Then they are searched on one half of every set's sequences: each in turn is
tried beside its value, in the rounds of `STEPS`, and kept where the mean HOTA of the sets gains more than `NOISE`. The
other half, never looked at, is scored with what was spoilt, found, and shipped. Then the halves change places. Needs
what benchmarks/accuracy/published.py needs; light is **simulated**, seed 0.
"""

import argparse
import time
from collections.abc import Mapping
from concurrent.futures import Executor

import numpy as np

from benchmarks.accuracy.published import SETS
from benchmarks.accuracy.trials import Run, measure, workers
from benchmarks.results import table, write_section
from edge.track.methods.nanotrack import Parameters
from edge.val.dataset import Sequence
from edge.val.run import Setting
from edge.val.score import Scores

SEARCHED = (
    "birth_score",
    "similarity_floor",
    "continuity",
    "feet_tolerance",
    "velocity_noise",
    "measurement_noise",
    "score_noise",
    "camera_noise",
    "score_evidence",
    "sight_evidence",
    "overlap_evidence",
    "lost_s",
)
SPOILT, SEED = 2.0, 0
STEPS = (1.6, 1.25)
NOISE = 0.1  # HOTA, of the mean over sets, from .5 % box jitter
JITTERS = ((0.0, 0), (0.005, 1), (0.005, 2))  # of the boxes the results are judged with

Half = Mapping[str, list[Sequence]]  # sequences of each set
Values = dict[str, float]


def main() -> None:
    """Tune on each half, score both, print and write the section of the results."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    begun, rows = time.monotonic(), []
    halves: list[Half] = [{s.key: s.sequences()[start::2] for s in SETS} for start in (0, 1)]
    with workers() as pool:
        for tuned, judged in (halves, halves[::-1]):
            start = spoilt(SEED)
            found = tune(start, tuned, pool)
            print(f"found: {_told(found)}, {time.monotonic() - begun:.0f} s", flush=True)
            for title, half in (("judged by", judged), ("tuned on", tuned)):
                for name, values in (("spoilt", start), ("found", found), ("default", {})):
                    told = _told(found) if name == "found" and half is judged else ""
                    where = f"{title} {_names(half)}" if name == "spoilt" else ""
                    rows.append((where, name, *_judged(values, half, pool), told))
    titles = (s.title.split(":")[0] for s in SETS)
    body = f"""Mean HOTA of {len(JITTERS)} runs, boxes as they are and with .5 % jitter, on one half of every set's
sequences. *Spoilt* are {len(SEARCHED)} parameters, each off by a random factor of up to {SPOILT:g}; *found* is what a
search from there finds on the half it is tuned on; *default* is what is shipped. What *found* gains over *spoilt* on
the half it never saw is what tuning gives; what it gains more on its own half is fitted to that half; and as far as the
default is above *found* there, it may be fitted to the half that judges.

{table(("half", "parameters", *titles, "mean", "values"), rows)}
{conclusion([float(row[-2]) for row in rows])}"""
    print(body)
    write_section(
        "low_scores_halves", "Low scores: tuned on one half, judged by the other", body,
        "python -m benchmarks.accuracy.halves",
        ("nanotrack-edge", "numba", "scipy"),
    )  # fmt: skip
    print(f"{time.monotonic() - begun:.0f} s")


def conclusion(means: list[float]) -> str:
    """What the means say: of what was spoilt, found and shipped, on the half not seen and the one tuned on, twice."""
    unseen, own = (np.array([means[k : k + 3], means[k + 6 : k + 9]]).mean(0) for k in (0, 3))
    worth, above = unseen[2] - unseen[0], (unseen[2] - unseen[1], own[2] - own[1])
    gained = unseen[1] - unseen[0], own[1] - own[0]
    told = "gave nothing" if gained[0] <= NOISE else "helped"
    return f"""On average of both halves, HOTA: parameters off by up to {SPOILT:g} times cost {worth:.2f}.
The search {told}: {gained[0]:+.2f} on the half it never saw, {gained[1]:+.2f} on its own, so that
{gained[1] - gained[0]:.2f} was fitted. The default is {above[0]:.2f} above what was found where that was not looked at,
and {above[1]:.2f} above it where it was: the search is weaker than the one that made the default, and the first is the
most that the default's values can owe to having been chosen with both halves in sight."""


def spoilt(seed: int) -> Values:
    """The default of everything in `SEARCHED`, off by random factors."""
    factors = np.exp(np.random.default_rng(seed).uniform(-1, 1, len(SEARCHED)) * np.log(SPOILT))
    values = {name: getattr(Parameters(), name) * float(f) for name, f in zip(SEARCHED, factors, strict=True)}
    return {name: _allowed(name, value) for name, value in values.items()}


def tune(start: Values, half: Half, pool: Executor) -> Values:
    """What is found on `half`, beginning with `start`."""
    found = dict(start)
    best = _mean(_scores([found], half, pool)[0])
    for step in STEPS:
        for name in start:
            tried = [found | {name: value} for value in beside(name, found[name], step)]
            means = [_mean(scores) for scores in _scores(tried, half, pool)]
            told = ", ".join(f"{t[name]:.3g} {m:.2f}" for t, m in zip(tried, means, strict=True))
            print(f"{name} {found[name]:.3g} {best:.2f}: {told}", flush=True)
            if max(means) > best + NOISE:
                best, found = max(means), tried[int(np.argmax(means))]
    return found


def beside(name: str, value: float, step: float) -> tuple[float, float]:
    """The values tried next to one."""
    return _allowed(name, value / step), _allowed(name, value * step)


def _allowed(name: str, value: float) -> float:
    limits = Parameters.__dataclass_fields__[name].metadata
    return float(min(max(value, limits["low"]), limits["high"]))


def _scores(tried: list[Values], half: Half, pool: Executor) -> list[dict[str, Scores]]:
    """For each of `tried` the scores by set."""
    return measure(pool, half, [Run(Setting("nanotrack", "default", values)) for values in tried])


def _judged(values: Values, half: Half, pool: Executor) -> list[str]:
    """HOTA of each set and their mean, over all jitters."""
    setting = Setting("nanotrack", "default", values)
    scores = measure(pool, half, [Run(setting, *jitter) for jitter in JITTERS])
    hota = [float(np.mean([s[key]["HOTA"] for s in scores])) for key in half]
    return [f"{value:.1f}" for value in hota] + [f"{np.mean(hota):.2f}"]


def _mean(scores: Mapping[str, Scores]) -> float:
    return float(np.mean([by_name["HOTA"] for by_name in scores.values()]))


def _names(half: Half) -> str:
    sequences = {s.name for sequences in half.values() for s in sequences}
    mot = sorted(name.removeprefix("MOT17-") for name in sequences if name.startswith("MOT17"))
    return f"MOT17-{', '.join(mot)}; {len(sequences) - len(mot)} of DanceTrack"


def _told(values: Values) -> str:
    return ", ".join(f"{name} {value:.3g}" for name, value in values.items())


if __name__ == "__main__":
    main()
