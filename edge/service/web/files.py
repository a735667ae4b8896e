"""The snapshots and clips of events: /snapshots/DAY/NAME.jpg and /clips/DAY/NAME.webm, as events name them."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from edge.service.web.live import Live
from edge.settings.config import Config
from edge.sinks.pictures.folder import NAME

_KINDS = {"jpg": "image/jpeg", "webm": "video/webm"}
_PART = 1 << 18


def file_routes(config: Callable[[], Config]) -> list[Route]:
    """The routes of the files in the folders of the newest `config()`; nothing else in these folders is served."""

    async def snapshot(request: Request) -> Response:
        settings = config().snapshots
        return await _sent(request, None if settings is None else settings.folder, "jpg")

    async def clip(request: Request) -> Response:
        settings = config().clips
        return await _sent(request, None if settings is None else settings.folder, "webm")

    return [Route("/snapshots/{day}/{name}", snapshot), Route("/clips/{day}/{name}", clip)]


async def _sent(request: Request, folder: str | None, suffix: str) -> Response:
    name = f"{request.path_params['day']}/{request.path_params['name']}"
    known = NAME.fullmatch(name)
    if folder is None or known is None or known[3] != suffix:
        raise HTTPException(404)
    path = Path(folder, name)
    if not await asyncio.to_thread(path.is_file):
        raise HTTPException(404)
    return Live(_KINDS[suffix], _parts(path))


async def _parts(path: Path) -> AsyncGenerator[bytes, None]:
    sent = 0
    while part := await asyncio.to_thread(_read, path, sent):
        yield part
        sent += len(part)


def _read(path: Path, offset: int) -> bytes:
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(_PART)
