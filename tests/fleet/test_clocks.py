"""Clocks of boards that are wrong, and outages that only look like it."""

from edge.fleet.clocks import Clocks


def test_a_clock_that_is_late_is_known_by_messages_that_agree() -> None:
    clocks = Clocks()
    for second in range(0, 40, 5):
        clocks.note("a", second, second + 7.0 + (second % 3) / 10)
    assert clocks.estimate_s("a") == 7.0
    assert clocks.offset_s("a") == 7.0


def test_a_clock_that_is_early_is_known_at_once() -> None:
    clocks = Clocks()
    clocks.note("a", 105.0, 100.2)
    assert round(clocks.offset_s("a"), 6) == -4.8


def test_an_outage_is_no_clock() -> None:
    clocks = Clocks()
    for second in range(0, 300, 10):  # written over five minutes, received at once
        clocks.note("a", second, 400.0)
    assert clocks.offset_s("a") == 0.0
    clocks.note("a", 401.0, 401.1)
    assert clocks.offset_s("a") == 0.0


def test_seconds_on_the_way_are_no_clock_and_nothing_is_known_of_strangers() -> None:
    clocks = Clocks()
    for second in range(60):
        clocks.note("a", second, second + 0.4)
    assert clocks.offset_s("a") == 0.0
    assert clocks.estimate_s("b") is None
    assert clocks.offset_s("b") == 0.0


def test_a_clock_that_is_set_back_is_believed_at_once() -> None:
    clocks = Clocks()
    for second in range(0, 200, 10):
        clocks.note("a", second + 36_000.0, second + 0.1)
    assert round(clocks.offset_s("a"), 6) == -35_999.9
    clocks.note("a", 210.0, 210.1)
    assert clocks.offset_s("a") == 0.0
