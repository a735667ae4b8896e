"""A real RTSP camera: it is paused, killed, and comes back with another resolution."""

import itertools
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.config import Camera
from edge.video import capture as capture_module
from edge.video.capture import Capture

SERVER = Path(__file__).with_name("rtsp_server.py")
# GStreamer's bindings come from the distribution and belong to its own Python.
PYTHON = "/usr/bin/python3"
PROBE = (
    "import gi; gi.require_version('Gst', '1.0'); gi.require_version('GstRtspServer', '1.0');"
    " from gi.repository import Gst, GstRtspServer; Gst.init(None);"
    " assert Gst.ElementFactory.find('x264enc') and Gst.ElementFactory.find('rtph264pay')"
)


@pytest.fixture(scope="module")
def gstreamer() -> None:
    if not Path(PYTHON).exists() or subprocess.run([PYTHON, "-c", PROBE], capture_output=True).returncode:
        pytest.skip("GStreamer's RTSP server and its Python bindings are not installed")


class RtspCamera:
    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]

    def start(self, size: str) -> None:
        self.process = subprocess.Popen(
            [PYTHON, str(SERVER), str(self.port), size], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def camera(gstreamer: None) -> Iterator[RtspCamera]:
    camera = RtspCamera()
    camera.start("320x240")
    yield camera
    if camera.process.returncode is None:
        camera.kill()


def newest_size(capture: Capture) -> tuple[int, int] | None:
    frame = capture.slot.take()
    if frame is None:
        return None
    capture.slot.give_back(frame.image)
    return frame.image.shape[1], frame.image.shape[0]


def wait_for(done: Callable[[], bool], what: str) -> None:
    limit_s = time.monotonic() + 40
    while not done():
        assert time.monotonic() < limit_s, what
        time.sleep(0.02)


def test_a_camera_is_followed_through_pause_death_and_return(
    camera: RtspCamera, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capture_module, "pauses_s", lambda: itertools.repeat(0.1))
    capture = Capture(Camera("door", f"rtsp://127.0.0.1:{camera.port}/x", stall_s=2.0), threading.Event())
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
    assert capture.join(10)
