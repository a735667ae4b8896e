"""Cameras at this board: V4L2 devices, and a Jetson's CSI sensors through GStreamer. Streams are read alike."""

import os
import time
from collections.abc import Callable
from pathlib import Path

from edge.errors import NotFoundError, UnavailableError
from edge.types import Frame, Image
from edge.video.address import kind_of
from edge.video.opencv import cv2
from edge.video.options import Options

_CSI = "csi://"
# OpenCV says the same of a picture that cannot be decoded and of a connection that is gone; the first passes.
_UNREADABLE_IN_A_ROW = 5
_USUAL_RATE = 30.0
_RATES = (1.0, 240.0)  # what a camera may truly say of itself; FFmpeg also tells ticks of a clock


class Camera:
    """A live source out of an open OpenCV capture. See `Source`."""

    is_live = True
    frame_count = None

    def __init__(
        self,
        capture: "cv2.VideoCapture",
        frame_rate: float | None,
        silence_s: float,
        clock: Callable[[], float],
    ):
        self._capture = capture
        self._silence_s, self._clock = silence_s, clock
        rate = capture.get(cv2.CAP_PROP_FPS)
        self.frame_rate = frame_rate or (rate if _RATES[0] <= rate <= _RATES[1] else _USUAL_RATE)
        self.size = int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
        self._number = 0

    def read(self, buffer: Image | None) -> Frame | None:
        """See `Source.read`."""
        asked_s = time.monotonic()
        for _ in range(_UNREADABLE_IN_A_ROW):
            read, image = self._capture.read(buffer)
            if read:
                self._number += 1
                return Frame(image, self._number, self._clock())
            if time.monotonic() - asked_s > self._silence_s / 2:
                break
        return None

    def close(self) -> None:
        """See `Source.close`."""
        self._capture.release()


def open_camera(
    address: str, frame_rate: float | None, silence_s: float, clock: Callable[[], float], options: Options
) -> Camera:
    """The camera at `/dev/videoN`, `N` or `csi://N`.

    A V4L2 device is asked for `frame_rate` and the mode of `options`. Raises NotFoundError, or UnavailableError
    without GStreamer or for a mode that the device does not have.
    """
    if kind_of(address) == "csi":
        capture = _csi_capture(address)
        if not capture.isOpened():
            raise NotFoundError(f"{address}: the camera service gives no pictures; is the sensor connected?")
        return Camera(capture, frame_rate, silence_s, clock)
    device = device_of(address)
    check_device(device)
    capture = cv2.VideoCapture(device, cv2.CAP_V4L2)
    if not capture.isOpened():
        raise NotFoundError(
            f"{device}: gives no pictures; is it a camera, and does no other program use it? (a camera may have several"
            " devices, of which the first has the pictures)"
        )
    try:
        _set_mode(capture, device, frame_rate, options)
    except UnavailableError:
        capture.release()
        raise
    return Camera(capture, frame_rate, silence_s, clock)


def _set_mode(capture: "cv2.VideoCapture", device: str, frame_rate: float | None, options: Options) -> None:
    """Format before size before rate: the driver offers the later ones for the earlier ones."""
    remedy = f"choose one that v4l2-ctl --device {device} --list-formats-ext lists"
    if options.pixel_format is not None:
        wanted = cv2.VideoWriter.fourcc(*options.pixel_format)
        capture.set(cv2.CAP_PROP_FOURCC, wanted)
        code = int(capture.get(cv2.CAP_PROP_FOURCC))
        if code != wanted:
            found = code.to_bytes(4, "little", signed=False).decode("ascii", "replace")
            raise UnavailableError(f"{device}: pixel_format {options.pixel_format}: it gives {found}; {remedy}")
    if options.size is not None:
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, options.size[0])
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, options.size[1])
        found_size = int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
        if found_size != options.size:
            asked, given = (f"{width}x{height}" for width, height in (options.size, found_size))
            raise UnavailableError(f"{device}: size {asked}: it gives {given}; {remedy}")
    if frame_rate is not None:
        capture.set(cv2.CAP_PROP_FPS, frame_rate)


def device_of(address: str) -> str:
    """The device file of `0` or `/dev/video0`."""
    return f"/dev/video{address}" if address.isdecimal() else address


def check_device(device: str) -> None:
    """Raise NotFoundError where there is no such device, or this user may not use it."""
    path = Path(device)
    if not path.exists():
        others = sorted(map(str, Path("/dev").glob("video*")))
        found = f"there are {', '.join(others)}" if others else "there is none at all"
        raise NotFoundError(f"{device}: expected a camera, found no such device: {found}; is it plugged in?")
    if not path.is_char_device():
        raise NotFoundError(f"{device}: expected a camera, found no device; name the file by another path")
    if not os.access(device, os.R_OK | os.W_OK):
        raise NotFoundError(f"{device}: no permission; the user needs the group video")


def _csi_capture(address: str) -> "cv2.VideoCapture":
    """A Jetson's camera on GStreamer, converted by its own hardware. Raises UnavailableError or NotFoundError."""
    number = address.removeprefix(_CSI)
    if not number.isdecimal():
        raise NotFoundError(f"{address}: expected csi:// and the number of a sensor, such as csi://0")
    if not any("GStreamer" in line and "YES" in line for line in cv2.getBuildInformation().splitlines()):
        raise UnavailableError(
            f"{address}: this OpenCV was built without GStreamer; use the one of JetPack (the image of"
            " Dockerfile.jetson has it)"
        )
    pipeline = (
        f"nvarguscamerasrc sensor-id={number} ! video/x-raw(memory:NVMM) ! nvvidconv ! video/x-raw,format=BGRx !"
        " videoconvert ! video/x-raw,format=BGR ! appsink drop=true max-buffers=1 sync=false"
    )
    return cv2.VideoCapture(pipeline, cv2.CAP_GSTREAMER)
