"""What is asked of a source beside its address: with real servers, and a device that says what it was set to."""

import threading
import time
from collections.abc import Iterator
from typing import Literal

import numpy as np
import pytest

from edge.errors import NotFoundError, UnavailableError, UsageError
from edge.settings.config import CameraConfig
from edge.video import camera as camera_module
from edge.video.capture import LOGIN_PAUSE_S, Capture
from edge.video.open import open_source
from edge.video.opencv import cv2
from edge.video.options import Options
from tests.field import PATIENCE_S, RtspCamera, has_gstreamer, wait_for
from tests.video.http_camera import http_camera


@pytest.fixture(params=["tcp", "udp"])
def offering_one(request: pytest.FixtureRequest) -> Iterator[tuple[RtspCamera, str]]:
    """A camera that has only one transport, and which."""
    if not has_gstreamer():
        pytest.skip("GStreamer's RTSP server and its Python bindings are not installed")
    camera = RtspCamera(transport=request.param)
    camera.start("128x128")
    yield camera, request.param
    camera.kill()


def test_an_rtsp_stream_travels_as_asked(offering_one: tuple[RtspCamera, str]) -> None:
    camera, has = offering_one
    lacks = "udp" if has == "tcp" else "tcp"
    for options in (Options(), Options(rtsp_transport=has)):  # type: ignore[arg-type]
        source = open_source(camera.address, silence_s=PATIENCE_S, options=options)
        frame = source.read(None)
        source.close()
        assert frame is not None
        assert frame.image.shape == (128, 128, 3)
    # This server answers 461, or 503 where another client is connected in the way that it has.
    with pytest.raises(NotFoundError, match=r"461|503|sends no picture") as caught:
        open_source(camera.address, silence_s=5.0, options=Options(rtsp_transport=lacks))  # type: ignore[arg-type]
    assert f"{camera.address}: " in str(caught.value)


def test_a_snapshot_is_asked_for_at_the_rate_that_was_set() -> None:
    with http_camera() as (host, requests):
        source = open_source(f"http://{host}/snapshot", options=Options(every_s=0.4))
        began_s = time.monotonic()
        pictures = [source.read(None) for _ in range(4)]
        took_s = time.monotonic() - began_s
        source.close()
    assert source.frame_rate == 2.5
    assert None not in pictures
    assert len(requests) == 4
    assert took_s >= 3 * 0.4 - 0.1  # the first one came when it was opened
    assert pictures[3].time_s > pictures[0].time_s  # type: ignore[union-attr]


@pytest.mark.parametrize("by", [2, 4, 8])
def test_jpegs_are_decoded_smaller(by: Literal[2, 4, 8]) -> None:
    with http_camera() as (host, _):
        whole, small = (open_source(f"http://{host}/stream", options=Options(reduce=reduce)) for reduce in (None, by))
        one, other = (source.read(None) for source in (whole, small))
        whole.close()
        small.close()
    assert small.size == (128 // by, 128 // by)
    assert one is not None
    assert other is not None
    assert other.image.shape == (128 // by, 128 // by, 3)
    means = one.image.reshape(128 // by, by, 128 // by, by, 3).mean((1, 3))
    assert np.abs(means - other.image).mean() < 6.0  # grey levels of 256: the same picture, filtered in another way


def test_what_cannot_be_decoded_smaller_is_said() -> None:
    with http_camera() as (host, _), pytest.raises(NotFoundError, match=r"answers with text/html.*leave reduce out"):
        open_source(f"http://{host}/page", options=Options(reduce=2))


@pytest.mark.parametrize(("decoder", "works"), [("h264", True), ("mpeg4", False), ("none_of_this_name", False)])
def test_a_decoder_that_does_not_work_is_said_and_replaced(
    decoder: str, works: bool, caplog: pytest.LogCaptureFixture
) -> None:
    if not has_gstreamer():
        pytest.skip("GStreamer's RTSP server and its Python bindings are not installed")
    camera = RtspCamera()
    camera.start("128x128")
    try:
        source = open_source(camera.address, silence_s=PATIENCE_S, options=Options(decoder=decoder))
        frame = source.read(None)
        source.close()
    finally:
        camera.kill()
    assert frame is not None
    assert frame.image.shape == (128, 128, 3)
    said = [record.message for record in caplog.records if record.name == "edge.video.network"]
    assert said == ([] if works else [f"{camera.address}: FFmpeg's decoder {decoder} does not work here, or is for"
                                      " other streams; its own choice decodes"])  # fmt: skip


@pytest.mark.parametrize(("path", "says"), [("stream", "sends a stream"), ("page", "answers with text/html")])
def test_what_is_no_snapshot_is_said(path: str, says: str) -> None:
    with http_camera() as (host, _), pytest.raises(NotFoundError, match=f"{says}.*every_s"):
        open_source(f"http://{host}/{path}", options=Options(every_s=1.0))


@pytest.mark.parametrize(
    ("address", "options"),
    [
        ("http://127.0.0.1/x", Options(rtsp_transport="udp")),
        ("rtsp://127.0.0.1/x", Options(every_s=1.0)),
        ("street.mp4", Options(every_s=1.0)),
        ("demo://", Options(size=(640, 480))),
        ("csi://0", Options(pixel_format="MJPG")),
        ("rtsp://127.0.0.1/x", Options(reduce=2)),
        ("http://127.0.0.1/x", Options(decoder="h264_v4l2m2m")),
        ("/dev/video0", Options(decoder="h264_v4l2m2m")),
    ],
)
def test_an_option_of_another_kind_of_source_is_refused(address: str, options: Options) -> None:
    with pytest.raises(UsageError, match=r"\w+: expected with "):
        open_source(address, options=options)


class Device:
    """A V4L2 device with the modes of a usual webcam, as OpenCV shows it: none can be plugged in here."""

    def __init__(self) -> None:
        self.modes = {"MJPG": {(1280, 720), (640, 480)}, "YUYV": {(640, 480)}}
        self.values: dict[int, float] = {cv2.CAP_PROP_FPS: 15.0}
        self.pixel_format, self.size, self.wanted = "YUYV", (640, 480), (640, 480)
        self.released = False

    def set(self, what: int, value: float) -> bool:
        if what == cv2.CAP_PROP_FOURCC:
            name = int(value).to_bytes(4, "little").decode()
            self.pixel_format = name if name in self.modes else self.pixel_format
        elif what == cv2.CAP_PROP_FRAME_WIDTH:
            self.wanted = int(value), self.wanted[1]
        elif what == cv2.CAP_PROP_FRAME_HEIGHT:
            self.wanted = self.wanted[0], int(value)
            self.size = self.wanted if self.wanted in self.modes[self.pixel_format] else (640, 480)
        else:
            self.values[what] = value
        return True

    def get(self, what: int) -> float:
        sizes = {cv2.CAP_PROP_FRAME_WIDTH: self.size[0], cv2.CAP_PROP_FRAME_HEIGHT: self.size[1]}
        if what == cv2.CAP_PROP_FOURCC:
            return float(cv2.VideoWriter.fourcc(*self.pixel_format))
        return float(sizes.get(what, self.values.get(what, 0.0)))

    def isOpened(self) -> bool:
        return True

    def read(self, buffer: object) -> tuple[bool, np.ndarray]:
        return True, np.zeros((self.size[1], self.size[0], 3), np.uint8)

    def release(self) -> None:
        self.released = True


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Device:
    made = Device()
    monkeypatch.setattr(camera_module, "check_device", lambda device: None)
    monkeypatch.setattr(cv2, "VideoCapture", lambda *ignored: made)
    return made


def test_a_device_is_set_to_the_mode_that_was_asked_for(device: Device) -> None:
    options = Options(size=(1280, 720), pixel_format="MJPG")
    source = open_source("/dev/video0", 30.0, options=options)
    assert (device.pixel_format, source.size, device.values[cv2.CAP_PROP_FPS]) == ("MJPG", (1280, 720), 30.0)
    assert source.frame_rate == 30.0


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (Options(size=(1280, 720)), "size 1280x720: it gives 640x480"),
        (Options(pixel_format="H264"), "pixel_format H264: it gives YUYV"),
    ],
)
def test_a_mode_that_a_device_does_not_have_is_said(device: Device, options: Options, says: str) -> None:
    with pytest.raises(UnavailableError, match=f"{says}; choose one that v4l2-ctl"):
        open_source("0", options=options)
    assert device.released


class CountedPauses(threading.Event):
    """An event that ends what waits for it a second time, and remembers how long the waits would have been."""

    def __init__(self) -> None:
        super().__init__()
        self.pauses_s: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.pauses_s.append(timeout)
        if len(self.pauses_s) == 2:
            self.set()
        return self.is_set()


def test_a_refused_login_is_tried_rarely_and_told_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    secret = tmp_path_factory.mktemp("secret") / "camera"
    secret.write_text("me:wrong")
    secret.chmod(0o600)
    with http_camera("digest") as (host, requests):
        capture = Capture(CameraConfig("door", f"http://{host}/snapshot", credentials=str(secret)), threading.Event())
        capture._stop = pauses = CountedPauses()
        capture.start()
        assert capture.join(PATIENCE_S)
    assert pauses.pauses_s == [LOGIN_PAUSE_S, LOGIN_PAUSE_S]
    assert len(requests) == 4  # twice: without a login, which is how the camera says what it wants, and with it
    assert "refuses this user and password (401); it is asked again every 5 minutes" in capture.trouble
    assert "wrong" not in capture.trouble


def test_another_trouble_is_tried_soon_again() -> None:
    with http_camera() as (host, _):
        capture = Capture(CameraConfig("door", f"http://{host}/none"), threading.Event())
        capture._stop = pauses = CountedPauses()
        capture.start()
        wait_for(lambda: capture.finished, "it does not end")
    assert all(pause_s is not None and pause_s <= 2.0 for pause_s in pauses.pauses_s)
