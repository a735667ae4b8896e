"""Nothing slow reaches whoever puts events; what is lost is counted, frames before all else."""

import threading
from collections.abc import Sequence

import pytest

from edge.errors import OutputError
from edge.events import Ended, Event, Moment, Observed, Origin
from edge.sinks import queued
from edge.sinks.queued import CAPACITY, Queued, close_all
from tests.field import PATIENCE_S, wait_for
from tests.sinks.tracks import tracks

ORIGIN = Origin("r1", "door", ["person"])


def seen(number: int) -> Observed:
    return Observed(ORIGIN, Moment(number, None), number, (128, 96), tracks(1), [0])


def ended(id_: int) -> Ended:
    return Ended(ORIGIN, Moment(0.0, None), id_, 1, "lost")


class Slow:
    """An output that writes nothing until `go` is set, and fails `failures` times."""

    def __init__(self, failures: int = 0) -> None:
        self.events: list[Event] = []
        self.failures = failures
        self.asked, self.go, self.closed = threading.Event(), threading.Event(), threading.Event()

    def start(self) -> None:
        self.started = True

    def write(self, events: Sequence[Event]) -> None:
        self.asked.set()
        self.go.wait(PATIENCE_S)
        if self.failures:
            self.failures -= 1
            raise OutputError("no room")
        self.events += events

    def close(self) -> None:
        self.closed.set()


def test_events_arrive_in_order_and_closing_drains() -> None:
    slow = Slow()
    output = Queued("slow", slow)
    output.start()
    for number in range(100):
        output.put(seen(number))
    slow.go.set()
    assert output.close(PATIENCE_S)
    assert [event.number for event in slow.events if isinstance(event, Observed)] == list(range(100))
    assert slow.closed.is_set()
    assert (output.written, output.dropped, output.trouble) == (100, 0, "")


def test_a_full_queue_loses_its_oldest_frames_but_no_end() -> None:
    slow = Slow()
    output = Queued("slow", slow)
    output.start()
    output.put(seen(0))
    assert slow.asked.wait(PATIENCE_S)  # the thread is stuck with frame 0
    for number in range(1, CAPACITY + 101):
        output.put(ended(number) if number % 100 == 0 else seen(number))
    assert output.dropped == 100
    slow.go.set()
    assert output.close(PATIENCE_S)
    assert len([event for event in slow.events if isinstance(event, Ended)]) == (CAPACITY + 100) // 100
    numbers = [event.number for event in slow.events if isinstance(event, Observed)]
    assert numbers == [0, *(n for n in range(102, CAPACITY + 101) if n % 100)]


def test_an_output_that_blocks_for_ever_does_not_hold_up_the_end() -> None:
    slow = Slow()
    output = Queued("slow", slow)
    output.start()
    output.put(seen(1))
    assert slow.asked.wait(PATIENCE_S)
    assert not output.close(0.05)
    slow.go.set()


def test_a_broken_output_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queued, "_RETRY_S", 0.0)
    slow = Slow(failures=1)
    slow.go.set()
    output = Queued("slow", slow)
    output.start()
    output.put(seen(1))
    while not output.dropped:
        slow.asked.wait(1)
    assert output.trouble == "no room"
    output.put(seen(2))
    assert output.close(PATIENCE_S)
    assert (output.written, output.dropped, output.trouble) == (1, 1, "")


def test_a_bug_in_an_output_is_logged_and_lives_on(caplog: pytest.LogCaptureFixture) -> None:
    class Buggy:
        def start(self) -> None:
            pass

        def write(self, events: Sequence[Event]) -> None:
            raise ZeroDivisionError("a bug")

        def close(self) -> None:
            pass

    output = Queued("buggy", Buggy())
    output.start()
    output.put(seen(1))
    assert output.close(PATIENCE_S)
    assert (output.dropped, output.trouble) == (1, "ZeroDivisionError: a bug")
    assert "output buggy failed" in caplog.text


def test_an_output_that_cannot_start_yet_is_started_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queued, "_RETRY_S", 0.0)

    class Late(Slow):
        """As a database on a disk that is full at the start."""

        tries, started = 0, False

        def start(self) -> None:
            self.tries += 1
            if self.tries < 3:
                raise OutputError("no room")
            self.started = True

        def write(self, events: Sequence[Event]) -> None:
            assert self.started
            super().write(events)

    late = Late()
    late.go.set()
    output = Queued("late", late)
    output.start()
    wait_for(lambda: output.trouble == "no room", "nobody hears that it did not start")
    output.put(seen(1))
    wait_for(lambda: output.dropped == 1, "what cannot be written is not counted")
    output.put(seen(2))
    assert output.close(PATIENCE_S)
    assert (output.written, output.dropped, output.trouble) == (1, 1, "")


@pytest.mark.parametrize("slow_first", [True, False])
def test_one_that_does_not_finish_costs_no_other_its_end(
    slow_first: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(queued, "STOP_S", 2.0)
    hanging, sound = Slow(), [Slow(), Slow()]
    outputs = [Queued("hanging", hanging), *(Queued(f"sound{i}", output) for i, output in enumerate(sound))]
    for output in outputs:
        output.start()
        output.put(seen(1))
    hanging.asked.wait(PATIENCE_S)
    for each in sound:
        each.go.set()
    close_all(outputs[:1] if slow_first else [], outputs[1:] if slow_first else outputs)
    assert [record.getMessage() for record in caplog.records] == ["output hanging does not finish; 0 events are lost"]
    assert [output.is_finished for output in outputs] == [False, True, True]
    assert all(each.closed.is_set() for each in sound)
    hanging.go.set()
    assert outputs[0].close(PATIENCE_S)


def test_an_output_that_turns_out_incomplete_is_said(caplog: pytest.LogCaptureFixture) -> None:
    class Incomplete(Slow):
        def close(self) -> None:
            raise OutputError("the last minute is lost")

    output = Queued("history", Incomplete())
    output.start()
    assert output.close(PATIENCE_S)
    assert "output history: at its end: the last minute is lost" in caplog.text


def test_an_output_to_which_nothing_comes_may_tidy_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queued, "_IDLE_S", 0.01)
    calls: list[int] = []

    class Counting(Slow):
        def write(self, events: Sequence[Event]) -> None:
            calls.append(len(events))

    output = Queued("counting", Counting())
    output.start()
    wait_for(lambda: calls[:2] == [0, 0], "nobody asks it")
    output.put(seen(1))
    assert output.close(PATIENCE_S)
    assert sum(calls) == output.written == 1
