"""The quick counts are TrackEval's, and errors of boxes are what they are said to be."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.accuracy.trials import METRICS, Trial, total
from edge.motchallenge import SequenceInfo
from edge.val.dataset import Sequence
from edge.val.run import Job, Setting, evaluate
from edge.val.score import COMBINED

FRAMES, PEOPLE = 80, 12


def _sequence(folder: Path, name: str, seed: int) -> Sequence:
    """People who cross, one of each kind that does not count, missed and false boxes; frames from 5 on count."""
    random = np.random.default_rng(seed)
    start, step = random.uniform(0, 300, (PEOPLE, 2)), random.normal(0, 3, (PEOPLE, 2))
    truth, seen = [], []
    for frame in range(1, FRAMES + 1):
        for person, (x, y) in enumerate(start + frame * step):
            considered, kind = (0, 1) if person == 0 else (0, 8) if person == 1 else (1, 1)
            if 30 <= frame < 40 and person > 8:
                continue  # gone for a while
            truth.append(f"{frame},{person + 1},{x:.2f},{y:.2f},30,80,{considered},{kind},1\n")
            if random.random() < 0.8:
                dx, dy = random.normal(0, 4, 2)
                seen.append(f"{frame},-1,{x + dx:.2f},{y + dy:.2f},30,80,{random.uniform(0.2, 1):.3f},-1,-1,-1\n")
        x, y = random.uniform(0, 300, 2)
        seen.append(f"{frame},-1,{x:.2f},{y:.2f},30,80,{random.uniform(0.1, 0.6):.3f},-1,-1,-1\n")
    paths = folder / f"{name}.gt.txt", folder / f"{name}.det.txt"
    for path, lines in zip(paths, (truth, seen), strict=True):
        path.write_text("".join(lines), "utf-8")
    info = SequenceInfo(name, 30.0, FRAMES, 400, 400, "img1", ".jpg")
    return Sequence(name, info, np.arange(5, FRAMES + 1), *paths, None)


@pytest.mark.parametrize("setting", [Setting("nanotrack"), Setting("bytetrack", time_aware=False)])
def test_counts_as_trackeval(setting: Setting, tmp_path: Path) -> None:
    sequences = [_sequence(tmp_path, f"MOT17-{k:02}", k) for k in range(3)]
    quick = total(Trial(s).run(setting) for s in sequences)
    jobs = [Job("all", s, "MOT17", tmp_path / f"out/{s.name}.txt", setting) for s in sequences]
    slow = evaluate(jobs, 1)["all"][COMBINED]
    assert slow["IDSW"] > 0
    assert [quick[name] for name in METRICS] == pytest.approx([slow[name] for name in METRICS], abs=0.01)


def test_nothing_tracked_scores_nothing(tmp_path: Path) -> None:
    sequence = _sequence(tmp_path, "MOT17-01", 1)
    assert sequence.detections is not None
    sequence.detections.write_text("", "utf-8")
    scores = total([Trial(sequence).run(Setting("nanotrack"))])
    assert scores.pop("FN") > 0
    assert set(scores.values()) == {0}


def test_jitter_repeats_with_its_seed_and_differs_without(tmp_path: Path) -> None:
    trial = Trial(_sequence(tmp_path, "MOT17-01", 1))
    exact, one, again, other = (
        total([trial.run(Setting("nanotrack"), jitter, seed)])["HOTA"]
        for jitter, seed in ((0.0, 1), (0.02, 1), (0.02, 1), (0.02, 2))
    )
    assert one == again
    assert len({exact, one, other}) == 3
