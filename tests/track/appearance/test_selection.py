"""Which detections are worth an embedding, and that asking changes nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import Detections, Tracker
from edge.errors import InputError
from edge.track.appearance import selection
from tests.track.appearance_scenes import gathering
from tests.track.scenes import outputs

METHODS = pytest.mark.parametrize("method", ["bytetrack", "nanotrack", "sparsetrack"])
A, B = (1.0, 0.0), (0.0, 1.0)


def _frame(*rows: tuple[float, tuple[float, float] | None], score: float = 0.9) -> Detections:
    boxes = np.array([[x, 100, x + 60, 250] for x, _ in rows], np.float32).reshape(-1, 4)
    embeddings = np.array([(0, 0) if look is None else look for _, look in rows], np.float32).reshape(-1, 2)
    return Detections(boxes, np.full(len(rows), score, np.float32), embeddings=embeddings)


def _settled(method: str, *places: float) -> Tracker:
    """A tracker that has seen people at these places for a while."""
    tracker = Tracker(method, appearance="ema")
    for _ in range(5):
        tracker.update(_frame(*((x, A) for x in places)))
    return tracker


@METHODS
def test_newcomers_and_rivals_are_in_doubt_and_people_alone_are_not(method: str) -> None:
    tracker = _settled(method, 100, 400)
    assert tracker.doubtful(_frame((100, None), (400, None))).tolist() == []
    assert tracker.doubtful(_frame((100, None), (700, None))).tolist() == [1]  # new
    # Two on one track are rivals, and more urgent than a newcomer; far enough apart one is the newcomer.
    assert tracker.doubtful(_frame((700, None), (100, None), (110, None))).tolist() == [1, 2, 0]
    assert tracker.doubtful(_frame((100, None), (130, None))).tolist() == [1]
    # One between two tracks.
    assert _settled(method, 100, 130).doubtful(_frame((112, None))).tolist() == [0]


@METHODS
def test_where_somebody_was_lost_embeddings_are_wanted(method: str) -> None:
    tracker = _settled(method, 100, 400)
    tracker.update(_frame((400, A)))
    assert tracker.doubtful(_frame((100, None), (400, None))).tolist() == [0]


@METHODS
def test_a_look_is_taken_anew_after_half_a_second(method: str) -> None:
    tracker, asked = _settled(method, 100), []
    for frame in range(70):
        rows = tracker.doubtful(_frame((100, None)))
        asked += [frame] * len(rows)
        tracker.update(_frame((100, A if len(rows) else None)))
    assert asked == [15, 31, 47, 63]


@METHODS
def test_low_detections_never_need_embeddings_and_without_appearance_none_do(method: str) -> None:
    tracker = _settled(method, 100)
    low = _frame((100, None), (700, None), score=0.25)
    assert tracker.comparable(low).tolist() == tracker.doubtful(low).tolist() == []
    plain = Tracker(method)
    assert plain.comparable(_frame((100, A))).tolist() == plain.doubtful(_frame((100, A))).tolist() == []


@METHODS
def test_asking_changes_nothing(method: str) -> None:
    stream = gathering(25, 80, 3, classes=1)
    plain, asked = Tracker(method, appearance="sasm"), Tracker(method, appearance="sasm")
    expected = outputs(plain, stream)
    found = []
    for number, frame in enumerate(stream):
        rows = asked.doubtful(frame, number / 30)
        assert set(rows.tolist()) <= set(asked.comparable(frame).tolist())
        found += outputs(asked, [frame])
    assert found == expected


@METHODS
@pytest.mark.parametrize("ask", ["comparable", "doubtful"])
def test_fewer_boxes_than_scores_are_refused_and_not_read_beyond(method: str, ask: str) -> None:
    frame = _frame((100, A))
    tracker = Tracker(method, appearance="ema")
    asked = tracker.comparable if ask == "comparable" else tracker.doubtful
    for boxes in (frame.boxes_xyxy, frame.boxes_xyxy.ravel(), np.zeros((500, 3), np.float32), [[1, 2]], None):
        with pytest.raises(InputError, match="boxes_xyxy"):
            asked(Detections(boxes, np.full(500, 0.9, np.float32)))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="scores"):
        asked(Detections(frame.boxes_xyxy, None))  # type: ignore[arg-type]
    assert asked(Detections(frame.boxes_xyxy.tolist(), [0.9])).tolist() == [0]  # type: ignore[arg-type]


def test_methods_of_appearance_alone_want_them_all() -> None:
    frame = gathering(10, 1, 0)[0]
    for method, lowest in (("qdtrack", 0.0), ("jointtrack", 0.4)):
        rows = Tracker(method).doubtful(frame)
        assert sorted(rows.tolist()) == np.flatnonzero(frame.scores >= np.float32(lowest)).tolist()


@given(st.lists(st.tuples(*[st.integers(0, 60)] * 2, *[st.integers(1, 60)] * 2), max_size=12))
def test_who_is_hidden_is_who_has_too_little_left_beside_one_in_front(sizes: list[tuple[int, int, int, int]]) -> None:
    boxes = np.array([[x, y, x + w, y + h] for x, y, w, h in sizes], np.float32).reshape(-1, 4)
    rows = np.arange(len(boxes))[::-1].copy()
    hidden = np.empty(len(rows), np.bool_)
    selection.find_hidden(boxes, rows, hidden)
    for row, found in zip(rows, hidden, strict=True):
        covered = 0.0
        for other in boxes[boxes[:, 3] > boxes[row, 3]].astype(float):
            low, high = np.maximum(other[:2], boxes[row, :2]), np.minimum(other[2:], boxes[row, 2:])
            covered = max(covered, np.prod(np.maximum(high - low, 0)))
        assert found == (covered > selection.HIDDEN * np.prod(boxes[row, 2:] - boxes[row, :2]).astype(float))


@METHODS
def test_the_hidden_get_no_embedding_unless_embeddings_are_all_there_is(method: str) -> None:
    boxes = np.array([[100, 100, 160, 250], [110, 110, 170, 260], [500, 100, 560, 250]], np.float32)
    frame = Detections(boxes, np.full(3, 0.9, np.float32))
    assert Tracker(method, appearance="ema").comparable(frame).tolist() == [1, 2]
    assert Tracker("qdtrack").comparable(frame).tolist() == [0, 1, 2]


@METHODS
def test_newcomers_are_looked_at_until_they_are_shown(method: str) -> None:
    tracker, shown = _settled(method, 100), 1
    for _ in range(30):
        assert (1 in tracker.doubtful(_frame((100, None), (400, None)))) == (shown == 1)
        shown = len(tracker.update(_frame((100, A), (400, A))))
    assert shown == 2
