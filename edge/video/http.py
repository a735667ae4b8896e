"""Pictures over HTTP: a stream of JPEGs (`multipart/x-mixed-replace`) or one JPEG a request, as simple cameras send.

Read with Python's own client, since FFmpeg inside OpenCV scales every picture to the size of the first one, and does
not tell why a server says no.
"""

import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from http.client import HTTPException, HTTPResponse
from urllib.parse import urlsplit, urlunsplit

import numpy as np

from edge.errors import DataError, NotFoundError
from edge.types import Frame, Image
from edge.video import header
from edge.video.address import without_login
from edge.video.login import Login
from edge.video.opencv import cv2
from edge.video.options import Reduction
from edge.video.reasons import of_os_error, refusal

_SNAPSHOT_RATE = 5.0  # requests a second to a camera that sends one picture for each
_LARGEST_BYTES = 64 << 20
_LONGEST_LINE = 1 << 16
_CHUNK_BYTES = 1 << 16
_UNREADABLE_IN_A_ROW = 5
_READING = {
    None: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
_JPEG_BEGIN, _JPEG_END = b"\xff\xd8", b"\xff\xd9"


class HttpPictures:
    """A live source of JPEGs over HTTP. See `Source`.

    `response` is the answer to the first request, `ask` makes another, every `every_s` seconds where that is given.
    Pictures are decoded at one in `reduce` of their width and height.
    Raises NotFoundError where no picture comes, or a stream of them where single ones were expected, DataError for one
    that says it is too large to be decoded.
    """

    is_live = True
    frame_count = None

    def __init__(
        self,
        ask: Callable[[], HTTPResponse],
        response: HTTPResponse,
        frame_rate: float | None,
        silence_s: float,
        clock: Callable[[], float],
        every_s: float | None = None,
        reduce: Reduction | None = None,
    ):
        self._reading = _READING[reduce]
        self._silence_s, self._clock = silence_s, clock
        self._response = response
        is_stream = response.headers.get_content_maintype() == "multipart"
        if is_stream and every_s is not None:
            self.close()
            raise NotFoundError("sends a stream, where every_s expects one picture a request; leave every_s out")
        if is_stream:
            boundary = (response.headers.get_boundary() or "").strip("-").encode()
            self._bodies = _parts(response, boundary, silence_s)
            self.frame_rate = frame_rate or 30.0
        else:
            self.frame_rate = 1 / every_s if every_s is not None else frame_rate or _SNAPSHOT_RATE
            self._bodies = self._snapshots(ask, response)
        self._number = 0
        try:
            self._first = self._picture()
        except DataError:
            self.close()
            raise
        if self._first is None:
            self.close()
            raise NotFoundError("answers, but sends no picture")
        self.size = self._first.shape[1], self._first.shape[0]

    def read(self, buffer: Image | None) -> Frame | None:
        """See `Source.read`."""
        image, self._first = self._first, None
        if image is None:
            image = self._picture()
        if image is None:
            return None
        self._number += 1
        return Frame(image, self._number, self._clock())

    def close(self) -> None:
        """See `Source.close`."""
        self._response.close()

    def _picture(self) -> Image | None:
        """The next one that can be decoded, None where there is none soon."""
        try:
            for _, body in zip(range(_UNREADABLE_IN_A_ROW), self._bodies, strict=False):
                if (image := _decoded(body, self._reading)) is not None:
                    return image
        except (OSError, HTTPException):
            pass  # the connection is gone, which is what None says
        return None

    def _snapshots(self, ask: Callable[[], HTTPResponse], response: HTTPResponse) -> Iterator[bytes]:
        due_s = time.monotonic()
        while True:
            with response:
                yield _exactly(response, response.length or _LARGEST_BYTES, self._silence_s)
            due_s = max(due_s + 1 / self.frame_rate, time.monotonic())
            time.sleep(max(0.0, due_s - time.monotonic()))
            self._response = response = ask()


def requester(address: str, silence_s: float) -> Callable[[], HTTPResponse]:
    """A function that asks for `address` and returns the answer, following redirections.

    User and password of the address go to its own host alone, once. It raises NotFoundError with the reason.
    """
    bare, user, password = without_login(address)
    host, login = urlsplit(bare).hostname or "", Login(user, password)
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=unchecked_tls())
    )

    def request(url: str, head: dict[str, str]) -> HTTPResponse:
        response: HTTPResponse = opener.open(urllib.request.Request(url, headers=head), timeout=silence_s)
        return response

    def ask() -> HTTPResponse:
        try:
            try:
                return request(bare, {})
            except urllib.error.HTTPError as error:
                parts = urlsplit(error.url)
                asked = error.headers.get_all("WWW-Authenticate", [])
                if error.code != 401 or parts.hostname != host or not login.learn(asked):
                    raise
                error.close()
                target = urlunsplit(("", "", parts.path or "/", parts.query, ""))
                return request(error.url, login.header("GET", target))
        except urllib.error.HTTPError as error:
            error.close()
            raise refusal(error.code, str(error.reason), user is not None) from error
        except urllib.error.URLError as error:
            cause = error.reason if isinstance(error.reason, OSError) else OSError(str(error.reason))
            raise NotFoundError(of_os_error(cause, host, silence_s)) from error
        except OSError as error:
            raise NotFoundError(of_os_error(error, host, silence_s)) from error
        except (HTTPException, ValueError) as error:
            raise NotFoundError(f"{host} gives no answer that is HTTP: {type(error).__name__}") from error

    return ask


def unchecked_tls() -> ssl.SSLContext:
    """Encryption without a look at the certificate: cameras sign theirs themselves."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def sends_pictures(response: HTTPResponse) -> bool:
    """Whether an answer is pictures, and no video for FFmpeg."""
    return response.headers.get_content_type() in ("multipart/x-mixed-replace", "multipart/mixed", "image/jpeg")


def _decoded(body: bytes, reading: int) -> Image | None:
    """The picture of a whole JPEG; of one that was cut off libjpeg makes half a picture.

    Raises DataError for one that says it is too large.
    """
    body = body.rstrip(b"\0\r\n")
    if not (body.startswith(_JPEG_BEGIN) and body.endswith(_JPEG_END) and header.is_bearable(body)):
        return None
    try:
        image: Image | None = cv2.imdecode(np.frombuffer(body, np.uint8), reading)
    except cv2.error:
        return None
    return image


def _parts(response: HTTPResponse, boundary: bytes, silence_s: float) -> Iterator[bytes]:
    """The bodies of a multipart answer (RFC 2046): of the length that their head tells, else up to the next boundary.

    Some cameras write the dashes in front of the boundary into its name. Raises OSError where a part takes longer than
    `silence_s`: who sends a byte now and then is silent, too.
    """
    until_s = time.monotonic() + silence_s
    line = _line(response, until_s)
    while line:
        if not _is_boundary(line, boundary):
            line = _line(response, until_s)
            continue
        length = 0
        while (line := _line(response, until_s)).strip():
            name, _, value = line.partition(b":")
            if name.strip().lower() == b"content-length" and value.strip().isdigit():
                length = min(int(value), _LARGEST_BYTES)
        if length:
            yield _exactly(response, length, silence_s)
            until_s = time.monotonic() + silence_s
            line = _line(response, until_s)
        else:
            body = bytearray()
            while (line := _line(response, until_s)) and not _is_boundary(line, boundary):
                body += line
                if len(body) > _LARGEST_BYTES:
                    return
            yield bytes(body)
            until_s = time.monotonic() + silence_s


def _line(response: HTTPResponse, until_s: float) -> bytes:
    """The next line, or so much of a longer one, with its end; empty at the end of the answer. Raises OSError."""
    line = b""
    while len(line) < _LONGEST_LINE and (ahead := response.peek(_CHUNK_BYTES)):
        line += response.read1(ahead.find(b"\n") + 1 or len(ahead))
        if line.endswith(b"\n"):
            break
        if time.monotonic() > until_s:
            raise TimeoutError("a line takes too long")
    return line


def _is_boundary(line: bytes, boundary: bytes) -> bool:
    return line.startswith(b"--") and line.lstrip(b"-").startswith(boundary)


def _exactly(response: HTTPResponse, length: int, silence_s: float) -> bytes:
    """So many bytes or those that are left, within `silence_s`. Raises OSError where they take longer."""
    body, until_s = bytearray(), time.monotonic() + silence_s
    while len(body) < length and (chunk := response.read1(min(length - len(body), _CHUNK_BYTES))):
        body += chunk
        if time.monotonic() > until_s:
            raise TimeoutError("a picture takes too long")
    return bytes(body)
