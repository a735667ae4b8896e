"""The first generation is the published one, the second is nearer to reality, and figures are what they say."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from benchmarks.accuracy.light import Simulation, by_frame, simulated, suppressed, write
from benchmarks.accuracy.light_figures import figures, overlaps
from edge.motchallenge import Boxes, read_detections, read_ground_truth


def _truth(frames: int = 40) -> np.ndarray:
    """Three people who walk."""
    return np.array(
        [[f, i, 100 * i + 3 * f, 100, 60, 160, 1, 1, 1] for f in range(1, frames + 1) for i in (1, 2, 3)], float
    )


def test_the_same_seed_draws_the_same_and_another_one_does_not() -> None:
    runs = [
        Simulation("MOT17-02", (1920, 1080), generation, seed).rows(_truth(), 40)
        for generation, seed in ((2, 1), (2, 1), (2, 2), (1, 1))
    ]
    assert runs[0] == runs[1]
    assert len({len(run) for run in runs}) == 3
    assert max(frame for frame, *_ in runs[0]) == 40


def test_suppression_leaves_the_best_of_each_heap() -> None:
    random = np.random.default_rng(0)
    corner = random.uniform(0, 100, (60, 2))
    boxes, scores = np.concatenate([corner, corner + random.uniform(20, 60, (60, 2))], 1), random.uniform(0, 1, 60)
    kept: list[int] = []
    for row in np.argsort(-scores).tolist():
        if all(overlaps(boxes[[row]], boxes[[other]])[0, 0] <= 0.6 for other in kept):
            kept.append(row)
    assert suppressed(boxes, scores, 100) == kept
    assert suppressed(boxes, scores, 5) == kept[:5]


def test_figures_of_what_is_known(tmp_path: Path) -> None:
    """One of two people found at .5, then .2; a sign at .4 in every frame; somebody who does not count."""
    frames = 140
    count = np.repeat(np.arange(1, frames + 1), 3)
    ids = np.tile([1, 2, 3], frames)
    boxes = np.array([[100.0 * i, 50, 40, 100] for i in ids])
    truth = Boxes(count, ids, boxes, np.where(ids == 3, 0.0, 1.0), np.ones(len(ids), np.int64))
    rows = [
        row
        for f in range(1, frames + 1)
        for row in (
            (f, 100.0, 50.0, 40.0, 100.0, 0.5 if f % 2 else 0.2),
            (f, 300.0, 50.0, 40.0, 100.0, 0.9),
            (f, 700.0, 50.0, 40.0, 100.0, 0.4),
        )
    ]
    found = figures(truth, by_frame(rows, frames))
    assert found.recall == pytest.approx((0.5, 0.25, 0.25, 0))
    assert found.false == pytest.approx((1, 1, 1, 0))
    assert found.again == pytest.approx((1, 1))
    assert found.flicker > 0.9
    assert found.cells()[0] == "0.500 / 0.250 / 0.250 / 0.000"


def test_the_first_generation_is_the_published_one(data: Path, reference: Path, tmp_path: Path) -> None:
    write(data / "mot17/gt", tmp_path, generation=1, seed=0, names=("MOT17-05",))
    with gzip.open(reference / "light/MOT17-05.txt.gz", "rt") as published:
        assert (tmp_path / "MOT17-05.txt").read_text() == published.read()


@pytest.mark.slow
def test_the_second_generation_is_nearer_to_reality(data: Path) -> None:
    folder = data / "real/gt"
    truth = read_ground_truth(folder / "MOT17-02/gt/gt.txt")
    real = figures(truth, read_detections(data / "real/det_nanodet416/MOT17-02.txt.gz", 600))
    first, second = (figures(truth, by_frame(simulated(folder, "MOT17-02", k, 0), 600)) for k in (1, 2))
    for name in ("false", "again"):
        far, near = (np.abs(np.subtract(getattr(made, name), getattr(real, name))) for made in (first, second))
        assert near.sum() < 0.5 * far.sum(), name
    assert abs(second.flicker - real.flicker) < abs(first.flicker - real.flicker)
    np.testing.assert_allclose(second.recall, real.recall, atol=0.03)
