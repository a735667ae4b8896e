"""What the page asks for and tells in JSON, under /api.

GET  /api/session   what this page may do: {"history": …, "edit": …, "obstacle": why not, though asked for, "token": …}
GET  /api/history   sums by minute, hour or day: camera, since, until, by
GET  /api/heatmap   where people stood in the picture of a camera, as a PNG: camera, since, until (whole hours)
POST /api/check     a zone or line that was drawn: its TOML and its mistakes
POST /api/save      the same into the configuration file, where [web] edit = true
"""

import asyncio
import hmac
import json
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, get_args

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from edge.console.outgoing import public
from edge.drawing.heat import heat_map_png
from edge.errors import ConfigError, NanoTrackError, OutputError
from edge.service.web.editor import KINDS, Area, Editor
from edge.settings.config import Config
from edge.sinks.history import feet, query
from edge.sinks.history.database import open_to_read

TOKEN = "X-CSRF-Token"
MOST_ROWS = 20_000
_MOST_BYTES = 16_384
_MOST_POINTS = 100
# What is shown without a `since`.
_SPAN_S: dict[query.Step, float] = {"minute": 3600.0, "hour": 24 * 3600.0, "day": 30 * 24 * 3600.0}


class Refused(Exception):
    """A request that cannot be answered, with its status and why."""

    def __init__(self, status: int, reason: str):
        super().__init__(reason)
        self.status = status


class Api:
    """The routes under /api, for the newest `config()`; `editor` writes its file, None where that is not allowed."""

    def __init__(self, config: Callable[[], Config], editor: Editor | None, utc: Callable[[], float] = time.time):
        self._config, self._editor, self._utc = config, editor, utc
        self._token = secrets.token_urlsafe(32)
        # Databases and files, one request at a time: they wait for each other and not the live views for them.
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="web-disk")
        self.routes = [
            Route("/api/session", _answered(self._session)),
            Route("/api/history", _answered(self._history)),
            Route("/api/heatmap", _answered(self._heatmap)),
            Route("/api/check", _answered(self._check), methods=["POST"]),
            Route("/api/save", _answered(self._save), methods=["POST"]),
        ]

    async def _session(self, request: Request) -> dict[str, Any]:
        obstacle = "" if self._editor is None else self._editor.obstacle
        return {
            "history": self._config().history is not None,
            "edit": self._editor is not None and not obstacle,
            "obstacle": public(obstacle),
            "token": None if self._editor is None else self._token,
        }

    async def _history(self, request: Request) -> dict[str, Any]:
        path, asked = self._database(), request.query_params
        by = next((step for step in _SPAN_S if step == asked.get("by", "hour")), None)
        if by is None:
            raise Refused(400, f"by: expected {' or '.join(_SPAN_S)}, found {asked['by'][:40]!r}")
        since_s, until_s = self._span(request, _SPAN_S[by])
        camera = asked.get("camera")
        work = asyncio.get_running_loop().run_in_executor(self._disk, _sums, path, by, since_s, until_s, camera)
        now_s = self._utc() if until_s is None else until_s
        return {"by": by, "times": query.times(by, since_s, now_s), **await work}

    async def _heatmap(self, request: Request) -> Response:
        path, camera = self._database(), request.query_params.get("camera", "")
        names = [each.name for each in self._config().camera]
        if camera not in names:
            raise Refused(404, f"camera: expected {' or '.join(names)}, found {camera[:40]!r}")
        since_s, until_s = self._span(request, _SPAN_S["hour"])
        work = asyncio.get_running_loop().run_in_executor(self._disk, _heat_map, path, camera, since_s, until_s)
        return Response(await work, media_type="image/png", headers={"Cache-Control": "no-store"})

    def _database(self) -> Path:
        history = self._config().history
        if history is None:
            raise Refused(404, "expected [history] in the configuration, found none; nothing is kept without it")
        return Path(history.path)

    def _span(self, request: Request, usual_s: float) -> tuple[float, float | None]:
        """`since` and `until` of a request, seconds since 1970; without a `since` so many seconds before."""
        asked = request.query_params
        since_s, until_s = (_time(key, asked[key]) if key in asked else None for key in ("since", "until"))
        return (self._utc() if until_s is None else until_s) - usual_s if since_s is None else since_s, until_s

    async def _check(self, request: Request) -> dict[str, Any]:
        area = await self._area(request)
        return {"toml": area.toml, "mistakes": self._mistakes(area)}

    async def _save(self, request: Request) -> dict[str, Any]:
        if self._editor is None:
            raise Refused(403, "the page may not change the configuration: [web] edit is false")
        if request.headers.get("origin") is None:
            raise Refused(403, "expected the header Origin of a page of this server, found none")
        if not hmac.compare_digest(request.headers.get(TOKEN, "").encode(), self._token.encode()):
            raise Refused(403, f"expected the token of this page in {TOKEN}; load the page again")
        area = await self._area(request)
        if mistakes := self._mistakes(area):
            raise Refused(422, "; ".join(mistakes))
        try:
            await asyncio.get_running_loop().run_in_executor(self._disk, self._editor.save, area)
        except ConfigError as error:
            raise Refused(409, str(error)) from error
        except OutputError as error:
            raise Refused(500, str(error)) from error
        return {"toml": area.toml, "saved": True}

    def _mistakes(self, area: Area) -> list[str]:
        cameras = [camera.name for camera in self._config().camera]
        unknown = [] if area.camera in cameras else [f"camera: expected {' or '.join(cameras)}, found {area.camera!r}"]
        return [*unknown, *area.mistakes()]

    async def _area(self, request: Request) -> Area:
        """The zone or line in the body: {"camera": …, "kind": "zone" or "line", "name": …, "points": [[x, y], …]}."""
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > _MOST_BYTES:
                raise Refused(413, f"expected at most {_MOST_BYTES} bytes")
        try:
            given = json.loads(body)
            camera, kind, name, points = (given[key] for key in ("camera", "kind", "name", "points"))
            drawn = [(float(x), float(y)) for x, y in points]
            json.dumps([camera, name], ensure_ascii=False).encode()  # not with half a character, which JSON can write
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
            raise Refused(400, "expected JSON with camera, kind, name and points as [[x, y], …]") from error
        if not all(isinstance(each, str) for each in (camera, kind, name)) or kind not in KINDS:
            raise Refused(400, f"kind: expected {' or '.join(KINDS)}, camera and name as text")
        if len(drawn) > _MOST_POINTS:
            raise Refused(400, f"points: expected at most {_MOST_POINTS}, found {len(drawn)}")
        return Area(camera, kind, name, drawn)


def _answered(handle: Callable[[Request], Awaitable[object]]) -> Callable[[Request], Awaitable[Response]]:
    """`handle` as an endpoint: a response, or what it returns, or why not as {"error": …}, in JSON."""

    async def endpoint(request: Request) -> Response:
        try:
            found = await handle(request)
            return found if isinstance(found, Response) else JSONResponse(found)
        except Refused as error:
            return JSONResponse({"error": public(str(error))}, error.status)
        except NanoTrackError as error:
            return JSONResponse({"error": public(str(error))}, 503)

    return endpoint


def _time(key: str, text: str) -> float:
    """Seconds since 1970, of such a number or of a local time."""
    try:
        seconds = float(text) if re.fullmatch(r"\d{1,11}(\.\d*)?", text) else datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        raise Refused(400, f"{key}: expected a time, such as 2026-11-30T08:00, found {text[:40]!r}") from None
    return seconds


def _heat_map(path: Path, camera: str, since_s: float, until_s: float | None) -> bytes:
    with closing(open_to_read(path)) as database:
        return heat_map_png(feet.seconds(database, camera, since_s, until_s))


def _sums(
    path: Path, by: query.Step, since_s: float, until_s: float | None, camera: str | None
) -> dict[str, list[dict[str, query.Value]]]:
    """All subjects of the history. Raises Refused where they are too many rows."""
    found = {}
    with closing(open_to_read(path)) as database:
        for subject in get_args(query.Subject):
            rows = query.sums(database, subject, by, since_s=since_s, until_s=until_s, camera=camera)
            found[subject] = list(islice(rows, MOST_ROWS + 1))
            if len(found[subject]) > MOST_ROWS:
                raise Refused(
                    400, f"expected at most {MOST_ROWS} rows of {subject}; ask for less: since, until, by=day"
                )
    return found
