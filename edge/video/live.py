"""Cameras: network streams, V4L2 and CSI devices as they come, and recordings played like one.

`rtsp://` `rtsps://` `http://` `https://` go to FFmpeg, `/dev/video0` or `0` to V4L2, `csi://0` to the Jetson's camera
service through GStreamer; everything else is what `edge.video.source.open_source` takes.
"""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np

from edge.console.outgoing import redacted
from edge.errors import NotFoundError, UnavailableError
from edge.settings import credentials
from edge.settings.config import Camera
from edge.types import Image
from edge.video.opencv import cv2
from edge.video.source import Source, open_source

NETWORK = ("rtsp://", "rtsps://", "http://", "https://")
_CSI = "csi://"
# TCP, since lost UDP packets smear the picture; what FFmpeg knows to be damaged does not reach us.
_FFMPEG_OPTIONS = "rtsp_transport;tcp|fflags;discardcorrupt"
# OpenCV says the same of a picture that cannot be decoded and of a connection that is gone; the first passes.
_UNREADABLE_IN_A_ROW = 5
# A recording that fell this far behind its own pace goes on from now instead of hurrying after it.
_BEHIND_S = 1.0


class Stream(Protocol):
    """An open camera, used by one thread."""

    def read(self, spare: Image | None) -> tuple[Image, float] | None:
        """The next picture, in `spare` where that fits, and when it was taken; None where there is no more.

        Waits no longer than the camera's `stall_s`, where the device allows it.
        """

    def close(self) -> None:
        """Let go of the camera."""


def is_recording(source: str) -> bool:
    """Whether `source` is a file, a folder or the built-in scene: something that is there or never will be."""
    return not source.startswith((*NETWORK, _CSI, "/dev/")) and not source.isdecimal()


def open_stream(camera: Camera, clock: Callable[[], float] = time.monotonic) -> Stream:
    """The camera, connected. Raises NotFoundError where it does not answer, UnavailableError where nothing can read it.

    A recording raises as `open_source`.
    """
    text = camera.source
    if is_recording(text):
        return Recording(camera, clock)
    if text.startswith(_CSI):
        return Device(_csi_capture(text), camera, clock)
    if text.startswith(NETWORK):
        os.environ.setdefault("OPENCV_FFMPEG_CAPTURE_OPTIONS", _FFMPEG_OPTIONS)
        # A camera that is away is our news; OpenCV, when imported before our settings, would say it at every attempt.
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
        timeout_ms = round(camera.stall_s * 1000)
        address = credentials.address_with(text, camera.credentials)
        # The timeouts hold for FFmpeg only, and only when given here: without them an open may block for ever.
        limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, timeout_ms, cv2.CAP_PROP_READ_TIMEOUT_MSEC, timeout_ms]
        return Device(cv2.VideoCapture(address, cv2.CAP_FFMPEG, limits), camera, clock)
    device = f"/dev/video{text}" if text.isdecimal() else text
    if not Path(device).exists():
        raise NotFoundError(f"{device}: expected a camera, found no such device; is it plugged in?")
    return Device(cv2.VideoCapture(device, cv2.CAP_V4L2), camera, clock)


class Device:
    """A `Stream` out of OpenCV. Raises NotFoundError where it could not be opened."""

    def __init__(self, capture: "cv2.VideoCapture", camera: Camera, clock: Callable[[], float]):
        if not capture.isOpened():
            where = redacted(camera.source)
            raise NotFoundError(f"{where}: no camera answers there within {camera.stall_s:g} s")
        self._camera = camera
        self._capture = capture
        self._clock = clock

    def read(self, spare: Image | None) -> tuple[Image, float] | None:
        """See `Stream.read`."""
        asked_s = time.monotonic()
        for _ in range(_UNREADABLE_IN_A_ROW):
            read, image = self._capture.read(spare)
            if read:
                return image, self._clock()
            if time.monotonic() - asked_s > self._camera.stall_s / 2:
                break
        return None

    def close(self) -> None:
        """See `Stream.close`."""
        self._capture.release()


class Recording:
    """A recording as a `Stream`: once, with its own times, or `paced` like a camera when it is looped or endless."""

    def __init__(self, camera: Camera, clock: Callable[[], float], sleep: Callable[[float], object] | None = None):
        self._camera = camera
        self._clock = clock
        self._closed = threading.Event()
        self._sleep = sleep or self._closed.wait
        self._source: Source = open_source(camera.source, camera.frame_rate)
        self.paced = camera.loop or self._source.frame_count is None
        self.frame_rate = self._source.frame_rate
        self._due_s = clock()

    def read(self, spare: Image | None) -> tuple[Image, float] | None:
        """See `Stream.read`. Raises DataError where the recording is broken."""
        width, height = self._source.size
        if spare is None or spare.shape != (height, width, 3):
            spare = np.empty((height, width, 3), np.uint8)
        frame = self._source.read(spare)
        if frame is None and self._camera.loop:
            self._source.close()
            self._source = open_source(self._camera.source, self._camera.frame_rate)
            frame = self._source.read(spare)
        if frame is None:
            return None
        return frame.image, self._wait_until_due() if self.paced else frame.time_s

    def close(self) -> None:
        """See `Stream.close`."""
        self._closed.set()
        self._source.close()

    def _wait_until_due(self) -> float:
        self._due_s += 1 / self.frame_rate
        wait_s = self._due_s - self._clock()
        if wait_s > 0:
            self._sleep(wait_s)
        elif wait_s < -_BEHIND_S:
            self._due_s = self._clock()
        return self._clock()


def _csi_capture(text: str) -> "cv2.VideoCapture":
    """A Jetson's camera on GStreamer, converted by its own hardware. Raises UnavailableError or NotFoundError."""
    number = text.removeprefix(_CSI)
    if not number.isdecimal():
        raise NotFoundError(f"{text}: expected csi:// and the number of a sensor, such as csi://0")
    if not any("GStreamer" in line and "YES" in line for line in cv2.getBuildInformation().splitlines()):
        raise UnavailableError(
            f"{text}: this OpenCV was built without GStreamer; use the one of JetPack (the image of Dockerfile.jetson"
            " has it)"
        )
    pipeline = (
        f"nvarguscamerasrc sensor-id={number} ! video/x-raw(memory:NVMM) ! nvvidconv ! video/x-raw,format=BGRx !"
        " videoconvert ! video/x-raw,format=BGR ! appsink drop=true max-buffers=1 sync=false"
    )
    return cv2.VideoCapture(pipeline, cv2.CAP_GSTREAMER)
