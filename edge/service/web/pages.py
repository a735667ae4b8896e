"""The daemon's pages: one for people, JSON and metrics for machines, and the pictures of each camera.

/                       the page; /page/NAME its style and scripts
/status.json            how everything is, at length; /healthz in short, 200 only while all is well
/metrics                for Prometheus
/camera/NAME.mjpeg      the camera's pictures as they come; /camera/NAME.jpg the newest one; ?size=small, medium, large
/snapshots, /clips      the pictures of events, see `edge.service.web.files`
/api                    what the page asks for and tells, see `edge.service.web.api`
"""

import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from edge.service.snapshot import CameraSnapshot, Snapshot
from edge.service.view import DEFAULT, SIZES, View
from edge.service.web import status
from edge.service.web.live import Live
from edge.service.web.metrics import Metrics
from edge.service.web.recent_events import RecentEvents

PAGE = Path(__file__).with_name("page")
_KINDS = {".css": "text/css", ".js": "text/javascript"}
# Nothing but the page's own scripts and style may act in it, and it may talk to nobody but this server (CSP level 3).
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# However many ask, the status is put together at most so often.
_FRESH_S = 0.5
_BOUNDARY = b"picture"


class Pages:
    """The pages of the newest `snapshot()` and of `events`, whose clock is `now`; `app` answers requests (ASGI 3).

    `routes` are further ones.
    """

    def __init__(
        self,
        snapshot: Callable[[], Snapshot],
        events: RecentEvents,
        now: Callable[[], float],
        routes: Sequence[Route] = (),
    ):
        self._snapshot, self._events, self._now = snapshot, events, now
        self._metrics = Metrics(snapshot)
        self._page = _page()
        self._status, self._status_s = b"", float("-inf")
        own = [
            Route("/", self._show_page),
            *(Route(f"/page/{path.name}", _file(path)) for path in PAGE.iterdir() if path.suffix in _KINDS),
            Route("/status.json", self._show_status),
            Route("/healthz", self._show_health),
            Route("/metrics", self._show_metrics),
            Route("/camera/{name}.mjpeg", self._stream),
            Route("/camera/{name}.jpg", self._picture),
        ]
        self.app = Starlette(routes=[*own, *routes])
        self.app.router.redirect_slashes = False

    async def _show_page(self, request: Request) -> Response:
        return self._page

    async def _show_status(self, request: Request) -> Response:
        now_s = time.monotonic()
        if now_s - self._status_s > _FRESH_S:
            report = status.status(self._snapshot(), self._now(), self._events.list())
            self._status, self._status_s = _json(report), now_s
        return Response(self._status, media_type="application/json")

    async def _show_health(self, request: Request) -> Response:
        report = status.health(self._snapshot(), self._now())
        code = 200 if report["state"] == "running" else 503
        return Response(_json(report), code, media_type="application/json")

    async def _show_metrics(self, request: Request) -> Response:
        return Response(self._metrics.text(), media_type=self._metrics.kind)

    async def _stream(self, request: Request) -> Response:
        parts = _parts(self._camera(request)[1], _size(request))
        return Live(f"multipart/x-mixed-replace; boundary={_BOUNDARY.decode()}", parts)

    async def _picture(self, request: Request) -> Response:
        camera, view = self._camera(request)
        if camera.state != "online":
            raise HTTPException(503, f"the camera is {camera.state}: there is no newest picture")
        return Live("image/jpeg", _first(view, _size(request)))

    def _camera(self, request: Request) -> tuple[CameraSnapshot, View]:
        name = request.path_params["name"]
        for camera in self._snapshot().cameras:
            if camera.name == name and camera.view is not None:
                return camera, camera.view
        raise HTTPException(404)


def _page() -> Response:
    body = (PAGE / "index.html").read_bytes()
    return Response(body, media_type="text/html", headers={"Content-Security-Policy": _POLICY})


def _file(path: Path) -> Callable[[Request], Awaitable[Response]]:
    answer = Response(path.read_bytes(), media_type=_KINDS[path.suffix])

    async def endpoint(request: Request) -> Response:
        return answer

    return endpoint


def _size(request: Request) -> str:
    size = request.query_params.get("size", DEFAULT)
    if size not in SIZES:
        raise HTTPException(400, f"size: expected {' or '.join(SIZES)}")
    return size


def _json(report: object) -> bytes:
    return json.dumps(report).encode() + b"\n"


async def _parts(view: View, size: str) -> AsyncGenerator[bytes, None]:
    """The pictures as parts of a multipart body.

    The boundary comes right behind each picture: browsers show one when they know that it has ended.
    """
    yield b"--%b\r\n" % _BOUNDARY
    async with aclosing(view.jpegs(size)) as jpegs:
        async for jpeg in jpegs:
            head = b"Content-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(jpeg)
            yield b"%b%b\r\n--%b\r\n" % (head, jpeg, _BOUNDARY)


async def _first(view: View, size: str) -> AsyncGenerator[bytes, None]:
    async with aclosing(view.jpegs(size)) as jpegs:
        async for jpeg in jpegs:
            yield jpeg
            return
