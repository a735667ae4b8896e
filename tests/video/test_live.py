"""Real sockets and devices that are not there."""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.errors import NotFoundError, UnavailableError
from edge.settings.config import Camera
from edge.video.live import is_recording, open_stream
from tests.field import PATIENCE_S


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that accepts connections and never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_a_camera_that_accepts_and_stays_silent_is_given_up_in_time(silent_port: int, scheme: str) -> None:
    started_s = time.monotonic()
    with pytest.raises(NotFoundError, match=rf"^{scheme}://\*\*\*@.* answers there within 1 s"):
        open_stream(Camera("door", f"{scheme}://me:secret@127.0.0.1:{silent_port}/x", stall_s=1.0))
    assert time.monotonic() - started_s < PATIENCE_S / 2


def test_a_camera_that_refuses_is_said_to_be_gone() -> None:
    with pytest.raises(NotFoundError, match="no camera answers"):
        open_stream(Camera("door", "rtsp://127.0.0.1:1/x"))


def test_an_unplugged_camera_is_said_to_be_gone(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="/dev/video99: expected a camera, found no such device"):
        open_stream(Camera("door", "99"))


def test_csi_needs_gstreamer() -> None:
    with pytest.raises(NotFoundError, match="number of a sensor"):
        open_stream(Camera("door", "csi://left"))
    import cv2

    if any("GStreamer" in line and "YES" in line for line in cv2.getBuildInformation().splitlines()):
        pytest.skip("this OpenCV has GStreamer")
    with pytest.raises(UnavailableError, match="without GStreamer"):
        open_stream(Camera("door", "csi://0"))


@pytest.mark.parametrize(
    ("source", "recording"),
    [("demo://", True), ("a.mp4", True), ("img/*.jpg", True), ("0", False), ("/dev/video0", False)]
    + [(f"{scheme}://h/x", False) for scheme in ("rtsp", "rtsps", "http", "https", "csi")],
)
def test_recordings_are_told_from_cameras(source: str, recording: bool) -> None:
    assert is_recording(source) == recording


def test_motion_jpeg_over_http_is_read_and_garbage_in_it_does_no_harm() -> None:
    import cv2

    from tests import tiny

    def serve(server: socket.socket) -> None:
        client, _ = server.accept()
        client.recv(4096)
        client.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=b\r\n\r\n")
        for number in range(1, 30):
            jpeg = cv2.imencode(".jpg", tiny.picture(number))[1].tobytes()
            if number % 5 == 0:
                jpeg = jpeg[: len(jpeg) // 2]  # a picture that was cut off
            head = f"--b\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            client.sendall(head.encode() + jpeg + b"\r\n")
        client.close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, args=(server,), daemon=True)
        thread.start()
        stream = open_stream(Camera("door", f"http://127.0.0.1:{server.getsockname()[1]}/x.mjpg"))
        shapes = []
        while (picture := stream.read(None)) is not None:
            shapes.append(picture[0].shape)
        stream.close()
        thread.join(PATIENCE_S)
    assert len(shapes) >= 20
    assert set(shapes) == {(128, 128, 3)}
