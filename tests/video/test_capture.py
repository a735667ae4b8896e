"""A camera's thread: what it throws out, how it reconnects, what it tells."""

import itertools
import threading
from pathlib import Path

import numpy as np
import pytest

from edge.errors import NotFoundError
from edge.settings.config import Camera
from edge.video import capture as capture_module
from edge.video.capture import Capture, fault_of, pauses_s
from tests.field import PATIENCE_S
from tests.video.fakes import FakeCamera, FakeClock, picture

BLACK = np.zeros((128, 128, 3), np.uint8)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture_module, "pauses_s", lambda: itertools.repeat(0.0))


def played(*sessions: list[object] | None) -> tuple[Capture, FakeCamera]:
    """A capture after all of `sessions`."""
    clock = FakeClock()
    fake = FakeCamera(sessions, clock)
    capture = Capture(Camera("door", "rtsp://x"), threading.Event(), clock=clock, connect=fake.connect)
    capture.start()
    assert fake.done.wait(PATIENCE_S)
    capture.stop()
    fake.leave.set()
    assert capture.join(PATIENCE_S)
    return capture, fake


def test_pauses_grow_to_half_a_minute_and_are_never_equal_for_all() -> None:
    longest = list(itertools.islice(pauses_s(lambda: 0.0), 8))
    assert longest == [1, 2, 4, 8, 16, 30, 30, 30]
    assert list(itertools.islice(pauses_s(lambda: 1.0), 3)) == [0.5, 1, 2]
    assert len(set(itertools.islice(pauses_s(), 7))) == 7


@pytest.mark.parametrize(
    ("image", "fault"),
    [
        (picture(), None),
        (BLACK, "every pixel has the same colour"),
        (np.full((128, 128, 3), (0, 135, 0), np.uint8), "every pixel has the same colour"),
        (BLACK[:, :, 0], r"expected uint8 pixels of 3 colours, found uint8 \[128, 128\]"),
        (picture().astype(np.float32), "found float32"),
        (picture()[:8], "expected a picture, found 128x8 pixels"),
    ],
)
def test_what_is_no_picture_is_recognised(image: np.ndarray, fault: str | None) -> None:
    found = fault_of(image)
    assert (found is None) == (fault is None)
    if fault is not None:
        import re

        assert re.search(fault, found or "")


def test_a_lost_camera_is_connected_anew_and_frames_count_on() -> None:
    capture, fake = played([picture(1), picture(2)], None, None, [picture(3)])
    assert (capture.frames, capture.connects, fake.closed) == (3, 2, 2)
    frame = capture.slot.take()
    assert frame is not None
    assert frame.number == 3


def test_garbage_is_dropped_and_counted() -> None:
    capture, _ = played([picture(1), BLACK, picture()[:4], picture(2), BLACK])
    assert (capture.frames, capture.corrupt) == (5, 3)
    frame = capture.slot.take()
    assert frame is not None
    assert frame.number == 4


def test_another_resolution_is_taken_as_it_comes() -> None:
    large = np.tile(picture(), (2, 2, 1))
    capture, _ = played([picture(1), large], [picture(2), large])
    frame = capture.slot.take()
    assert frame is not None
    assert (frame.image.shape, capture.corrupt) == ((256, 256, 3), 0)


def test_a_camera_that_sends_only_black_is_connected_anew() -> None:
    capture, _ = played([picture(), *[1.0, BLACK] * 20], [picture()])
    assert capture.connects == 2
    assert capture.corrupt == 6  # after more than the 5 s without a good picture


def test_an_error_nobody_foresaw_costs_one_connection() -> None:
    capture, _ = played([picture(), ZeroDivisionError("driver")], [picture()])
    assert (capture.frames, capture.connects) == (2, 2)


def test_what_is_wrong_is_told_without_the_password() -> None:
    capture, _ = played([NotFoundError("rtsp://me:secret@host/x: gone")])
    assert "secret" not in capture.trouble
    clock = FakeClock()
    fake = FakeCamera([], clock)
    capture = Capture(Camera("door", "rtsp://x"), threading.Event(), clock=clock, connect=fake.connect)
    assert capture.trouble == "not connected yet"


def test_a_recording_is_played_once_in_its_own_time(tiny_video: Path) -> None:
    ready = threading.Event()
    capture = Capture(Camera("film", str(tiny_video)), ready)
    assert (capture.is_live, capture.frame_rate) == (False, 25.0)
    capture.start()
    times = []
    while not (capture.finished and capture.slot.is_empty):
        ready.wait(1)
        ready.clear()
        if (frame := capture.slot.take()) is not None:
            times.append(frame.time_s)
            capture.slot.give_back(frame.image)
    assert times == pytest.approx([n / 25 for n in range(30)], abs=2e-3)


def test_a_looped_recording_plays_on_at_its_pace(tiny_video: Path) -> None:
    clock = FakeClock()
    ready = threading.Event()
    capture = Capture(Camera("film", str(tiny_video), loop=True), ready)
    assert capture.is_live
    from edge.video.live import Recording

    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        clock.now_s += seconds

    recording = Recording(Camera("film", str(tiny_video), loop=True), clock, sleep)
    times = [picture_and_time[1] for _ in range(70) if (picture_and_time := recording.read(None)) is not None]
    assert np.diff(times) == pytest.approx(1 / 25)
    assert len(waits) == 70
    recording.close()


def test_a_recording_that_is_not_there_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"none\.mp4"):
        Capture(Camera("film", str(tmp_path / "none.mp4")), threading.Event())
