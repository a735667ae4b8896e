"""The streams are the same every time and have the statistics that their docstring promises."""

import numpy as np

from benchmarks.speed.streams import quality, stream


def test_the_same_arguments_give_the_same_stream() -> None:
    first, again, other = stream(30, 20), stream(30, 20), stream(30, 20, seed=1)
    for a, b in zip(first, again, strict=True):
        assert np.array_equal(a.boxes_xyxy, b.boxes_xyxy)
        assert np.array_equal(a.scores, b.scores)
    assert not np.array_equal(first[0].truth_xyxy, other[0].truth_xyxy)


def test_statistics() -> None:
    frames = stream(200, 200)
    assert all(f.boxes_xyxy.dtype == f.scores.dtype == f.truth_xyxy.dtype == np.float32 for f in frames)
    detected = np.mean([len(f.scores) for f in frames])
    assert 0.94 * 200 < detected < 0.96 * 200  # 90 % of them and 5 % false ones
    scores = np.concatenate([f.scores for f in frames])
    assert scores.min() >= 0.1
    assert scores.max() <= 0.99
    assert 0.04 < np.mean(scores < 0.5) < 0.12
    truth = np.stack([f.truth_xyxy for f in frames])
    assert truth[..., :2].min() >= 0
    assert (truth[..., 2] <= 1920.01).all()
    assert (truth[..., 3] <= 1080.01).all()
    steps = np.linalg.norm(np.diff(truth[:, :, :2], axis=0), axis=2)
    assert 0.3 < np.median(steps) < 4


def test_quality_tells_a_tracker_from_a_no_op() -> None:
    frames = stream(50, 30)
    perfect = [(np.arange(50), f.truth_xyxy) for f in frames]
    assert quality(perfect, frames) == (1.0, 0.0)
    renumbered = [(np.arange(50) + 50 * i, f.truth_xyxy) for i, f in enumerate(frames)]
    recall, switches = quality(renumbered, frames)
    assert recall == 1
    assert switches > 900
    assert quality([(np.empty(0, np.int64), np.empty((0, 4), np.float32))] * 30, frames) == (0.0, 0.0)
