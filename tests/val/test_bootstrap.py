"""Intervals over sequences: as wide as the sequences differ, and none where they are all alike."""

from pathlib import Path

import numpy as np
import pytest

from edge.val import bootstrap
from edge.val.dataset import find_sequences
from edge.val.run import Job, judged
from edge.val.score import scores
from tests.toy import rows, write_sequence

pytest.importorskip("trackeval")


def _tracks(folder: Path, missed: int) -> Path:
    """Tracks of the toy sequence, without person 2 in the first `missed` frames."""
    kept = [line for line in rows(30, "1,-1,-1,-1").splitlines(True) if not _is_missed(line, missed)]
    folder.write_text("".join(kept))
    return folder


def _is_missed(line: str, missed: int) -> bool:
    frame, person = map(int, line.split(",")[:2])
    return person == 2 and frame <= missed


def test_intervals_and_paired_differences(tmp_path: Path) -> None:
    for name in "ABCD":
        write_sequence(tmp_path / "MOT" / "train" / name)
    sequences = find_sequences(tmp_path / "MOT", "MOT17")
    jobs = [Job("right", s, "MOT17", _tracks(tmp_path / f"right{s.name}.txt", 0)) for s in sequences]
    jobs += [
        Job("worse", s, "MOT17", _tracks(tmp_path / f"worse{s.name}.txt", missed))
        for s, missed in zip(sequences, (0, 6, 12, 18), strict=True)
    ]
    found = judged(jobs, 1)
    intervals, differences = bootstrap.intervals(found)
    assert intervals["right"]["HOTA"] == pytest.approx((100, 100))
    low, high = intervals["worse"]["MOTA"]
    whole = scores(found["worse"]["D"].result)["MOTA"], scores(found["worse"]["A"].result)["MOTA"]
    assert whole[0] <= low < 85 < high <= whole[1]
    assert list(differences) == ["worse"]
    assert differences["worse"]["MOTA"] == pytest.approx((low - 100, high - 100))
    # The mean of n draws of so few values: its standard error is that of the sample over sqrt(n).
    each = [scores(found["worse"][name].result)["MOTA"] for name in "ABCD"]
    assert high - low == pytest.approx(2 * 1.96 * np.std(each) / 2, rel=0.2)
