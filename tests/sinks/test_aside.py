"""The video is drawn and encoded in a thread of its own: nothing is lost, errors arrive, browsers play it."""

import http.server
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.parse
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from edge.errors import OutputError
from edge.events import Event, Observed
from edge.sinks import encoder
from edge.sinks.aside import CAPACITY, Aside
from edge.sinks.output import Output
from edge.sinks.video import AnnotatedVideo
from edge.spans import Span
from edge.types import Frame
from tests.sinks.tracks import frame, observed, tracks

needs_ffmpeg = pytest.mark.skipif(not encoder.has_h264(), reason="no ffmpeg with an H.264 encoder here")


class Recorded:
    """Keeps the mean of every picture; waits for `gate` before each write."""

    def __init__(self, gate: threading.Event | None = None, fails_at: int = -1) -> None:
        self.means: list[float] = []
        self.closed = 0
        self._gate, self._fails_at = gate, fails_at

    def start(self) -> None:
        pass

    def write(self, events: Sequence[Event]) -> None:
        if self._gate is not None:
            assert self._gate.wait(60)
        if len(self.means) == self._fails_at:
            raise OutputError("the disk is full")
        self.means += [float(e.image.mean()) for e in events if isinstance(e, Observed) and e.image is not None]

    def close(self) -> None:
        self.closed += 1


def write_many(output: Output, first: int, shape: tuple[int, int] = (96, 128)) -> None:
    """More pictures than any queue or pipe holds."""
    for number in range(first, first + 100 * CAPACITY):
        output.write([observed(Frame(np.zeros((*shape, 3), np.uint8), number, number / 10), tracks(1))])


def test_every_picture_arrives_as_it_was_when_it_was_given() -> None:
    output, picture = Recorded(), np.zeros((96, 128, 3), np.uint8)
    aside = Aside(output, span := Span())
    aside.start()
    for number in range(1, 101):
        picture[:] = number  # the same buffer, filled anew
        aside.write([observed(Frame(picture, number, number / 10), tracks(number))])
    aside.close()
    aside.close()
    assert output.means == list(range(1, 101))
    assert (span.count, output.closed) == (100, 2)


def test_a_slow_output_makes_the_writer_wait_and_not_lose() -> None:
    gate = threading.Event()
    output = Recorded(gate)
    aside = Aside(output, Span())
    aside.start()
    done: list[int] = []

    def write() -> None:
        for number in range(1, 3 * CAPACITY + 1):
            aside.write([observed(frame(number), tracks())])
            done.append(number)

    writer = threading.Thread(target=write)
    writer.start()
    deadline_s = time.monotonic() + 60
    while len(done) < CAPACITY and time.monotonic() < deadline_s:
        time.sleep(0.01)
    writer.join(0.2)
    assert (len(done), writer.is_alive()) == (CAPACITY, True)
    gate.set()
    writer.join(60)
    aside.close()
    assert len(output.means) == 3 * CAPACITY


def test_an_error_is_raised_by_the_next_write_and_only_once() -> None:
    output = Recorded(fails_at=2)
    aside = Aside(output, Span())
    aside.start()
    with pytest.raises(OutputError, match="the disk is full"):
        write_many(aside, 1)
    aside.close()
    assert (len(output.means), output.closed) == (2, 1)


def test_a_bug_of_the_output_does_not_hang_the_writer() -> None:
    output = Recorded()
    output.means = None  # type: ignore[assignment]
    aside = Aside(output, Span())
    aside.start()
    with pytest.raises(TypeError):
        write_many(aside, 1)
    aside.close()


def test_an_error_in_the_last_pictures_is_raised_by_close() -> None:
    output = Recorded(fails_at=0)
    aside = Aside(output, Span())
    aside.start()
    aside.write([observed(frame(1), tracks())])
    with pytest.raises(OutputError, match="the disk is full"):
        aside.close()


def test_what_must_be_drawn_at_once_is_drawn_before_the_queue() -> None:
    output = Recorded()
    aside = Aside(output, Span(), lambda picture, _: picture.fill(7))
    aside.start()
    first = frame(1)
    aside.write([observed(first, tracks())])
    aside.close()
    assert output.means == [7.0]
    assert not first.image.any()


def test_a_full_disk_is_reported_and_the_video_so_far_plays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    video = AnnotatedVideo(tmp_path / "o.mp4", (128, 96), 10.0, ())
    aside = Aside(video, span := Span(), require_room=video.require_room)
    aside.start()
    for number in range(1, 6):
        aside.write([observed(frame(number), tracks(1))])
    deadline_s = time.monotonic() + 60
    while span.count < 5 and time.monotonic() < deadline_s:
        time.sleep(0.01)
    monkeypatch.setattr(os, "statvfs", lambda path: SimpleNamespace(f_bavail=50, f_frsize=4096))
    with pytest.raises(OutputError, match=r"disk almost full, .* the 5 frames so far are kept"):
        write_many(aside, 6)
    aside.close()
    assert int(cv2.VideoCapture(str(tmp_path / "o.mp4")).get(cv2.CAP_PROP_FRAME_COUNT)) == 5


def write_video(path: Path, size: tuple[int, int] = (128, 96), frames: int = 20) -> None:
    sink = AnnotatedVideo(path, size, 10.0, ())
    for number in range(1, frames + 1):
        picture = np.full((size[1], size[0], 3), 10 * number % 256, np.uint8)
        sink.write([observed(Frame(picture, number, number / 10), tracks(1))])
    sink.close()


def probed(path: Path) -> dict[str, str]:
    command = ["ffprobe", "-v", "error", "-of", "json", "-select_streams", "v", "-count_frames", "-show_streams"]
    done = subprocess.run([*command, str(path)], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)["streams"][0]


@needs_ffmpeg
@pytest.mark.parametrize("name", ["o.mp4", "o.mkv", "o.mov"])
@pytest.mark.parametrize("size", [(128, 96), (127, 95)])
def test_it_is_h264_that_browsers_play(tmp_path: Path, name: str, size: tuple[int, int]) -> None:
    write_video(tmp_path / name, size)
    found = probed(tmp_path / name)
    assert (found["codec_name"], found["pix_fmt"], found["nb_read_frames"]) == ("h264", "yuv420p", "20")
    assert (found["width"], found["height"]) == (128, 96)


def test_without_ffmpeg_it_is_mpeg4_and_the_log_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    encoder.has_h264.cache_clear()
    try:
        write_video(tmp_path / "o.mp4")
    finally:
        encoder.has_h264.cache_clear()
    assert "MPEG-4, which browsers do not play; apt install ffmpeg" in caplog.text
    capture = cv2.VideoCapture(str(tmp_path / "o.mp4"))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == 20


@needs_ffmpeg
def test_an_encoder_that_dies_is_an_error_with_its_last_words(tmp_path: Path) -> None:
    sink = AnnotatedVideo(tmp_path / "o.mp4", (640, 480), 10.0, ())
    sink._encoder._process.send_signal(signal.SIGKILL)  # type: ignore[attr-defined]
    with pytest.raises(OutputError, match="ffmpeg ended while writing"):
        write_many(sink, 1, (480, 640))
    with pytest.raises(OutputError, match=r"ffmpeg ended while writing|expected .* frames, found 0"):
        sink.close()


@needs_ffmpeg
def test_a_killed_tracker_leaves_a_video_that_plays(tmp_path: Path) -> None:
    program = f"""
import sys
from pathlib import Path
from tests.sinks.test_aside import observed, Frame, tracks, AnnotatedVideo, np
sink = AnnotatedVideo(Path({str(tmp_path / "o.mp4")!r}), (128, 96), 10.0, ())
for number in range(1, 41):
    sink.write([observed(Frame(np.full((96, 128, 3), number, np.uint8), number, number / 10), tracks(1))])
print("written", flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"written\n"
        process.kill()
    deadline_s = time.monotonic() + 60
    while time.monotonic() < deadline_s:
        capture = cv2.VideoCapture(str(tmp_path / "o.mp4"))
        if (count := int(capture.get(cv2.CAP_PROP_FRAME_COUNT))) > 0:
            break
        time.sleep(0.1)
    assert count >= 30  # what the pipe still held


_PAGE = b"""<video id=v src=o.mp4 muted></video><script>
const say = text => fetch("/said?" + encodeURIComponent(text));
v.onerror = () => say("error " + v.error.code);
v.onended = () => say("ended " + v.videoWidth + "x" + v.videoHeight + " at " + v.currentTime.toFixed(1));
v.play().catch(error => say("refused " + error));
</script>"""


@needs_ffmpeg
@pytest.mark.slow
def test_chromium_plays_it_to_the_end(tmp_path: Path) -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium here")
    write_video(tmp_path / "o.mp4")
    said: queue.Queue[str] = queue.Queue()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name, _, text = self.path.partition("?")
            if name == "/said":
                said.put(urllib.parse.unquote(text))
            body = (tmp_path / "o.mp4").read_bytes() if name == "/o.mp4" else _PAGE
            self.send_response(200)
            self.send_header("Content-Type", "video/mp4" if name == "/o.mp4" else "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        flags = ("--headless", "--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required")
        command = [
            chromium,
            *flags,
            f"--user-data-dir={tmp_path / 'profile'}",
            f"http://127.0.0.1:{server.server_port}/",
        ]
        command.append("--remote-debugging-port=0")  # else a headless browser ends when the page is loaded
        browser = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            assert said.get(timeout=120) == "ended 128x96 at 2.0"
        finally:
            browser.kill()
            browser.wait()
            server.shutdown()
            thread.join()
