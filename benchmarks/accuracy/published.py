"""Our trackers beside the reference implementations on the same detections, and what dropped frames cost.

    python -m benchmarks.accuracy.published

Needs the data folder (`../shared/data` or NANOTRACK_DATA) with the reference folder beside it, and TrackEval.
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

from benchmarks.data import DATA, REFERENCE
from benchmarks.results import table, write_section
from edge.val.dataset import Sequence, find_sequences, find_text
from edge.val.run import Job, Setting, evaluate
from edge.val.score import COMBINED, COUNTS, Scores

SHOWN = ("HOTA", "MOTA", "IDF1", "IDSW")
DROPPED, SEEDS = 1 / 3, range(3)


@dataclass(frozen=True)
class Row:
    """A method with the settings of the reference implementation's row `reference` (reference/README.md)."""

    name: str
    reference: str
    method: str
    parameters: Mapping[str, float] = field(default_factory=dict)

    @property
    def presets(self) -> tuple[str, ...]:
        """The exact one, the repaired one, and NanoTrack's own default, which has no parameters in common with them."""
        if self.method != "nanotrack":
            return ("reference", "default")
        return ("reference", "published") if self.parameters else ("reference", "published", "default")

    def setting(self, preset: str) -> Setting:
        """The published evaluations of ByteTrack and SparseTrack filter the output; NanoTrack's does not."""
        return Setting(self.method, preset, self.parameters, output_filter=self.method != "nanotrack")


@dataclass(frozen=True)
class Set:
    """A set of sequences with one detector: folders under the data folder, `key` in the reference folder."""

    title: str
    key: str
    benchmark: str
    data: str
    detections: Path
    rows: tuple[Row, ...]
    split: str | None = None

    def sequences(self) -> list[Sequence]:
        return find_sequences(DATA / self.data, self.benchmark, self.split, self.detections)


NANOTRACK = Row("NanoTrack .45", "nanotrack_shipped", "nanotrack")
MOT17 = (
    Row("ByteTrack .6/.9", "bytetrack_0.6_0.9", "bytetrack"),
    Row("SparseTrack .6/.85", "sparsetrack_mot17ab", "sparsetrack"),
    NANOTRACK,
)
DANCE = {
    "track_thresh": 0.7,
    "depth_levels_low": 12,
    "track_buffer": 60,
    "birth_margin": 0.05,
}
SETS = (
    Set(
        "MOT17 half-val, YOLOX-X",
        "mot17_half",
        "MOT17",
        "mot17/gt",
        DATA / "mot17/det_yolox_x_ablation",
        MOT17,
        "val-half",
    ),
    Set("MOT17 full, public Faster R-CNN", "mot17_frcnn", "MOT17", "mot17/gt", DATA / "mot17/det_frcnn_public", MOT17),
    Set(
        "DanceTrack val, 13 sequences, YOLOX-X",
        "dance_val",
        "DanceTrack",
        "dancetrack_val/gt",
        DATA / "dancetrack_val/det_yolox_x",
        (
            Row("ByteTrack .6/.8", "bytetrack_0.6_0.8", "bytetrack", {"match_thresh": 0.8}),
            Row("SparseTrack .7/.85", "sparsetrack_dance", "sparsetrack", DANCE),
            NANOTRACK,
        ),
    ),
    Set(
        "light: **simulated** NanoDet-Plus-m 416 on full MOT17, seed 0",
        "light",
        "MOT17",
        "mot17/gt",
        REFERENCE / "light",
        (
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
            Row("NanoTrack .25", "nanotrack_0.25", "nanotrack", {"track_thresh": 0.25}),
        ),
    ),
)


def main() -> None:
    """Track, score, print and write both sections of the results."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    if not REFERENCE.is_dir():
        raise SystemExit(f"{REFERENCE}: expected the reference folder beside the data folder; set NANOTRACK_DATA")
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        accuracy = _accuracy_jobs(Path(temporary))
        drops = _drop_jobs(Path(temporary))
        scores = evaluate(accuracy + drops, len(os.sched_getaffinity(0)))
    combined = {label: by_sequence[COMBINED] for label, by_sequence in scores.items()}
    for name, title, body in (
        ("accuracy", "Accuracy on identical detections", _accuracy_text(combined)),
        ("drops", "Dropped frames", _drops_text(combined)),
    ):
        print(f"\n{title}\n\n{body}")
        write_section(
            name, title, body, "python -m benchmarks.accuracy.published", ("nanotrack-edge", "numba", "trackeval")
        )
    print(f"{time.monotonic() - start:.0f} s")


def _accuracy_jobs(folder: Path) -> list[Job]:
    jobs = []
    for set_ in SETS:
        sequences = set_.sequences()
        for row in set_.rows:
            for preset in row.presets:
                jobs += _jobs(f"{set_.key}/{row.reference}/{preset}", set_, sequences, row.setting(preset), folder)
            if _published(set_, row) is None and (tracks := REFERENCE / "tracks" / set_.key / row.reference).is_dir():
                label = f"{set_.key}/{row.reference}/authors"
                jobs += [Job(label, s, set_.benchmark, find_text(tracks, s.name)) for s in sequences]
    return jobs


def _published(set_: Set, row: Row) -> Scores | None:
    """The combined scores of the reference implementation, if its table has them."""
    published = json.loads((REFERENCE / "table.json").read_text("utf-8"))
    found: dict[str, float] | None = published.get(set_.key, {}).get(row.reference, {}).get(COMBINED)
    return found


def _drop_jobs(folder: Path) -> list[Job]:
    half = SETS[0]
    jobs = []
    for seed in SEEDS:
        sequences = [s.dropping(DROPPED, seed) for s in half.sequences()]
        for row in half.rows:
            for preset in row.presets[1:]:
                for time_aware in (True, False):
                    setting = replace(row.setting(preset), time_aware=time_aware)
                    label = f"drop/{row.reference}/{preset}/{time_aware}/{seed}"
                    jobs += _jobs(label, half, sequences, setting, folder)
    return jobs


def _jobs(label: str, set_: Set, sequences: list[Sequence], setting: Setting, folder: Path) -> list[Job]:
    out = folder / label
    out.mkdir(parents=True)
    return [Job(label, s, set_.benchmark, out / f"{s.name}.txt", setting) for s in sequences]


def _accuracy_text(combined: Mapping[str, Scores]) -> str:
    """A table for each set: the reference implementation and our presets."""
    text = """Combined over the sequences of each set, score floor .1, no per-sequence settings, no interpolation.
*Authors' code* is the reference implementation, unmodified, from `reference/table.json`, or TrackEval's scores of its
track files where that table has no combined row; – where it has neither. *Ours, reference* is the preset that
reproduces it, *ours, default* (of NanoTrack *published*) the one that repairs it, both with the same parameters;
NanoTrack's *default* is our own further work. ByteTrack and SparseTrack leave out flat and tiny boxes, as their
published evaluations do.
"""
    for set_ in SETS:
        rows = []
        for row in set_.rows:
            key = f"{set_.key}/{row.reference}"
            rows += [
                (row.name, "authors' code", *_cells(_published(set_, row) or combined.get(f"{key}/authors"))),
                *(("", f"ours, {preset}", *_cells(combined[f"{key}/{preset}"])) for preset in row.presets),
            ]
        text += f"\n### {set_.title}\n\n" + table(("method", "implementation", *SHOWN), rows)
    return text


def _drops_text(combined: Mapping[str, Scores]) -> str:
    rows = []
    for row, preset in ((r, p) for r in SETS[0].rows for p in r.presets[1:]):
        every = combined[f"{SETS[0].key}/{row.reference}/{preset}"]
        rows.append((f"{row.name}, {preset}", "every frame", *_cells(every)))
        for time_aware, name in ((True, "a third dropped, time-aware"), (False, "a third dropped, counting frames")):
            seeds = [combined[f"drop/{row.reference}/{preset}/{time_aware}/{seed}"] for seed in SEEDS]
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
