"""One time limit for several waits."""

import time

from edge.console.countdown import countdown


def test_what_is_left_shrinks_to_nothing_and_never_below() -> None:
    left_s = countdown(0.05)
    first = next(left_s)
    assert 0 < first <= 0.05
    time.sleep(0.01)
    assert next(left_s) <= first - 0.01
    time.sleep(0.05)
    assert [next(left_s), next(left_s)] == [0.0, 0.0]


def test_the_time_begins_with_the_first_wait() -> None:
    left_s = countdown(0.02)
    time.sleep(0.03)
    assert next(left_s) > 0
