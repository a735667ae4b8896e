"""The daemon's pages: one for people, JSON and metrics for machines, and the pictures of each camera.

/                       the page
/status.json            how everything is, at length; /healthz in short, 200 only while all is well
/metrics                for Prometheus
/camera/NAME.mjpeg      the camera's pictures as they come; /camera/NAME.jpg the newest one
"""

import base64
import hashlib
import json
import re
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from http import HTTPStatus
from pathlib import Path

from edge.service.snapshot import Snapshot
from edge.service.view import View
from edge.service.web import status
from edge.service.web.http import Feed, Response, not_found
from edge.service.web.metrics import Metrics
from edge.service.web.recent_events import RecentEvents

PAGE = Path(__file__).with_name("page.html")
# However many ask, the status is put together at most so often.
_FRESH_S = 0.5
_BOUNDARY = b"picture"
_CAMERA = re.compile(r"/camera/([a-z0-9_-]+)\.(mjpeg|jpg)")


class Pages:
    """The pages of the newest `snapshot()` and of `events`, whose clock is `now`. Raises as `Metrics`."""

    def __init__(self, snapshot: Callable[[], Snapshot], events: RecentEvents, now: Callable[[], float]):
        self._snapshot, self._events, self._now = snapshot, events, now
        self._metrics = Metrics(snapshot)
        self._page = page()
        self._status, self._status_s = b"", float("-inf")

    def respond(self, path: str) -> Response | Feed:
        """What is at `path`."""
        if path == "/":
            return self._page
        if path == "/status.json":
            return _json(HTTPStatus.OK, self._fresh_status())
        if path == "/healthz":
            report = status.health(self._snapshot(), self._now())
            code = HTTPStatus.OK if report["state"] == "running" else HTTPStatus.SERVICE_UNAVAILABLE
            return _json(code, json.dumps(report).encode())
        if path == "/metrics":
            return Response(HTTPStatus.OK, self._metrics.kind, self._metrics.text())
        found = _CAMERA.fullmatch(path)
        return not_found() if found is None else self._camera(found[1], once=found[2] == "jpg")

    def _fresh_status(self) -> bytes:
        now_s = time.monotonic()
        if now_s - self._status_s > _FRESH_S:
            report = status.status(self._snapshot(), self._now(), self._events.list())
            self._status, self._status_s = json.dumps(report).encode(), now_s
        return self._status

    def _camera(self, name: str, *, once: bool) -> Response | Feed:
        view = next((camera.view for camera in self._snapshot().cameras if camera.name == name), None)
        if view is None:
            return not_found()
        if once:
            return Feed("image/jpeg", _first(view))
        return Feed(f"multipart/x-mixed-replace; boundary={_BOUNDARY.decode()}", _parts(view))


def page() -> Response:
    """The page. Nothing but its own script and style may act in it, and it may talk to nobody but this server."""
    body = PAGE.read_bytes()
    policy = [
        "default-src 'none'",
        *(f"{kind}-src {' '.join(_hashes(kind, body))}" for kind in ("script", "style")),
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
    header = f"Content-Security-Policy: {'; '.join(policy)}"
    return Response(HTTPStatus.OK, "text/html; charset=utf-8", body, (header,))


def _hashes(tag: str, body: bytes) -> list[str]:
    """The hashes of what stands between <tag> and </tag>, as a content security policy wants them (CSP level 3)."""
    parts = re.findall(rf"<{tag}>(.*?)</{tag}>".encode(), body, re.DOTALL)
    return [f"'sha256-{base64.b64encode(hashlib.sha256(part).digest()).decode()}'" for part in parts]


def _json(code: HTTPStatus, text: bytes) -> Response:
    return Response(code, "application/json", text + b"\n")


async def _parts(view: View) -> AsyncGenerator[bytes, None]:
    """The pictures as parts of a multipart body.

    The boundary comes right behind each picture: browsers show one when they know that it has ended.
    """
    yield b"--%b\r\n" % _BOUNDARY
    async with aclosing(view.jpegs()) as jpegs:
        async for jpeg in jpegs:
            head = b"Content-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(jpeg)
            yield b"%b%b\r\n--%b\r\n" % (head, jpeg, _BOUNDARY)


async def _first(view: View) -> AsyncGenerator[bytes, None]:
    async with aclosing(view.jpegs()) as jpegs:
        async for jpeg in jpegs:
            yield jpeg
            return
