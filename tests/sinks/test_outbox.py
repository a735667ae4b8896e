"""What waits for a slow or absent broker is bounded, the newest is kept, and what is lost is counted."""

import itertools
import threading
from collections.abc import Iterator

import pytest

from edge.sinks.outbox import EVENTS_BYTES, FRAMES_BYTES, WINDOW_BYTES, Message, Outbox
from tests.field import wait_for


class Library:
    """Takes messages and acknowledges them when told to, or at once."""

    def __init__(self, *, at_once: bool) -> None:
        self.taken: list[Message] = []
        self.numbers = itertools.count(1)
        self.pending: list[int] = []
        self.at_once = at_once
        self.refuses = False
        self.outbox = Outbox(self.publish)

    def publish(self, message: Message) -> int | None:
        if self.refuses:
            return None
        self.taken.append(message)
        number = next(self.numbers)
        if self.at_once:
            thread = threading.Thread(target=self.outbox.acknowledged, args=[number])  # before we have told the number
            thread.start()
            thread.join()
        else:
            self.pending.append(number)
        return number

    def acknowledge_all(self) -> None:
        self.at_once = True
        while self.pending:
            self.outbox.acknowledged(self.pending.pop(0))

    def texts(self) -> list[str]:
        return [str(message.text) for message in self.taken]


@pytest.fixture
def library(request: pytest.FixtureRequest) -> Iterator[Library]:
    library = Library(at_once=getattr(request, "param", True))
    library.outbox.start()
    yield library
    library.outbox.close()


slow = pytest.mark.parametrize("library", [False], indirect=True)


def test_events_and_states_arrive_in_order(library: Library) -> None:
    for number in range(100):
        library.outbox.put_event("e", str(number))
    library.outbox.connected()
    library.outbox.put_state("s", "on")
    library.outbox.put_state("s", "off")
    assert library.outbox.drain(30)
    assert [text for text in library.texts() if text.isdecimal()] == [*map(str, range(100))]
    assert [text for text in library.texts() if not text.isdecimal()] == ["on", "off"]
    assert library.outbox.take_lost() == 0


@slow
def test_the_library_gets_no_more_than_a_window_and_of_frames_the_newest(library: Library) -> None:
    outbox = library.outbox
    outbox.connected()
    for number in range(200):
        outbox.put_frame("a/tracks", f"a{number:04d}" + 1000 * "x", "a")
        outbox.put_frame("b/tracks", f"b{number:04d}" + 1000 * "x", "b")
    wait_for(lambda: len(outbox._frames) <= 2, "more than the newest waits")
    sizes = [message.size for message in library.taken]
    assert sum(sizes[:-1]) < WINDOW_BYTES
    library.acknowledge_all()
    assert outbox.drain(30)
    assert {text[:5] for text in library.texts()[-2:]} == {"a0199", "b0199"}
    assert outbox.take_lost() == 400 - len(library.taken)
    assert outbox.take_lost() == 0


@slow
def test_many_identities_are_bounded_too(library: Library) -> None:
    library.outbox.connected()
    for number in range(200):
        library.outbox.put_frame("a/events", 1000 * "x", f"run/{number}")
    assert library.outbox._frames.bytes <= FRAMES_BYTES
    library.acknowledge_all()
    assert library.outbox.drain(30)
    assert len(library.taken) + library.outbox.take_lost() == 200


def test_of_a_long_outage_the_newest_events_are_kept(library: Library) -> None:
    size = EVENTS_BYTES // 100
    for number in range(150):
        library.outbox.put_event("e", f"{number:03d}".ljust(size - 1))
    library.outbox.connected()
    assert library.outbox.drain(30)
    assert [text.strip() for text in library.texts()] == [f"{number:03d}" for number in range(50, 150)]
    assert library.outbox.take_lost() == 50


def test_what_is_too_old_is_not_sent(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library.outbox._events, "_age_s", -1.0)
    library.outbox.put_event("e", "old")
    library.outbox.connected()
    assert library.outbox.drain(30)
    assert (library.texts(), library.outbox.take_lost()) == ([], 1)


@slow
def test_a_connection_that_breaks_loses_frames_and_no_events(library: Library) -> None:
    outbox = library.outbox
    outbox.put_frame("t", "before there is a connection", "a")
    outbox.connected()
    outbox.put_event("e", "an event")
    outbox.put_frame("t", "a frame", "a")
    wait_for(lambda: len(library.taken) == 2 and not outbox._is_sending, "nothing is handed over")
    outbox.disconnected()
    outbox.put_state("s", "is put again with the next connection")
    outbox.put_event("e", "another")
    assert outbox.take_lost() == 2
    library.acknowledge_all()  # the library has sent the event again
    outbox.connected()
    assert outbox.drain(30)
    assert library.texts()[2:] == ["another"]


@slow
def test_of_states_that_wait_the_newest_is_sent(library: Library) -> None:
    outbox = library.outbox
    outbox.connected()
    outbox.put_event("e", WINDOW_BYTES * "x")
    wait_for(lambda: len(library.taken) == 1, "nothing is handed over")
    for number in range(1000):
        outbox.put_state("count", str(number))
    wait_for(lambda: len(outbox._states) == 1, "old states wait")
    library.acknowledge_all()
    assert outbox.drain(30)
    assert library.texts()[1:] == ["999"]
    assert outbox.take_lost() == 0


def test_what_the_library_refuses_is_counted(library: Library) -> None:
    library.refuses = True
    library.outbox.connected()
    library.outbox.put_event("e", "no")
    library.outbox.put_state("s", "no")
    assert library.outbox.drain(30)
    assert library.outbox.take_lost() == 1


@slow
def test_a_connection_that_breaks_while_a_message_is_handed_over_blocks_nothing(library: Library) -> None:
    outbox, publish = library.outbox, library.publish

    def breaks(message: Message) -> int | None:
        number = publish(message)
        outbox.disconnected()
        outbox._publish = publish
        return number

    outbox._publish = breaks
    outbox.connected()
    outbox.put_picture("door/snapshot", 2 * WINDOW_BYTES * b"x")
    wait_for(lambda: not outbox._is_connected and not outbox._is_sending, "nothing is handed over")
    outbox.connected()
    outbox.put_event("e", "an event")
    wait_for(lambda: "an event" in library.texts(), "the window stays full")
    assert outbox.take_lost() == 0
