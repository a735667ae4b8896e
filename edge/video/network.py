"""Streams from the network: what FFmpeg inside OpenCV reads, and JPEGs over HTTP."""

import logging
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable
from urllib.parse import SplitResult, urlsplit

from edge.console.outgoing import redacted
from edge.errors import DataError, NotFoundError
from edge.settings import credentials as secrets
from edge.video.address import scheme_of
from edge.video.camera import Camera
from edge.video.http import HttpPictures, requester, sends_pictures, unchecked_tls
from edge.video.opencv import cv2
from edge.video.options import Options, Transport
from edge.video.reasons import of_os_error
from edge.video.rtsp import objection
from edge.video.source import Source

logger = logging.getLogger(__name__)

_PORTS = {"rtsp": 554, "rtsps": 322, "rtmp": 1935, "rtmps": 443, "tcp": 0}

# How OpenCV takes options for FFmpeg: one variable of the whole process, read at every open. It opens one source at a
# time anyway. TCP comes first, since lost UDP packets smear the picture; what FFmpeg knows to be damaged is left out.
_OPTIONS = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
_FFMPEG_OPTIONS = "fflags;discardcorrupt"
_one_at_a_time = threading.Lock()


def open_network(
    address: str,
    frame_rate: float | None,
    credentials: str | None,
    silence_s: float,
    clock: Callable[[], float],
    options: Options,
) -> Source:
    """The stream at `address`, connected. Raises NotFoundError or DataError with the reason, no password in it."""
    full = secrets.address_with(address, credentials)
    try:
        _check_login(full)
        if scheme_of(address) in ("http", "https"):
            return _open_http(full, frame_rate, silence_s, clock, options)
        return _open_ffmpeg(full, frame_rate, silence_s, clock, options)
    except (DataError, NotFoundError) as error:
        raise type(error)(f"{redacted(address)}: {redacted(str(error))}") from None


def _open_http(
    full: str, frame_rate: float | None, silence_s: float, clock: Callable[[], float], options: Options
) -> Source:
    ask = requester(full, silence_s)
    response = ask()
    if sends_pictures(response):
        return HttpPictures(ask, response, frame_rate, silence_s, clock, options.every_s, options.reduce)
    kind = response.headers.get_content_type()
    response.close()
    if options.every_s is not None:
        raise NotFoundError(f"answers with {kind}, where every_s expects one JPEG a request")
    if options.reduce is not None:
        raise NotFoundError(f"answers with {kind}, where reduce expects JPEGs; leave reduce out")
    found = _capture(full, silence_s)
    if not found.isOpened():
        raise NotFoundError(f"answers, but with {kind}, in which FFmpeg finds no video")
    return Camera(found, frame_rate, silence_s, clock)


def _open_ffmpeg(
    full: str, frame_rate: float | None, silence_s: float, clock: Callable[[], float], options: Options
) -> Source:
    parts = urlsplit(full)
    if parts.scheme in _PORTS:
        _knock(parts, silence_s)
    transport = options.rtsp_transport
    found = _capture(full, silence_s, transport, options.decoder)
    if not found.isOpened() and options.decoder is not None:
        found = _capture(full, silence_s, transport)
        if found.isOpened():
            logger.warning(
                "%s: FFmpeg's decoder %s does not work here, or is for other streams; its own choice decodes",
                redacted(full),
                options.decoder,
            )
    if not found.isOpened():
        raise _reason(full, silence_s, transport)
    return Camera(found, frame_rate, silence_s, clock)


def _knock(parts: SplitResult, silence_s: float) -> None:
    """Raise NotFoundError where nothing listens. OpenCV opens one source at a time: none is to wait for a dead one."""
    try:
        _connect(parts, silence_s).close()
    except OSError as error:
        raise NotFoundError(of_os_error(error, parts.hostname or "", silence_s)) from error
    except ValueError as error:
        raise NotFoundError("expected a number from 1 to 65535 as port, found something else") from error


def _check_login(full: str) -> None:
    """Raise NotFoundError where the name of the host would be part of a password that is not encoded."""
    parts = urlsplit(full)
    if "@" in parts.netloc or "@" not in parts.path + parts.query:
        return
    try:
        socket.getaddrinfo(parts.hostname, parts.port)
    except (OSError, ValueError):
        raise NotFoundError(
            "expected / ? and # in user and password as %2F %3F and %23; or put them into a credentials file"
        ) from None


def _connect(parts: SplitResult, silence_s: float) -> socket.socket:
    return socket.create_connection((parts.hostname or "", parts.port or _PORTS[parts.scheme]), silence_s)


def _capture(
    full: str, silence_s: float, transport: Transport | None = None, decoder: str | None = None
) -> "cv2.VideoCapture":
    # A camera that is away is our news; OpenCV, when imported before our settings, would say it at every attempt.
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
    timeout_ms = round(silence_s * 1000)
    # The timeouts hold for FFmpeg only, and only when given here: without them an open may block for ever.
    limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, timeout_ms, cv2.CAP_PROP_READ_TIMEOUT_MSEC, timeout_ms]
    with _one_at_a_time:
        before = os.environ.get(_OPTIONS)
        if before is None or transport is not None or decoder is not None:  # else they are the user's own
            travel = "rtsp_flags;prefer_tcp" if transport is None else f"rtsp_transport;{transport}"
            chosen = "" if decoder is None else f"|video_codec;{decoder}"
            os.environ[_OPTIONS] = f"{travel}|{_FFMPEG_OPTIONS}{chosen}"
        try:
            return cv2.VideoCapture(full, cv2.CAP_FFMPEG, limits)
        finally:
            os.environ.pop(_OPTIONS, None)
            if before is not None:
                os.environ[_OPTIONS] = before


def _reason(full: str, silence_s: float, transport: Transport | None) -> NotFoundError:
    """Why FFmpeg could not open an address that answers: its server is asked once more, by hand."""
    parts = urlsplit(full)
    host = parts.hostname or ""
    if parts.scheme == "udp":
        return NotFoundError(
            f"no video arrives at port {parts.port} within {silence_s:g} s; is the sender on, and sends it here?"
        )
    if parts.scheme == "srt":
        return NotFoundError(
            "gives no video; the FFmpeg of most OpenCV builds has no SRT: have it sent as udp:// or rtsp://"
        )
    if not parts.scheme.startswith("rtsp"):
        return NotFoundError("takes the connection, but sends no video that FFmpeg can read; compare the path")
    until_s = time.monotonic() + silence_s
    try:
        with _connect(parts, silence_s) as connection:
            is_plain = parts.scheme == "rtsp"
            talk = connection if is_plain else unchecked_tls().wrap_socket(connection, server_hostname=host)
            return objection(talk, full, until_s, transport) or NotFoundError(
                "answers, but sends no picture that FFmpeg can decode"
            )
    except ssl.SSLError as error:
        return NotFoundError(f"{host} speaks no TLS at this port ({error.reason}); is it rtsp:// instead?")
    except OSError as error:
        return NotFoundError(of_os_error(error, host, silence_s))
