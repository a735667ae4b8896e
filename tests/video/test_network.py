"""Streams over real sockets: what comes, and one sentence for each reason why nothing comes."""

import contextlib
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from edge.errors import DataError, NotFoundError, UnavailableError
from edge.types import Frame
from edge.video.open import open_source
from edge.video.source import Source
from tests.field import FFMPEG, free_port, needs_ffmpeg
from tests.video.http_camera import PASSWORD, SIZES, USER, http_camera

LOGIN = f"{USER}:{quote(PASSWORD, safe='')}@"
DESCRIPTION = "v=0\r\nm=audio 0 RTP/AVP 0\r\na=control:sound\r\nm=video 0 RTP/AVP 96\r\na=control:track1\r\n"


def frames_of(source: Source, most: int = 1000) -> list[Frame]:
    frames: list[Frame] = []
    while len(frames) < most and (frame := source.read(None)) is not None:
        frames.append(frame)
    source.close()
    return frames


def refusal(address: str, silence_s: float = 2.0) -> str:
    """Why nothing comes from there, without its address."""
    with pytest.raises(NotFoundError) as caught:
        open_source(address, silence_s=silence_s)
    assert "secret" not in str(caught.value)
    return str(caught.value).partition(": ")[2]


class TestPicturesOverHttp:
    @pytest.mark.parametrize("path", ["stream", "bare", "moved"])
    def test_every_picture_comes_in_its_own_size(self, path: str) -> None:
        with http_camera() as (host, _):
            source = open_source(f"HTTP://{host}/{path}")
            assert (source.size, source.is_live, source.frame_count) == ((128, 128), True, None)
            frames = frames_of(source)
        assert [frame.image.shape[0] for frame in frames] == [SIZES[0]] * 10 + [SIZES[1]] * 10
        times = [frame.time_s for frame in frames]
        assert times == sorted(times)
        assert abs(times[-1] - time.monotonic()) < 60

    def test_pictures_that_are_cut_off_do_no_harm(self) -> None:
        with http_camera() as (host, _):
            frames = frames_of(open_source(f"http://{host}/broken"))
        assert [frame.number for frame in frames] == list(range(1, 17))

    def test_a_camera_that_sends_one_picture_a_request_is_asked_again(self) -> None:
        with http_camera("digest") as (host, requests):
            source = open_source(f"http://{LOGIN}{host}/snapshot", frame_rate=200.0)
            frames = frames_of(source, 5)
        assert len(frames) == 5
        assert [path for path, _ in requests] == ["/snapshot"] * 10  # each is asked for without and with a login

    @pytest.mark.parametrize("login", ["basic", "digest"])
    @pytest.mark.parametrize("path", ["stream", "moved"])
    def test_user_and_password_are_given_once_they_are_asked_for(self, login: str, path: str) -> None:
        with http_camera(login) as (host, requests):
            assert len(frames_of(open_source(f"http://{LOGIN}{host}/{path}"))) == 20
        assert requests[0][1] == ""
        assert requests[-1][1].lower().startswith(login)

    def test_a_wrong_password_is_tried_once_and_never_shown(self) -> None:
        with http_camera("digest") as (host, requests):
            assert refusal(f"http://me:secret@{host}/stream") == "refuses this user and password (401)"
            assert len(requests) == 2
            assert refusal(f"http://{host}/stream") == "asks for user and password; give credentials (401)"

    def test_a_camera_that_sends_a_byte_now_and_then_is_silent(self) -> None:
        with http_camera() as (host, requests):
            assert refusal(f"http://{host}/drip", silence_s=0.5) == "answers, but sends no picture"
            assert len(requests) < 60

    def test_a_picture_that_says_it_is_huge_is_not_decoded(self) -> None:
        with http_camera() as (host, _), pytest.raises(DataError, match="30000x30000") as caught:
            open_source(f"http://me:secret@{host}/huge")
        assert "secret" not in str(caught.value)

    def test_nothing_to_see(self) -> None:
        with http_camera() as (host, _):
            assert "has no stream of this name (404)" in refusal(f"http://{host}/nothing")
            assert "answers, but with text/html, in which FFmpeg finds no video" in refusal(f"http://{host}/page")
            assert refusal(f"http://{host}/empty") == "answers, but sends no picture"


class TestReasons:
    @pytest.mark.parametrize("scheme", ["rtsp", "http", "rtmp"])
    def test_a_port_at_which_nothing_listens(self, scheme: str) -> None:
        assert "127.0.0.1 refuses the connection" in refusal(f"{scheme}://me:secret@127.0.0.1:{free_port()}/x")

    @pytest.mark.parametrize("scheme", ["rtsp", "http"])
    def test_a_name_that_nobody_knows(self, scheme: str) -> None:
        assert "the name camera.invalid is not known here" in refusal(f"{scheme}://me:secret@camera.invalid/x")

    @pytest.mark.parametrize("scheme", ["rtsp", "http"])
    def test_a_camera_that_accepts_and_stays_silent_is_given_up_in_time(self, silent_port: int, scheme: str) -> None:
        started_s = time.monotonic()
        address = f"{scheme}://me:secret@127.0.0.1:{silent_port}/x"
        assert "127.0.0.1 does not answer within 1 s" in refusal(address, silence_s=1.0)
        assert time.monotonic() - started_s < 10

    @pytest.mark.parametrize("address", ["rtsp://me:se/cret@127.0.0.1/x", "http://se/cret@127.0.0.1/x"])
    def test_a_password_that_is_not_encoded_is_not_taken_for_a_host(self, address: str) -> None:
        with pytest.raises(NotFoundError, match="as %2F") as caught:
            open_source(address, silence_s=2)
        assert "cret" not in str(caught.value)
        assert "se" not in str(caught.value).split()

    def test_udp_from_which_nothing_comes(self) -> None:
        port = free_port()
        assert f"no video arrives at port {port} within 1 s" in refusal(f"udp://127.0.0.1:{port}", silence_s=1.0)

    @pytest.mark.parametrize(
        ("describe", "setup", "sentence"),
        [
            ("401 Unauthorized", "", "refuses this user and password (401)"),
            ("403 Forbidden", "", "does not allow this user to see it (403)"),
            ("404 Not Found", "", "has no stream of this name (404)"),
            ("503 Service Unavailable", "", "fails itself (503 Service Unavailable)"),
            ("200 OK", "461 Unsupported Transport", "offers neither TCP nor UDP as transport (461)"),
            ("200 OK", "200 OK", "answers, but sends no picture that FFmpeg can decode"),
        ],
    )
    def test_what_an_rtsp_server_says(self, describe: str, setup: str, sentence: str) -> None:
        with rtsp_server(describe, setup) as port:
            assert sentence in refusal(f"rtsp://me:secret@127.0.0.1:{port}/x")

    def test_something_else_than_rtsp(self) -> None:
        with http_camera() as (host, _):
            assert "breaks off the connection" in refusal(f"rtsp://{host}/x")


@needs_ffmpeg
def test_a_stream_over_udp_is_live(tiny_video: Path) -> None:
    port = free_port()
    send = [FFMPEG, "-v", "error", "-re", "-stream_loop", "-1", "-i", str(tiny_video), "-g", "5", "-f", "mpegts"]
    sender = subprocess.Popen([*map(str, send), f"udp://127.0.0.1:{port}"])
    try:
        source = open_source(f"udp://127.0.0.1:{port}", silence_s=20)
        frames = frames_of(source, 10)
    finally:
        sender.kill()
        sender.wait()
    assert (source.is_live, source.size) == (True, (128, 128))
    assert [frame.number for frame in frames] == list(range(1, 11))


def test_csi_needs_gstreamer() -> None:
    with pytest.raises(NotFoundError, match="number of a sensor"):
        open_source("csi://left")
    import cv2

    if any("GStreamer" in line and "YES" in line for line in cv2.getBuildInformation().splitlines()):
        pytest.skip("this OpenCV has GStreamer")
    with pytest.raises(UnavailableError, match="without GStreamer"):
        open_source("CSI://0")


def test_an_unplugged_camera_is_said_to_be_gone_and_which_there_are() -> None:
    with pytest.raises(NotFoundError, match=r"/dev/video99: expected a camera, found no such device: there (is|are) "):
        open_source("99")


def test_a_device_that_is_no_camera() -> None:
    with pytest.raises(NotFoundError, match="/dev/null: gives no pictures; is it a camera"):
        open_source("/dev/null")


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that accepts connections and never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


class rtsp_server:
    """A server of RTSP that answers DESCRIBE and SETUP with these statuses and never sends a picture; its port."""

    def __init__(self, describe: str, setup: str) -> None:
        self.statuses = {"OPTIONS": "200 OK", "DESCRIBE": describe, "SETUP": setup, "PLAY": "455 Not Now"}

    def __enter__(self) -> int:
        self.socket = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._run, daemon=True).start()
        port: int = self.socket.getsockname()[1]
        return port

    def __exit__(self, *ignored: object) -> None:
        self.socket.close()

    def _run(self) -> None:
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client, client.makefile("rwb") as stream:
            while first := stream.readline().decode():
                lines = [first, *iter(lambda: stream.readline().decode().strip(), "")]
                count = next(line.split()[1] for line in lines if line.startswith("CSeq"))
                status = self.statuses.get(first.split()[0], "501 Not Implemented")
                body = DESCRIPTION if first.startswith("DESCRIBE") and status.startswith("200") else ""
                head = f"RTSP/1.0 {status}\r\nCSeq: {count}\r\nContent-Length: {len(body)}\r\n"
                if status.startswith("401"):
                    head += 'WWW-Authenticate: Digest realm="r", nonce="n"\r\n'
                if first.startswith("SETUP") and status.startswith("200"):
                    head += "Session: 1\r\nTransport: RTP/AVP/TCP;interleaved=0-1\r\n"
                stream.write(f"{head}\r\n{body}".encode())
                stream.flush()
