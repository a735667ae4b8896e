"""JointTrackNet's association against its twin, its gate, its smoothing and its life cycle."""

from typing import Any

import numpy as np
import pytest

from edge import Detections, Tracker
from edge.errors import InputError
from edge.track.appearance.rules import Mean
from edge.track.methods.jointtrack import Parameters
from tests.track.appearance_scenes import gathering
from tests.track.jointtwin import JointTwin

# Preset, parameters, misses survived, whether offsets decide, noise of the embeddings.
STREAMS: list[tuple[str, dict[str, Any], int, bool, float]] = [
    ("reference", {}, 150, False, 0.6),
    ("reference", {"match_thresh": 0.3}, 150, False, 0.6),
    ("video", {}, 50, False, 0.9),
    ("readme", {}, 0, False, 0.4),
    ("default", {"track_buffer": 20}, 19, False, 0.6),
    ("reference", {"track_buffer": 7}, 7, True, 0.6),
    ("default", {}, 149, True, 0.6),
]


@pytest.mark.parametrize("case", range(len(STREAMS)))
def test_ids_equal_the_twins_on_random_streams(case: int) -> None:
    preset, parameters, misses, by_offsets, noise = STREAMS[case]
    rule = "none" if by_offsets else None
    matched = born = 0
    for seed in range(3):
        tracker = Tracker("jointtrack", preset=preset, appearance=rule, **parameters)
        assert isinstance(tracker.parameters, Parameters)
        twin = JointTwin(tracker.parameters, misses, strict=preset != "default", by_offsets=by_offsets)
        for number, frame in enumerate(gathering(22, 110, 100 * case + seed, noise=noise)):
            expected = twin.update(frame)
            tracks = tracker.update(frame)
            found = np.full(len(frame), -1)
            found[tracks.detection_index] = tracks.ids
            assert found.tolist() == expected.tolist(), f"seed {seed}, frame {number}"
            matched += int((expected >= 0).sum())
        born += twin.next_id - 1
    assert matched > 500  # there was something to get wrong
    assert born > 40


def _one(
    x: float, embedding: tuple[float, ...], *, offset: float = 0.0, score: float = 0.9, class_: int = 0
) -> Detections:
    """A body of 40 x 90 pixels, so within 60 of where it was."""
    return Detections(
        np.array([[x, 100, x + 40, 190]], np.float32),
        np.array([score], np.float32),
        np.array([class_], np.int32),
        np.array([embedding], np.float32),
        np.array([[offset, 0]], np.float32),
    )


def test_a_track_is_shown_from_its_second_sighting_on() -> None:
    tracker = Tracker("jointtrack")
    assert [tracker.update(_one(100, (1, 0))).ids.tolist() for _ in range(3)] == [[], [1], [1]]
    assert tracker.update(Detections.empty()).ids.tolist() == []
    assert tracker.update(_one(100, (1, 0))).ids.tolist() == [1]


@pytest.mark.parametrize(
    ("second", "ids"),
    [
        (_one(159, (1, 0)), [1]),  # 59 pixels away
        (_one(161, (1, 0)), []),
        (_one(300, (1, 0), offset=-200), [1]),  # and the offset says that it came from there
        (_one(100, (1, 0), class_=1), []),
        (_one(100, (0.36, 0.93)), [1]),  # cosine .36, cost .64
        (_one(100, (0.34, 0.94)), []),
        (_one(100, (1, 0), score=0.39), []),
    ],
)
def test_the_offset_gates_and_the_embeddings_decide(second: Detections, ids: list[int]) -> None:
    tracker = Tracker("jointtrack")
    tracker.update(_one(100, (1, 0)))
    assert tracker.update(second).ids.tolist() == ids


def test_the_integer_peak_is_the_centre_and_not_the_middle_of_the_box() -> None:
    for peak, ids in ((None, []), (150.0, [1])):
        tracker = Tracker("jointtrack")
        first, second = _one(100, (1, 0)), _one(170, (1, 0))
        first.centres = np.array([[120, 145]], np.float32)
        second.centres = None if peak is None else np.array([[peak, 145]], np.float32)
        tracker.update(first)
        assert tracker.update(second).ids.tolist() == ids


def test_the_history_is_a_mean_of_means() -> None:
    """1, 0, 0 gives the history 1, .5, .5: the third mean is .5, not 1/3; so the third look has cosine .5 / norm."""
    tracker = Tracker("jointtrack", match_thresh=2.0)
    a, b = (1.0, 0.0), (0.0, 1.0)
    for embedding in (a, b, b):
        tracker.update(_one(100, embedding))
    assert tracker._memories is not None
    query = tracker._memories.queries()[0]
    assert query.tolist() == pytest.approx([np.sqrt(0.5)] * 2, abs=1e-6)


def test_old_embeddings_fade_after_twenty() -> None:
    tracker = Tracker("jointtrack", appearance=Mean(3), match_thresh=2.0)
    for embedding in [(1.0, 0.0)] * 5 + [(0.0, 1.0)] * 40:
        tracker.update(_one(100, embedding))
    assert tracker._memories is not None
    assert tracker._memories.queries()[0].tolist() == pytest.approx([0, 1], abs=1e-3)


def test_wrong_points_are_refused() -> None:
    tracker = Tracker("jointtrack")
    frame = _one(100, (1, 0))
    frame.offsets = np.zeros((1, 3), np.float32)
    with pytest.raises(InputError, match="offsets"):
        tracker.update(frame)
    frame = _one(100, (1, 0))
    frame.centres = np.full((1, 2), np.nan, np.float32)
    with pytest.raises(InputError, match="centres"):
        tracker.update(frame)
    frame = _one(100, (1, 0))
    frame.embeddings = None
    with pytest.raises(InputError, match="appearance = none"):
        tracker.update(frame)
    assert tracker.update(_one(100, (1, 0))).ids.tolist() == []  # still its first sighting
