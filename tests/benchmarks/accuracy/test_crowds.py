"""Two sequences laid on top of each other keep all their boxes, and nobody is mistaken for somebody else."""

from pathlib import Path

import numpy as np

from benchmarks.accuracy.crowds import mirrored, overlay
from edge.motchallenge import SequenceInfo
from edge.val.dataset import Sequence


def _sequence(folder: Path, name: str, first: int, last: int) -> Sequence:
    """Two people, one detection a frame, whose score is its frame's number by 100; frames `first` to `last` count."""
    truth, seen = folder / f"{name}.gt", folder / f"{name}.det"
    truth.write_text("".join(f"{f},{i},{f},0,5,9,1,1,1\n" for f in range(1, last + 1) for i in (1, 2)), "utf-8")
    seen.write_text("".join(f"{f},-1,{f},0,5,9,{f / 100},-1,-1,-1\n" for f in range(1, last + 1)), "utf-8")
    info = SequenceInfo(name, 30.0, last, 64, 48, "img1", ".jpg")
    return Sequence(name, info, np.arange(first, last + 1), truth, seen, None)


def test_overlay(tmp_path: Path) -> None:
    both = overlay(_sequence(tmp_path, "a", 5, 9), _sequence(tmp_path, "b", 3, 12), tmp_path)
    assert (both.name, both.info.frame_count, both.frames.tolist()) == ("a+b", 5, [1, 2, 3, 4, 5])
    truth = np.loadtxt(both.ground_truth, delimiter=",")
    assert len(truth) == 5 * 4
    for frame in range(1, 6):
        rows = truth[truth[:, 0] == frame]
        assert sorted(rows[:, 1]) == [1, 2, 3, 4]
        assert sorted(rows[:, 2]) == [frame + 2, frame + 2, frame + 4, frame + 4]
    assert both.detections is not None
    seen = np.loadtxt(both.detections, delimiter=",")
    assert seen[:, 0].tolist() == sorted(seen[:, 0])
    assert sorted(seen[seen[:, 0] == 1, 6]) == [0.03, 0.05]


def test_mirrored(tmp_path: Path) -> None:
    sequence = _sequence(tmp_path, "a", 5, 9)
    mirror = mirrored(sequence, tmp_path)
    assert (mirror.name, mirror.frames.tolist()) == ("a-mirrored", [5, 6, 7, 8, 9])
    assert sequence.detections is not None
    assert mirror.detections is not None
    for file, image in ((sequence.ground_truth, mirror.ground_truth), (sequence.detections, mirror.detections)):
        rows, mirror_rows = (np.loadtxt(f, delimiter=",") for f in (file, image))
        assert np.allclose(mirror_rows[:, 2], 64 - 5 - rows[:, 2])  # pictures are 64 wide, boxes 5
        assert np.array_equal(np.delete(mirror_rows, 2, 1), np.delete(rows, 2, 1))
    again = mirrored(mirror, tmp_path)
    assert np.allclose(np.loadtxt(again.ground_truth, delimiter=","), np.loadtxt(sequence.ground_truth, delimiter=","))
