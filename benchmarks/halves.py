"""Whether NanoTrack's default was fitted to the sequences it is measured on: tuned on one half, judged by the other.

    python -m benchmarks.halves

Every parameter in `SEARCHED` is tried at 1 / `STEP` and at `STEP` times its default, one after the other, on one half
of the sequences, and kept where the mean HOTA of the sets gains more than `NOISE`. The other half, never looked at, is
then scored with the default and with what was found. Then the halves change places. Needs what benchmarks/accuracy.py
needs; light is **simulated**, seed 0.
"""

import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from benchmarks.accuracy import SETS
from benchmarks.results import table, write_section
from edge.benchmark import Sequence
from edge.evaluate import Job, Setting, evaluate
from edge.judge import COMBINED, Scores
from edge.track.nanotrack import Parameters

SEARCHED = (
    "birth_score",
    "similarity_floor",
    "similarity_enough",
    "revive_ratio",
    "absence_s",
    "continuity",
    "feet_tolerance",
    "velocity_noise",
    "measurement_noise",
    "score_noise",
    "sight_evidence",
    "overlap_evidence",
    "lost_s",
)
STEP = 1.25
NOISE = 0.1  # HOTA, of the mean over sets, from .5 % box jitter

Half = Mapping[str, list[Sequence]]  # sequences of each set


def main() -> None:
    """Tune on each half, score the other, print and write the section of RESULTS.md."""
    begun, rows = time.monotonic(), []
    halves: list[Half] = [{s.key: s.sequences()[start::2] for s in SETS} for start in (0, 1)]
    for tuned, judged in (halves, halves[::-1]):
        found = tune(tuned)
        print(f"found: {found}", flush=True)
        for name, parameters in (("default", {}), ("tuned on the other half", found)):
            scores = _scores([parameters], judged)[0]
            cells = [f"{scores[s.key][COMBINED]['HOTA']:.1f}" for s in SETS]
            rows.append((_names(judged), name, *cells, f"{_mean(scores):.2f}", _told(parameters)))
    body = f"""HOTA on one half of every set's sequences, by NanoTrack's default and by parameters found on the other
half: {len(SEARCHED)} parameters, each tried at 1 / {STEP} and {STEP} times its default and kept if the mean gained more
than {NOISE}. Where the second row is not better, the default is not what these sequences were fitted by.

{table(("judged by", "parameters", *(s.title.split(":")[0] for s in SETS), "mean", "found"), rows)}"""
    print(body)
    write_section(
        "low_scores_halves", "Low scores: tuned on one half, judged by the other", body, "python -m benchmarks.halves",
        ("nanotrack-edge", "numba", "trackeval"),
    )  # fmt: skip
    print(f"{time.monotonic() - begun:.0f} s")


def tune(half: Half) -> dict[str, float]:
    """The parameters that differ from the default after one round over all of `SEARCHED`."""
    found: dict[str, float] = {}
    best = _mean(_scores([found], half)[0])
    for name in SEARCHED:
        default = getattr(Parameters(), name)
        tried = [found | {name: value} for value in _beside(name, default)]
        means = [_mean(scores) for scores in _scores(tried, half)]
        print(f"{name}: " + ", ".join(f"{t[name]:.4g} {m:.2f}" for t, m in zip(tried, means, strict=True)), flush=True)
        if max(means) > best + NOISE:
            best, found = max(means), tried[int(np.argmax(means))]
    return found


def _beside(name: str, default: float) -> Iterator[float]:
    high = {field.name: field.metadata["high"] for field in Parameters.__dataclass_fields__.values()}[name]
    yield default / STEP
    yield min(default * STEP, high)


def _scores(tried: list[dict[str, float]], half: Half) -> list[dict[str, dict[str, Scores]]]:
    """For each of `tried` the scores by set and sequence."""
    with tempfile.TemporaryDirectory() as folder:
        jobs = [
            Job(f"{k} {s.key}", sequence, s.benchmark, Path(folder, f"{k}_{s.key}_{sequence.name}"), setting)
            for k, setting in enumerate(Setting("nanotrack", "default", parameters) for parameters in tried)
            for s in SETS
            for sequence in half[s.key]
        ]
        scores = evaluate(jobs, len(os.sched_getaffinity(0)))
    return [{s.key: scores[f"{k} {s.key}"] for s in SETS} for k in range(len(tried))]


def _mean(scores: Mapping[str, Mapping[str, Scores]]) -> float:
    return float(np.mean([by_sequence[COMBINED]["HOTA"] for by_sequence in scores.values()]))


def _names(half: Half) -> str:
    sequences = {s.name for sequences in half.values() for s in sequences}
    mot = sorted(name.removeprefix("MOT17-") for name in sequences if name.startswith("MOT17"))
    return f"MOT17-{', '.join(mot)}; {len(sequences) - len(mot)} of DanceTrack"


def _told(parameters: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.3g}" for name, value in parameters.items()) or "–"


if __name__ == "__main__":
    main()
