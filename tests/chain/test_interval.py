"""On which frames the detector runs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import Tracker
from edge.chain.interval import LONGEST_S, DetectInterval, can_skip, check_interval
from edge.errors import UsageError

RATE = 25.0


@given(every=st.integers(1, 8), gaps_ms=st.lists(st.integers(0, 700), min_size=1, max_size=60))
def test_the_first_frame_is_due_and_no_run_of_skipped_ones_is_too_long(every: int, gaps_ms: list[int]) -> None:
    interval, time_s, due_s, skipped = DetectInterval(every), 0.0, float("-inf"), 0
    for gap_ms in [0, *gaps_ms]:
        time_s += gap_ms / 1000
        due = interval.is_due(time_s)
        assert due == (skipped == every - 1 or time_s - due_s >= LONGEST_S)
        due_s, skipped = (time_s, 0) if due else (due_s, skipped + 1)


def test_the_interval_may_be_changed() -> None:
    interval = DetectInterval(3)
    assert [interval.is_due(n / RATE) for n in range(6)] == [True, False, False, True, False, False]
    interval.every = 1
    assert [interval.is_due(n / RATE) for n in range(6, 9)] == [True, True, True]
    interval.every = 2
    assert [interval.is_due(n / RATE) for n in range(9, 13)] == [False, True, False, True]


def test_trackers_that_count_frames_and_joint_networks_get_every_frame() -> None:
    by_time, by_count = Tracker("bytetrack"), Tracker("bytetrack", preset="reference")
    assert [can_skip(by_time, False), can_skip(by_count, False), can_skip(by_time, True)] == [True, False, False]
    check_interval(2, by_time, False)
    check_interval(1, by_count, True)
    with pytest.raises(UsageError, match=r"counts frames .* detect on every frame"):
        check_interval(2, by_count, False)
    with pytest.raises(UsageError, match="a joint network compares each frame with the one before"):
        check_interval(2, by_time, True)
