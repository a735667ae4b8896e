"""Work in other processes comes back in order, reports what it does, and fails as it would here."""

import os
import signal

import pytest

from edge.errors import DataError, NanoTrackError
from edge.val import parallel


def square(number: int, report: parallel.Report) -> int:
    for done in range(number + 1):
        report(done)
    return number * number


def fail_at_three(number: int, report: parallel.Report) -> int:
    if number == 3:
        raise DataError("three.txt: expected anything else, found 3")
    return number


def die(number: int, report: parallel.Report) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return number


def threads(number: int, report: parallel.Report) -> str:
    return os.environ["OMP_NUM_THREADS"]


@pytest.mark.parametrize("workers", [1, 2])
def test_results_are_in_order_and_progress_is_complete(workers: int) -> None:
    seen: dict[int, list[int]] = {}
    results = parallel.run(square, [3, 1, 2], workers, lambda i, done: seen.setdefault(i, []).append(done), int)
    assert results == [9, 1, 4]
    assert seen == {0: [0, 1, 2, 3], 1: [0, 1], 2: [0, 1, 2]}


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_is_the_one_that_was_raised(workers: int) -> None:
    with pytest.raises(DataError, match=r"three\.txt"):
        parallel.run(fail_at_three, [1, 2, 3], workers, lambda i, done: None, int)


def test_a_process_that_dies_is_reported() -> None:
    with pytest.raises(NanoTrackError, match="died"):
        parallel.run(die, [1, 2], 2, lambda i, done: None, int)


def test_processes_have_one_thread_each_and_ours_keeps_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    assert parallel.run(threads, [1], 2, lambda i, done: None, int) == ["1"]
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert "MKL_NUM_THREADS" not in os.environ
