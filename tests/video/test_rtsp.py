"""A real RTSP camera: it is paused, killed, and comes back with another resolution."""

import itertools
import signal
import threading
from collections.abc import Iterator

import pytest

from edge.settings.config import CameraConfig
from edge.video import capture as capture_module
from edge.video.capture import Capture
from tests.field import PATIENCE_S, RtspCamera, has_gstreamer, wait_for


@pytest.fixture
def camera() -> Iterator[RtspCamera]:
    if not has_gstreamer():
        pytest.skip("GStreamer's RTSP server and its Python bindings are not installed")
    camera = RtspCamera()
    camera.start("320x240")
    yield camera
    camera.kill()


def newest_size(capture: Capture) -> tuple[int, int] | None:
    frame = capture.slot.take()
    if frame is None:
        return None
    capture.slot.give_back(frame.image)
    return frame.image.shape[1], frame.image.shape[0]


def test_a_camera_is_followed_through_pause_death_and_return(
    camera: RtspCamera, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capture_module, "pauses_s", lambda: itertools.repeat(0.1))
    capture = Capture(CameraConfig("door", camera.address, stall_s=2.0), threading.Event())
    capture.start()
    wait_for(lambda: newest_size(capture) == (320, 240), "no picture")
    assert (capture.connects, capture.trouble) == (1, "")

    camera.process.send_signal(signal.SIGSTOP)
    wait_for(lambda: capture.trouble != "", "the pause is not noticed")
    camera.process.send_signal(signal.SIGCONT)
    wait_for(lambda: capture.connects == 2 and capture.trouble == "", "not back after the pause")

    camera.kill()
    wait_for(lambda: capture.trouble != "", "the death is not noticed")
    camera.start("640x480")
    wait_for(lambda: newest_size(capture) == (640, 480), "not back with another resolution")
    assert capture.corrupt == 0
    capture.stop()
    assert capture.join(PATIENCE_S)
