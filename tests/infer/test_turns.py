"""Networks timed in turns: each behind itself, the close ones longer, disturbances left out."""

import time
from collections.abc import Callable

import pytest

from edge.infer import turns


class Clock:
    """Time that passes only when a call says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 0.0
        self.called: list[str] = []
        monkeypatch.setattr(time, "perf_counter", lambda: self.now_s)

    def call(self, name: str, seconds: Callable[[], float]) -> Callable[[], None]:
        def run() -> None:
            self.now_s += seconds()
            self.called.append(name)

        return run


def test_the_close_ones_are_timed_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    speeds_s = {"fast": 0.010, "near": 0.011, "slow": 0.020}
    found = turns.in_turns([clock.call(name, lambda s=s: s) for name, s in speeds_s.items()], threads=2)  # type: ignore[misc]
    assert found == pytest.approx([10, 11, 20])
    assert clock.called.count("slow") == 2 * turns.LEAST_ROUNDS
    assert clock.called.count("fast") == clock.called.count("near") == 2 * turns.MOST_ROUNDS


def test_what_the_one_before_does_to_the_first_call_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)

    def after_another(name: str) -> Callable[[], float]:
        return lambda: 0.010 if clock.called[-1:] == [name] else 0.030

    found = turns.in_turns([clock.call(name, after_another(name)) for name in ("a", "b")], threads=2)
    assert found == pytest.approx([10, 10])


def test_interruptions_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    (found,) = turns.in_turns([clock.call("a", lambda: 0.5 if len(clock.called) % 4 == 1 else 0.01)], threads=2)
    assert found == pytest.approx(10)


def test_time_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    turns.in_turns([clock.call("a", lambda: 2.0)], threads=2)
    assert len(clock.called) == 2 * turns.LEAST_ROUNDS


def test_one_thread_is_timed_by_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    spent_s = iter([0.0, 0.004] * turns.MOST_ROUNDS)
    monkeypatch.setattr(time, "process_time", lambda: next(spent_s))
    assert turns.in_turns([lambda: None], threads=1) == pytest.approx([4])
