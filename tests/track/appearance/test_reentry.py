"""Who comes back keeps the identity: by appearance, in time, at a walk, and never two at once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge import Detections, Tracker
from edge.track.appearance import reentry
from edge.track.appearance.reentry import Reentry
from edge.track.state import LOST, TRACK, TRACKED
from edge.types import Int64s

METHODS = pytest.mark.parametrize("method", ["bytetrack", "nanotrack", "sparsetrack"])
A, B, C = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)
ALMOST_A = (0.999, 0.04, 0.0)
RATE = 30.0


def _frame(*rows: tuple[float, tuple[float, ...]]) -> Detections:
    """People of 60 x 150 at x, with embeddings."""
    boxes = np.array([[x, 100, x + 60, 250] for x, _ in rows], np.float32).reshape(-1, 4)
    embeddings = np.array([look for _, look in rows], np.float32).reshape(len(rows), 3)
    return Detections(boxes, np.full(len(rows), 0.95, np.float32), embeddings=embeddings)


def _ids(tracker: Tracker, seconds: float, *rows: tuple[float, tuple[float, ...]]) -> list[int]:
    """The last identities after `seconds` of the same picture."""
    shown: list[int] = []
    for _ in range(round(seconds * RATE)):
        shown = tracker.update(_frame(*rows)).ids.tolist()
    return shown


@METHODS
@pytest.mark.parametrize("appearance", ["ema", "sasm"])
def test_who_was_away_longer_than_motion_bridges_keeps_the_identity_if_embeddings_are_known(
    method: str, appearance: str
) -> None:
    ids = {}
    for rule in ("none", appearance):
        tracker = Tracker(method, RATE, appearance=rule)
        assert _ids(tracker, 1, (100, A), (600, B)) == [1, 2]
        assert _ids(tracker, 5, (100, A)) == [1]
        ids[rule] = _ids(tracker, 1, (100, A), (900, B))
    assert ids["none"][1] not in (1, 2)
    assert ids[appearance] == [1, 2]


@METHODS
def test_who_looks_different_is_somebody_new(method: str) -> None:
    tracker = Tracker(method, RATE, appearance="ema")
    _ids(tracker, 1, (100, A), (600, B))
    _ids(tracker, 5, (100, A))
    assert _ids(tracker, 1, (100, A), (600, C))[1] not in (1, 2)


@METHODS
def test_nobody_is_remembered_for_ever(method: str) -> None:
    tracker = Tracker(method, RATE, appearance="ema", reentry_s=4)
    _ids(tracker, 1, (100, A), (600, B))
    _ids(tracker, 6, (100, A))
    assert _ids(tracker, 1, (100, A), (600, B))[1] not in (1, 2)


@METHODS
def test_nobody_comes_back_faster_than_people_move(method: str) -> None:
    """9000 px are 60 heights: too far for 5 s, not for 29."""
    for away_s, same in ((5, False), (29, True)):
        tracker = Tracker(method, RATE, appearance="ema")
        _ids(tracker, 1, (100, A), (600, B))
        _ids(tracker, away_s, (100, A))
        assert (_ids(tracker, 1, (100, A), (9600, B))[1] == 2) == same


@METHODS
def test_of_two_look_alikes_neither_is_taken_for_the_one_who_returns(method: str) -> None:
    tracker = Tracker(method, RATE, appearance="ema")
    _ids(tracker, 1, (100, A), (600, ALMOST_A), (900, C))
    _ids(tracker, 5, (900, C))
    assert not {1, 2} & set(_ids(tracker, 1, (350, A), (900, C)))


@METHODS
def test_a_lost_track_that_is_claimed_does_not_come_back_beside_itself(method: str) -> None:
    """B jumps while its track is still waiting where it was; then somebody else stands there."""
    tracker = Tracker(method, RATE, appearance="ema")
    _ids(tracker, 1, (100, A), (600, B))
    _ids(tracker, 0.4, (100, A))
    assert _ids(tracker, 0.5, (100, A), (800, B)) == [1, 2]
    ids = _ids(tracker, 0.5, (100, A), (600, C), (800, B))
    assert len(set(ids)) == 3
    assert {1, 2} < set(ids)


def test_prediction_and_reset_know_the_identities() -> None:
    tracker = Tracker("nanotrack", RATE, appearance="ema")
    _ids(tracker, 1, (100, A), (600, B))
    _ids(tracker, 5, (100, A))
    shown = _ids(tracker, 1, (100, A), (900, B))
    assert sorted(tracker.predict(time_s=7.05).ids.tolist()) == sorted(shown) == [1, 2]
    tracker.reset()
    assert _ids(tracker, 1, (600, B)) == [1]


@settings(max_examples=40)
@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 12), st.sampled_from([A, B, C])), max_size=4, unique_by=lambda row: row[0]),
        min_size=5,
        max_size=60,
    )
)
@METHODS
def test_an_identity_is_never_in_two_places(method: str, frames: list[list[tuple[int, tuple[float, ...]]]]) -> None:
    tracker = Tracker(method, 2.0, appearance="sasm")
    for rows in frames:
        for _ in range(3):
            ids = tracker.update(_frame(*((150.0 * x, look) for x, look in rows))).ids
            assert len(set(ids.tolist())) == len(ids)


def test_the_one_gone_for_longest_makes_room() -> None:
    """More leave than there is room for: the first is forgotten, a later one still known."""
    people = reentry.CAPACITY + 1
    embeddings = np.eye(people, dtype=np.float32)
    follow = Reentry(0.75, 1e6, RATE)
    for person in range(people):
        follow.identify(*_alone(person + 1, embeddings[person], now=10.0 * person))
    now = 10.0 * people
    for again, (person, known) in enumerate(((0, False), (2, True))):
        number = people + 1 + again
        shown = follow.identify(*_alone(number, embeddings[person], now=now + 10 * again))
        assert (shown[0] == person + 1) == known


def _alone(number: int, look: np.ndarray, now: float) -> tuple[np.ndarray, Int64s, np.ndarray, Int64s, float]:
    """A table with one confirmed track, born and seen at `now`."""
    table = np.zeros(1, TRACK)
    table["id"], table["status"], table["confirmed"] = number, TRACKED, True
    table["start"] = table["last"] = now
    table["box"] = 100, 100, 160, 250
    return table, table["id"], look[None], np.array([number]), now


def test_a_track_without_a_look_is_nobody_known() -> None:
    follow = Reentry(-1.0, 1e6, RATE)
    table, numbers, look, shown, _ = _alone(1, np.array([1, 0], np.float32), 0.0)
    follow.identify(table, numbers, look, shown, 0.0)
    table["status"] = LOST
    follow.identify(table, numbers, look, np.zeros(0, np.int64), 30.0)
    assert follow.identify(*_alone(2, np.zeros(2, np.float32), 60.0)).tolist() == [2]
