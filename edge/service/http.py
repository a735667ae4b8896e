"""A small HTTP server for a handful of clients: GET only, everything bounded, in a thread of its own.

Whatever a client sends or fails to send, it costs one of `CLIENTS` places for a few seconds and nothing else.
"""

import asyncio
import base64
import hmac
import logging
import socket
import ssl
import threading
from collections.abc import Callable
from http import HTTPStatus
from typing import NamedTuple

from edge import credentials
from edge.config import Web
from edge.errors import NotFoundError, UnavailableError

logger = logging.getLogger(__name__)

CLIENTS = 16
_HEAD_BYTES = 8192
_PATIENCE_S = 5.0
_STOP_S = 2.0


class Response(NamedTuple):
    """What a client gets."""

    status: HTTPStatus
    kind: str
    body: bytes


class Server:
    """Answers GET requests with `respond(path)`, which is called in the server's thread.

    `port` is where it listens. Raises UnavailableError where it cannot, NotFoundError for missing secrets or keys.
    """

    def __init__(self, settings: Web, respond: Callable[[str], Response]):
        self._respond = respond
        self._expected = _authorization(settings)
        self._tls = _tls(settings)
        family = socket.AF_INET6 if ":" in settings.address else socket.AF_INET
        try:
            self._socket = socket.create_server((settings.address, settings.port), family=family)
        except OSError as error:
            raise UnavailableError(
                f"web: cannot listen on {settings.address} port {settings.port}: {error.strerror}; choose another"
            ) from error
        self.port: int = self._socket.getsockname()[1]
        self._clients = 0
        self._loop = asyncio.new_event_loop()
        self._server = self._loop.run_until_complete(
            asyncio.start_server(
                self._client,
                sock=self._socket,
                limit=_HEAD_BYTES,
                ssl=self._tls,
                ssl_handshake_timeout=_PATIENCE_S if self._tls else None,
            )
        )
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening and leave all clients."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_STOP_S)

    def _run(self) -> None:
        self._loop.run_forever()
        self._server.close()
        self._loop.run_until_complete(self._leave_clients())
        self._loop.close()

    async def _leave_clients(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients += 1
        try:
            if self._clients <= CLIENTS:
                await asyncio.wait_for(self._exchange(reader, writer), _PATIENCE_S)
        except (asyncio.TimeoutError, OSError, asyncio.IncompleteReadError):
            pass  # too slow, or gone: its own business
        except Exception:
            logger.exception("web: a request failed")
        finally:
            self._clients -= 1
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            response = self._answer(await reader.readuntil(b"\r\n\r\n"))
        except asyncio.LimitOverrunError:
            response = _refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        status = response.status
        lines = [
            f"HTTP/1.1 {status.value} {status.phrase}",
            f"Content-Type: {response.kind}",
            f"Content-Length: {len(response.body)}",
            "Cache-Control: no-store",
            "X-Content-Type-Options: nosniff",
            "Connection: close",
        ]
        if status == HTTPStatus.UNAUTHORIZED:
            lines.append('WWW-Authenticate: Basic realm="nanotrack"')
        writer.write("\r\n".join([*lines, "", ""]).encode() + response.body)
        await writer.drain()

    def _answer(self, head: bytes) -> Response:
        first, *rest = head.decode("latin-1").split("\r\n")
        words = first.split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            return _refusal(HTTPStatus.BAD_REQUEST)
        if self._expected is not None:
            fields = (line.partition(":") for line in rest)
            given = next((value.strip() for name, _, value in fields if name.lower() == "authorization"), "")
            if not hmac.compare_digest(given.encode(), self._expected):
                return _refusal(HTTPStatus.UNAUTHORIZED)
        if words[0] != "GET":
            return _refusal(HTTPStatus.METHOD_NOT_ALLOWED)
        return self._respond(words[1].partition("?")[0])


def _refusal(status: HTTPStatus) -> Response:
    return Response(status, "text/plain", f"{status.phrase}\n".encode())


def check(settings: Web) -> None:
    """Raise NotFoundError for secrets or keys that are missing, without listening."""
    _authorization(settings)
    _tls(settings)


def not_found() -> Response:
    """There is no such page."""
    return _refusal(HTTPStatus.NOT_FOUND)


def _authorization(settings: Web) -> bytes | None:
    """What the Authorization header must be (RFC 7617), None where everybody may ask."""
    if settings.credentials is None:
        return None
    return b"Basic " + base64.b64encode(":".join(credentials.read(settings.credentials)).encode())


def _tls(settings: Web) -> ssl.SSLContext | None:
    if settings.certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(settings.certificate, settings.key)
    except (OSError, ssl.SSLError) as error:
        raise NotFoundError(f"{settings.certificate}: expected a certificate and its key: {error}") from error
    return context
