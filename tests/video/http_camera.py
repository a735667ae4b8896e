"""A camera on HTTP, as simple ones are: JPEGs in one endless answer, or one a request, with a login or without."""

import base64
import contextlib
import hashlib
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2

from tests import tiny

USER, PASSWORD = "me", "pa/ss w:rd"
SIZES = (128, 256)  # of the pictures: after ten of them the camera changes


def jpeg(number: int, size: int) -> bytes:
    picture = cv2.resize(tiny.picture(number), (size, size))
    return bytes(cv2.imencode(".jpg", picture)[1].tobytes())


class Camera(BaseHTTPRequestHandler):
    """`/stream` `/bare` (no lengths) `/broken` (every fifth picture cut off) `/snapshot` `/moved` `/page` `/empty`.

    `/huge`: a picture that says it has 900 million pixels; `/drip`: a byte now and then, a hundred at most.
    """

    protocol_version = "HTTP/1.1"
    login = ""  # "basic", "digest"
    requests: list[tuple[str, str]]

    def log_message(self, *ignored: object) -> None:
        pass

    def do_GET(self) -> None:
        self.requests.append((self.path, self.headers.get("Authorization", "")))
        if self.path == "/moved":
            self._answer(302, Location="/stream")
        elif not self._may():
            challenge = 'Basic realm="r"' if self.login == "basic" else 'Digest realm="r", nonce="abc", qop="auth"'
            self._answer(401, b"", **{"WWW-Authenticate": challenge})
        elif self.path == "/snapshot":
            self._answer(200, jpeg(len(self.requests), 128), **{"Content-Type": "image/jpeg"})
        elif self.path == "/huge":
            whole = jpeg(1, 128)
            size = whole.index(b"\xff\xc0") + 5  # of the frame header: height and width, two bytes each
            body = whole[:size] + 2 * (30_000).to_bytes(2, "big") + whole[size + 4 :]
            self._answer(200, body, **{"Content-Type": "image/jpeg"})
        elif self.path == "/page":
            self._answer(200, b"<html>hello</html>", **{"Content-Type": "text/html"})
        elif self.path in ("/stream", "/bare", "/broken", "/empty", "/drip"):
            self._stream()
        else:
            self._answer(404)

    def _answer(self, code: int, body: bytes = b"", **head: str) -> None:
        self.send_response(code)
        for name, value in {**head, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", 'multipart/x-mixed-replace; boundary="--edge"')
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        if self.path == "/drip":
            with contextlib.suppress(OSError):  # until nobody listens any more
                for _ in range(100):
                    self.wfile.write(b"x")
                    self.requests.append(("a byte", ""))
                    time.sleep(0.05)
        for number in range(1, 21) if self.path not in ("/empty", "/drip") else ():
            body = jpeg(number, SIZES[number > 10])
            if self.path == "/broken" and number % 5 == 0:
                body = body[: len(body) // 2]
            length = "" if self.path == "/bare" else f"Content-Length: {len(body)}\r\n"
            self.wfile.write(f"--edge\r\nContent-Type: image/jpeg\r\n{length}\r\n".encode() + body + b"\r\n")

    def _may(self) -> bool:
        given = self.headers.get("Authorization", "")
        if self.login == "basic":
            return given == "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if self.login == "digest":
            told = dict(re.findall(r'(\w+)="?([^",]+)"?', given))
            secret = _md5(f"{USER}:r:{PASSWORD}")
            what = _md5(f"GET:{self.path}")
            rest = [told.get(name, "") for name in ("nonce", "nc", "cnonce", "qop")]
            return told.get("uri") == self.path and told.get("response") == _md5(":".join([secret, *rest, what]))
        return True


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


@contextmanager
def http_camera(login: str = "") -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Its host and port, and the requests that it gets: path and Authorization."""
    requests: list[tuple[str, str]] = []
    handler = type("Handler", (Camera,), {"login": login, "requests": requests})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}", requests
        server.shutdown()
