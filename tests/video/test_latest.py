"""The newest frame wins, and its age stays small however slow the consumer is."""

import threading
import time

import numpy as np

from edge.types import Frame
from edge.video.latest import Latest
from tests.field import PATIENCE_S


def frame(number: int) -> Frame:
    return Frame(np.full((2, 2, 3), number, np.uint8), number, float(number))


def test_a_newer_frame_replaces_one_that_waits_and_the_drop_is_counted() -> None:
    ready = threading.Event()
    slot = Latest(ready)
    for number in (1, 2, 3):
        slot.put(frame(number))
    assert ready.is_set()
    taken = slot.take()
    assert taken is not None
    assert (taken.number, slot.dropped, slot.is_empty) == (3, 2, True)
    assert slot.take() is None


def test_pictures_circulate_and_none_is_overwritten_while_it_is_used() -> None:
    slot = Latest(threading.Event())
    made: set[int] = set()
    used: Frame | None = None
    for number in range(1, 50):
        image = slot.spare()
        if image is None:
            image = np.zeros((2, 2, 3), np.uint8)
        assert used is None or image is not used.image
        image[:] = number
        made.add(id(image))
        slot.put(Frame(image, number, 0.0))
        if number % 3 == 0:
            if used is not None:
                slot.give_back(used.image)
            used = slot.take()
            assert used is not None
            assert (used.image == number).all()
        if used is not None:
            assert (used.image == used.number).all()
    assert len(made) == 3


def _put_all(slot: Latest, count: int) -> None:
    for number in range(1, count + 1):
        slot.put(frame(number))


def test_a_recording_loses_nothing() -> None:
    slot = Latest(threading.Event(), waits=True)
    producer = threading.Thread(target=_put_all, args=(slot, 100))
    producer.start()
    numbers: list[int] = []
    while len(numbers) < 100:
        if (taken := slot.take()) is not None:
            numbers.append(taken.number)
    producer.join()
    assert numbers == list(range(1, 101))
    assert slot.dropped == 0


def test_closing_frees_a_producer_that_waits() -> None:
    slot = Latest(threading.Event(), waits=True)
    slot.put(frame(1))
    producer = threading.Thread(target=slot.put, args=(frame(2),), daemon=True)
    producer.start()
    slot.close()
    producer.join(PATIENCE_S)
    assert not producer.is_alive()


def test_a_slow_consumer_gets_young_frames() -> None:
    """300 frames a second into 30: a queue would grow to seconds, the slot stays below a few frames."""
    slot = Latest(threading.Event())
    stop = threading.Event()

    def produce() -> None:
        number = 0
        while not stop.wait(1 / 300):
            number += 1
            slot.put(Frame(np.zeros((2, 2, 3), np.uint8), number, time.monotonic()))

    producer = threading.Thread(target=produce)
    producer.start()
    ages_s = []
    for _ in range(15):
        time.sleep(1 / 30)
        if (taken := slot.take()) is not None:
            ages_s.append(time.monotonic() - taken.time_s)
    stop.set()
    producer.join()
    assert slot.dropped > 15
    # A queue of what was dropped would be 9 times as old at the end; a busy machine makes single ones late.
    assert float(np.median(ages_s)) < 15 / 30
