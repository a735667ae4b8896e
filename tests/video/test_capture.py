"""A camera's thread: what it throws out, how it reconnects, what it tells."""

import itertools
import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from edge.errors import NotFoundError
from edge.settings.config import CameraConfig
from edge.video import capture as capture_module
from edge.video.capture import Capture, comes_live, fault_of, open_camera, pauses_s
from edge.video.paced import Paced
from tests import tiny
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
    capture = Capture(CameraConfig("door", "rtsp://x"), threading.Event(), clock=clock, connect=fake.connect)
    capture.start()
    assert fake.done.wait(PATIENCE_S)
    capture.stop()
    fake.leave.set()
    assert capture.join(PATIENCE_S)
    return capture, fake


def test_pauses_grow_to_half_a_minute_and_are_never_equal_for_all() -> None:
    longest = list(itertools.islice(pauses_s(lambda: 0.0), 8))
    assert longest == [1, 2, 4, 8, 16, 30, 30, 30]
    assert next(itertools.islice(pauses_s(lambda: 0.0), 5000, None)) == 30  # away for two days
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
    capture = Capture(CameraConfig("door", "rtsp://x"), threading.Event(), clock=clock, connect=fake.connect)
    assert capture.trouble == "not connected yet"


def test_a_recording_is_played_once_in_its_own_time(tiny_video: Path) -> None:
    ready = threading.Event()
    capture = Capture(CameraConfig("film", str(tiny_video)), ready)
    assert capture.opened(30)
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


def test_a_recording_that_is_not_there_is_told_by_opened_and_then_by_the_trouble(tmp_path: Path) -> None:
    capture = Capture(CameraConfig("film", str(tmp_path / "none.mp4")), threading.Event())
    with pytest.raises(NotFoundError, match=r"none\.mp4"):
        capture.opened(10)
    capture.start()
    assert capture.join(10)
    assert capture.finished
    assert "none.mp4" in capture.trouble


def test_a_fifo_is_waited_for_by_its_own_thread_and_played_once_something_is_written(tmp_path: Path) -> None:
    fifo = tmp_path / "film.avi"
    os.mkfifo(fifo)
    ready = threading.Event()
    capture = Capture(CameraConfig("film", str(fifo)), ready)
    assert not capture.opened(0.05)
    capture.start()
    assert not capture.finished
    stream = tiny.write_video(tmp_path / "stream.avi").read_bytes()
    threading.Thread(target=fifo.write_bytes, args=(stream,), daemon=True).start()
    count = 0
    while not (capture.finished and capture.slot.is_empty):
        ready.wait(1)
        ready.clear()
        if (frame := capture.slot.take()) is not None:
            count += 1
            capture.slot.give_back(frame.image)
    assert count == 30
    assert capture.frame_rate == 25.0


def test_recordings_that_loop_or_never_end_come_like_a_camera(tiny_video: Path) -> None:
    scene = "demo://?people=1&size=64x64"
    cameras = [
        CameraConfig("a", str(tiny_video)),
        CameraConfig("b", f"{scene}&frames=9"),
        CameraConfig("c", "rtsp://x"),
    ]
    cameras += [CameraConfig("d", str(tiny_video), loop=True), CameraConfig("e", scene)]
    assert [comes_live(camera) for camera in cameras] == [False, False, True, True, True]


def test_a_recording_that_loops_is_opened_as_one_that_is_paced(tiny_video: Path) -> None:
    source = open_camera(CameraConfig("film", str(tiny_video), loop=True, frame_rate=500.0), time.monotonic)
    assert isinstance(source, Paced)
    assert sum(source.read(None) is not None for _ in range(70)) == 70
    source.close()
