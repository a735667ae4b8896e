"""Guesses of passwords by address, on a clock that the test sets."""

import base64

import pytest

from edge.service.web import logins
from edge.service.web.logins import FREE, LONGEST_S, Logins
from tests.video.fakes import FakeClock

RIGHT, WRONG = (b"Basic " + base64.b64encode(text) for text in (b"me:secret", b"me:wrong"))


def test_each_failure_beyond_the_free_ones_doubles_the_pause_up_to_the_longest() -> None:
    clock = FakeClock(100.0)
    guard = Logins("me", "secret", clock)
    waits = []
    for _ in range(FREE + 8):
        assert not guard.is_right("10.0.0.1", WRONG)
        waits.append(guard.wait_s("10.0.0.1"))
        clock.now_s += waits[-1]
        assert guard.wait_s("10.0.0.1") == 0.0
    assert waits == [0.0] * (FREE - 1) + [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, LONGEST_S, LONGEST_S, LONGEST_S]


def test_the_right_password_and_a_long_time_make_good() -> None:
    clock = FakeClock(100.0)
    guard = Logins("me", "secret", clock)
    for _ in range(FREE - 1):
        guard.is_right("10.0.0.1", WRONG)
    assert guard.is_right("10.0.0.1", RIGHT)
    for _ in range(FREE):
        assert guard.wait_s("10.0.0.1") == 0.0
        guard.is_right("10.0.0.1", WRONG)
    assert guard.wait_s("10.0.0.1") == 1.0
    clock.now_s += 3600
    guard.is_right("10.0.0.1", WRONG)
    assert guard.wait_s("10.0.0.1") == 0.0


def test_a_network_of_ipv6_is_one_and_an_attacker_with_many_addresses_fills_no_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    guard = Logins("me", "secret", FakeClock(100.0))
    for number in range(FREE):
        guard.is_right(f"2001:db8::{number:x}", WRONG)
    assert guard.wait_s("2001:db8::ffff") == 1.0
    assert guard.wait_s("2001:db8:0:1::1") == 0.0
    assert guard.wait_s("fe80::1%eth0") == 0.0
    for _ in range(FREE):
        guard.is_right("::ffff:10.9.9.9", WRONG)
    assert guard.wait_s("::ffff:10.9.9.9") == 1.0
    assert guard.wait_s("::ffff:10.9.9.8") == 0.0
    for number in range(3000):
        guard.is_right(f"10.0.{number >> 8}.{number & 255}", WRONG)
    assert len(guard._failures) == logins._REMEMBERED
