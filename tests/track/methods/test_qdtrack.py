"""QDTrack against its twin, the published arithmetic, memory that ends and room that is bounded."""

from typing import Any

import numpy as np
import pytest

from edge import Detections, Tracker
from edge.errors import InputError, UsageError
from edge.track.methods.qdtrack import Parameters
from tests.track.appearance_scenes import gathering
from tests.track.qdtwin import QdTwin

# What differs, the length of the embeddings, their noise: vectors of heads with a raw product are long.
STREAMS: list[tuple[str, dict[str, Any], float, float]] = [
    ("default", {}, 1.0, 0.5),
    ("default", {"same_class": 0, "least_cosine": -1.0}, 1.0, 0.6),
    ("default", {"capacity": 12, "backdrops": 3, "least_cosine": 0.5}, 1.0, 0.5),
    ("reference", {"logit_scale": 12.0}, 1.0, 0.5),
    ("bdd100k", {}, 4.0, 0.6),
    ("bdd100k", {"same_class": 0}, 4.0, 0.6),
    ("mot17", {}, 4.0, 0.8),
    ("dancetrack", {"logit_scale": 14.0, "least_cosine": 0.2}, 1.0, 0.4),
]


def _ids(tracker: Tracker, frame: Detections) -> np.ndarray:
    tracks = tracker.update(frame)
    ids = np.full(len(frame), -1)
    ids[tracks.detection_index] = tracks.ids
    return ids


@pytest.mark.parametrize("case", range(len(STREAMS)))
def test_ids_equal_the_twins_on_random_streams(case: int) -> None:
    preset, parameters, length, noise = STREAMS[case]
    matched = born = 0
    for seed in range(4):
        tracker = Tracker("qdtrack", preset=preset, appearance=None, **parameters)
        assert isinstance(tracker.parameters, Parameters)
        twin = QdTwin(tracker.parameters, np.floor(tracker.lost_s * 30 + 1e-9))
        for number, frame in enumerate(gathering(24, 150, 100 * case + seed, length=length, noise=noise)):
            expected = twin.update(frame)
            assert _ids(tracker, frame).tolist() == expected.tolist(), f"seed {seed}, frame {number}"
            matched += int((expected >= 0).sum())
        born += twin.next_id - 1
    assert matched > 1000  # there was something to get wrong
    assert 40 < born < matched / 2


def test_the_published_softmax_of_a_small_matrix() -> None:
    """METHODS' vector [[5, 1], [0, 4]] gives .98766 and .967294 on the diagonal: limits around them decide."""
    first = _frame([[1, 0], [0, 1]])
    second = _frame([[5, 1], [0, 4]])
    for limit, ids in ((0.967, [1, 2]), (0.968, [1]), (0.9877, [])):
        tracker = Tracker("qdtrack", preset="reference", match_thresh=limit)
        tracker.update(first)
        assert [i for i in tracker.update(second).ids.tolist() if i <= 2] == ids


def _frame(vectors: Any, scores: tuple[float, ...] = ()) -> Detections:
    n = len(vectors)
    left = 200.0 * np.arange(n)[:, None]
    boxes = (left * [1, 0, 1, 0] + [0, 0, 60, 150]).astype(np.float32)
    values = np.array(scores or np.linspace(0.99, 0.95, n), np.float32)
    return Detections(boxes, values, embeddings=np.array(vectors, np.float32).reshape(n, -1))


def test_one_alone_is_not_taken_for_somebody_else() -> None:
    """Published, a single track and a single detection always match, whatever they look like."""
    for preset, same in (("reference", True), ("default", False)):
        tracker = Tracker("qdtrack", preset=preset)
        first = tracker.update(_frame([[1, 0.0]])).ids.tolist()
        assert (tracker.update(_frame([[0.1, 1.0]])).ids.tolist() == first) is same


def test_returns_within_the_memory_keep_their_id() -> None:
    a, b = [1, 0, 0], [0, 1, 0]
    for away, ids in ((60, [1, 2]), (61, [2, 3])):
        tracker = Tracker("qdtrack")
        tracker.update(_frame([a, b]))
        for _ in range(away - 1):
            tracker.update(_frame([b]))
        assert tracker.update(_frame([a, b])).ids.tolist() == ids


def test_a_low_detection_keeps_no_track_and_a_backdrop_draws_away() -> None:
    tracker = Tracker("qdtrack", obj_thresh=0.5, init_thresh=0.7)
    tracker.update(_frame([[1, 0, 0.0]]))
    assert tracker.update(_frame([[1, 0, 0.0]], (0.4,))).ids.tolist() == []
    # Two alike: one became a track, the other, too weak for one, a backdrop that takes its own back.
    tracker = Tracker("qdtrack", obj_thresh=0.5, init_thresh=0.7)
    tracker.update(_frame([[1, 0, 0], [0.9, 0.43, 0]], (0.9, 0.6)))
    assert tracker.update(_frame([[0.9, 0.43, 0]], (0.6,))).ids.tolist() == []
    alone = Tracker("qdtrack", obj_thresh=0.5, init_thresh=0.7)
    alone.update(_frame([[1, 0, 0]], (0.9,)))
    assert alone.update(_frame([[0.9, 0.43, 0]], (0.6,))).ids.tolist() == [1]


def test_room_is_made_by_the_track_unseen_for_longest() -> None:
    embeddings = np.eye(5).tolist()
    tracker = Tracker("qdtrack", capacity=3)
    tracker.update(_frame(embeddings[:3]))
    tracker.update(_frame(embeddings[1:2]))
    tracker.update(_frame(embeddings[:1]))
    assert tracker.update(_frame(embeddings[3:4])).ids.tolist() == [
        4
    ]  # in place of 3, the third, unseen since the start
    assert tracker.update(_frame(embeddings[:2])).ids.tolist() == [1, 2]
    assert len(tracker.update(_frame(embeddings))) == 3  # no more than fit, those of the best scores


def test_a_stream_without_embeddings_is_refused_and_reset_forgets_everything() -> None:
    tracker = Tracker("qdtrack")
    assert len(tracker.update(Detections.empty())) == 0
    stream = gathering(10, 30, 1)
    frames = [_ids(tracker, frame).tolist() for frame in stream]
    plain = stream[0]
    with pytest.raises(InputError, match="embeddings"):
        tracker.update(Detections(plain.boxes_xyxy, plain.scores))
    with pytest.raises(InputError, match="one network"):
        tracker.update(Detections(plain.boxes_xyxy, plain.scores, embeddings=np.ones((len(plain), 5), np.float32)))
    wrong = np.ones((len(plain), 16), np.float32)
    wrong[2, 3] = np.nan
    with pytest.raises(InputError, match="row 2"):
        tracker.update(Detections(plain.boxes_xyxy, plain.scores, embeddings=wrong))
    tracker.reset()
    assert [_ids(tracker, frame).tolist() for frame in stream] == frames
    with pytest.raises(UsageError, match="appearance alone"):
        Tracker("qdtrack", appearance="none")
    with pytest.raises(UsageError, match="did you mean 'mot17'"):
        Tracker("qdtrack", preset="mot16")
