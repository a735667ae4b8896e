"""Our trackers beside the reference implementations on the same detections, and what dropped frames cost.

    python -m benchmarks.accuracy.published

Needs the data folder (`../shared/data` or NANOTRACK_DATA) and TrackEval. `authors.json` beside this file has the scores
of the authors' own code on the same detections: unmodified, run once with the settings of the rows below.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from benchmarks.accuracy import light
from benchmarks.data import DATA
from benchmarks.results import table, write_section
from edge.val.dataset import Sequence, find_sequences
from edge.val.run import Job, Setting, evaluate
from edge.val.score import COMBINED, COUNTS, Scores

AUTHORS = Path(__file__).with_name("authors.json")
SHOWN = ("HOTA", "MOTA", "IDF1", "IDSW")
DROPPED, SEEDS = 1 / 3, range(3)


@dataclass(frozen=True)
class Row:
    """A method with the settings that its authors' code had in the row `authors` of authors.json."""

    name: str
    authors: str
    method: str
    parameters: Mapping[str, float] = field(default_factory=dict)

    @property
    def presets(self) -> tuple[str, ...]:
        """The exact one, the repaired one, and NanoTrack's own default, which has no parameters in common with them."""
        if self.method != "nanotrack":
            return ("reference", "default")
        return ("reference", "published") if self.parameters else ("reference", "published", "default")

    def setting(self, preset: str) -> Setting:
        """The published evaluations of ByteTrack and SparseTrack filter the output, the others' do not."""
        return Setting(self.method, preset, self.parameters, output_filter=self.method in ("bytetrack", "sparsetrack"))


@dataclass(frozen=True)
class Set:
    """A set of sequences with one detector's detections; `key` in authors.json."""

    title: str
    key: str
    benchmark: str
    sequences: list[Sequence]
    rows: tuple[Row, ...]


NANOTRACK = Row("NanoTrack .45", "nanotrack_shipped", "nanotrack")
OTHERS = (Row("OC-SORT .6", "ocsort_0.6", "ocsort"), Row("BoT-SORT .6", "botsort_nocmc_noreid", "botsort"))
MOT17 = (
    Row("ByteTrack .6/.9", "bytetrack_0.6_0.9", "bytetrack"),
    Row("SparseTrack .6/.85", "sparsetrack_mot17ab", "sparsetrack"),
    *OTHERS,
    NANOTRACK,
)
DANCE = (
    Row("ByteTrack .6/.8", "bytetrack_0.6_0.8", "bytetrack", {"match_thresh": 0.8}),
    Row(
        "SparseTrack .7/.85",
        "sparsetrack_dance",
        "sparsetrack",
        {"track_thresh": 0.7, "depth_levels_low": 12, "track_buffer": 60, "birth_margin": 0.05},
    ),
    *OTHERS,
    NANOTRACK,
)
LIGHT = (
    Row("ByteTrack .45/.8", "bytetrack_0.45_0.8", "bytetrack", {"track_thresh": 0.45, "match_thresh": 0.8}),
    Row("ByteTrack .3/.8", "bytetrack_0.3_0.8", "bytetrack", {"track_thresh": 0.3, "match_thresh": 0.8}),
    Row(
        "SparseTrack .45/.8",
        "sparsetrack_0.45_0.8",
        "sparsetrack",
        {"track_thresh": 0.45, "match_thresh": 0.8, "depth_levels_low": 3, "birth_margin": 0.05},
    ),
    NANOTRACK,
    Row("NanoTrack .3", "nanotrack_0.3", "nanotrack", {"track_thresh": 0.3}),
)


def sets(folder: Path) -> tuple[Set, ...]:
    """The sets; `folder` takes the detections that are simulated."""
    mot17 = DATA / "mot17/gt"
    light.write(mot17, folder, generation=1, seed=0)
    dance = find_sequences(DATA / "dancetrack_val/gt", "DanceTrack", None, DATA / "dancetrack_val/det_yolox_x")
    return (
        Set(
            "MOT17 half-val, YOLOX-X",
            "mot17_half",
            "MOT17",
            find_sequences(mot17, "MOT17", "val-half", DATA / "mot17/det_yolox_x_ablation"),
            MOT17,
        ),
        Set(
            "MOT17 full, public Faster R-CNN",
            "mot17_frcnn",
            "MOT17",
            find_sequences(mot17, "MOT17", None, DATA / "mot17/det_frcnn_public"),
            MOT17,
        ),
        Set("DanceTrack val, 13 sequences, YOLOX-X", "dance_val", "DanceTrack", dance, DANCE),
        Set(
            "light: **simulated** NanoDet-Plus-m 416 on full MOT17, seed 0",
            "light",
            "MOT17",
            find_sequences(mot17, "MOT17", None, folder),
            LIGHT,
        ),
    )


def main() -> None:
    """Track, score, print and write both sections of the results."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        compared = sets(Path(temporary) / "light")
        accuracy = _accuracy_jobs(compared, Path(temporary))
        drops = _drop_jobs(compared[0], Path(temporary))
        scores = evaluate(accuracy + drops, len(os.sched_getaffinity(0)))
    combined = {label: by_sequence[COMBINED] for label, by_sequence in scores.items()}
    for name, title, body in (
        ("accuracy", "Accuracy on identical detections", _accuracy_text(compared, combined)),
        ("drops", "Dropped frames", _drops_text(compared[0], combined)),
    ):
        print(f"\n{title}\n\n{body}")
        write_section(
            name, title, body, "python -m benchmarks.accuracy.published", ("nanotrack-edge", "numba", "trackeval")
        )
    print(f"{time.monotonic() - start:.0f} s")


def _accuracy_jobs(compared: tuple[Set, ...], folder: Path) -> list[Job]:
    return [
        job
        for set_ in compared
        for row in set_.rows
        for preset in row.presets
        for job in _jobs(f"{set_.key}/{row.authors}/{preset}", set_, set_.sequences, row.setting(preset), folder)
    ]


def _drop_jobs(half: Set, folder: Path) -> list[Job]:
    jobs = []
    for seed in SEEDS:
        sequences = [s.dropping(DROPPED, seed) for s in half.sequences]
        for row in half.rows:
            for preset in row.presets[1:]:
                for time_aware in (True, False):
                    setting = replace(row.setting(preset), time_aware=time_aware)
                    label = f"drop/{row.authors}/{preset}/{time_aware}/{seed}"
                    jobs += _jobs(label, half, sequences, setting, folder)
    return jobs


def _jobs(label: str, set_: Set, sequences: list[Sequence], setting: Setting, folder: Path) -> list[Job]:
    out = folder / label
    out.mkdir(parents=True)
    return [Job(label, s, set_.benchmark, out / f"{s.name}.txt", setting) for s in sequences]


def _accuracy_text(compared: tuple[Set, ...], combined: Mapping[str, Scores]) -> str:
    """A table for each set: the authors' own code and our presets."""
    authors: dict[str, dict[str, Scores]] = json.loads(AUTHORS.read_text("utf-8"))
    text = """Combined over the sequences of each set, score floor .1, no per-sequence settings, no interpolation.
*Authors' code* is the reference implementation, unmodified; – where nobody ran it. *Ours, reference* is the preset that
reproduces it, *ours, default* (of NanoTrack *published*) the one that repairs it, both with the same parameters;
NanoTrack's *default* is our own further work. ByteTrack and SparseTrack leave out flat and tiny boxes, as their
published evaluations do; BoT-SORT is without camera motion and appearance.
"""
    for set_ in compared:
        rows = []
        for row in set_.rows:
            rows += [
                (row.name, "authors' code", *_cells(authors[set_.key].get(row.authors))),
                *(
                    ("", f"ours, {preset}", *_cells(combined[f"{set_.key}/{row.authors}/{preset}"]))
                    for preset in row.presets
                ),
            ]
        text += f"\n### {set_.title}\n\n" + table(("method", "implementation", *SHOWN), rows)
    return text


def _drops_text(half: Set, combined: Mapping[str, Scores]) -> str:
    rows = []
    for row, preset in ((r, p) for r in half.rows for p in r.presets[1:]):
        every = combined[f"{half.key}/{row.authors}/{preset}"]
        rows.append((f"{row.name}, {preset}", "every frame", *_cells(every)))
        for time_aware, name in ((True, "a third dropped, time-aware"), (False, "a third dropped, counting frames")):
            seeds = [combined[f"drop/{row.authors}/{preset}/{time_aware}/{seed}"] for seed in SEEDS]
            rows.append(("", name, *_cells({k: float(np.mean([s[k] for s in seeds])) for k in SHOWN})))
    return f"""MOT17 half-val, YOLOX-X. A third of the frames is dropped at random, mean of {len(SEEDS)}
seeds; scored on the delivered frames only. *Time-aware* is `update(detections, time_s)`,
*counting frames* is `update(detections)`.

{table(("method", "frames", *SHOWN), rows)}"""


def _cells(scores: Scores | None) -> list[str]:
    if scores is None:
        return ["–"] * len(SHOWN)
    return [f"{scores[name]:.0f}" if name in COUNTS else f"{scores[name]:.1f}" for name in SHOWN]


if __name__ == "__main__":
    main()
