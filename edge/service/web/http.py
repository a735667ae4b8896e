"""A small HTTP server for a handful of clients: GET only, everything bounded, in a thread of its own.

Whatever a client sends or fails to send or to read, it costs one of `CLIENTS` places for a few seconds and nothing
else; who stays to watch has one of `VIEWERS` of them for as long as he reads what he gets.
"""

import asyncio
import base64
import contextlib
import errno
import hmac
import ipaddress
import logging
import os
import socket
import ssl
import threading
from collections.abc import AsyncGenerator, Callable, Mapping
from http import HTTPStatus
from typing import NamedTuple

from edge.errors import ConfigError, NotFoundError, UnavailableError
from edge.settings import credentials
from edge.settings.config import Web

logger = logging.getLogger(__name__)

CLIENTS = 32
VIEWERS = 16
# What the kernel keeps for a viewer that is slow (it doubles this): about three pictures, so that his view is not old.
_KEPT_BYTES = 1 << 17
# No other site may show our pages or pictures, nor learn where its visitors come from.
_HEADERS = (
    "Cache-Control: no-store",
    "X-Content-Type-Options: nosniff",
    "X-Frame-Options: DENY",
    "Cross-Origin-Resource-Policy: same-origin",
    "Cross-Origin-Opener-Policy: same-origin",
    "Referrer-Policy: no-referrer",
    "Connection: close",
)
_HEAD_BYTES = 8192
_PATIENCE_S = 5.0
_STOP_S = 2.0


class Response(NamedTuple):
    """What a client gets; `headers` are whole lines beside those that every answer has."""

    status: HTTPStatus
    kind: str
    body: bytes
    headers: tuple[str, ...] = ()


class Feed(NamedTuple):
    """What a client gets who stays: `parts`, one after the other, until they end or he goes."""

    kind: str
    parts: AsyncGenerator[bytes, None]


class Server:
    """Answers GET requests with `respond(path)`, which is called in the server's thread.

    `port` is where it listens. Raises UnavailableError where it cannot, NotFoundError for missing secrets or keys.
    """

    def __init__(self, settings: Web, respond: Callable[[str], Response | Feed]):
        self._respond = respond
        self._any_host = settings.insecure or settings.credentials is not None
        self._expected = _authorization(settings)
        self._tls = _tls(settings)
        try:
            self._socket = socket.create_server((settings.address, settings.port), family=_family(settings))
        except OSError as error:
            raise _cannot_listen(settings, error) from error
        self.port: int = self._socket.getsockname()[1]
        self._clients = self._viewers = 0
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
        await asyncio.sleep(0)  # in which the connections are closed

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients += 1
        try:
            if self._clients <= CLIENTS:
                feed = await asyncio.wait_for(self._exchange(reader, writer), _PATIENCE_S)
                if feed is not None:
                    await self._feed(feed, reader, writer)
        except (asyncio.TimeoutError, asyncio.CancelledError):
            writer.transport.abort()  # what he does not read is not kept for him
        except (OSError, asyncio.IncompleteReadError):
            pass  # gone: his own business
        except Exception:
            logger.exception("web: a request failed")
        finally:
            self._clients -= 1
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Feed | None:
        """Read the request and answer it; the feed that it asks for is not sent yet."""
        try:
            answer = self._answer(await reader.readuntil(b"\r\n\r\n"))
        except asyncio.LimitOverrunError:
            answer = _refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        if isinstance(answer, Feed) and self._viewers >= VIEWERS:
            answer = _refusal(HTTPStatus.SERVICE_UNAVAILABLE)
        if isinstance(answer, Feed):
            writer.write(_head(HTTPStatus.OK, answer.kind))
            return answer
        length = f"Content-Length: {len(answer.body)}"
        writer.write(_head(answer.status, answer.kind, length, *answer.headers) + answer.body)
        await writer.drain()
        return None

    async def _feed(self, feed: Feed, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Send the parts until they end, the client goes, or he reads nothing for a while."""
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KEPT_BYTES)
        writer.transport.set_write_buffer_limits(high=0)
        self._viewers += 1
        sending, leaving = asyncio.ensure_future(_send(feed, writer)), asyncio.ensure_future(reader.read(1))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()
        finally:
            self._viewers -= 1
            for task in (sending, leaving):
                task.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)

    def _answer(self, head: bytes) -> Response | Feed:
        first, *rest = head.decode("latin-1").split("\r\n")
        words = first.split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            return _refusal(HTTPStatus.BAD_REQUEST)
        parts = (line.partition(":") for line in reversed(rest))
        fields = {name.lower(): value.strip() for name, _, value in parts}
        if not (self._any_host or _is_numeric(fields)):
            return _refusal(HTTPStatus.MISDIRECTED_REQUEST)
        given = fields.get("authorization", "").encode()
        if self._expected is not None and not hmac.compare_digest(given, self._expected):
            return _refusal(HTTPStatus.UNAUTHORIZED, 'WWW-Authenticate: Basic realm="nanotrack"')
        if words[0] != "GET":
            return _refusal(HTTPStatus.METHOD_NOT_ALLOWED)
        return self._respond(words[1].partition("?")[0])


async def _send(feed: Feed, writer: asyncio.StreamWriter) -> None:
    async with contextlib.aclosing(feed.parts) as parts:
        async for part in parts:
            writer.write(part)
            await asyncio.wait_for(writer.drain(), _PATIENCE_S)


def _head(status: HTTPStatus, kind: str, *more: str) -> bytes:
    lines = [f"HTTP/1.1 {status.value} {status.phrase}", f"Content-Type: {kind}", *_HEADERS, *more]
    return "\r\n".join([*lines, "", ""]).encode()


def _is_numeric(fields: Mapping[str, str]) -> bool:
    """Whether the request was for an address in numbers, localhost, or says nothing: no site can have led it here.

    A page from elsewhere whose name is made to point to this machine (DNS rebinding) has that name in its requests.
    """
    host = fields.get("host", "localhost")
    name = host[1:].partition("]")[0] if host.startswith("[") and "]" in host else host.partition(":")[0]
    with contextlib.suppress(ValueError):
        return bool(ipaddress.ip_address(name))
    return name.lower() == "localhost"


def _refusal(status: HTTPStatus, *headers: str) -> Response:
    return Response(status, "text/plain", f"{status.phrase}\n".encode(), headers)


def check(settings: Web) -> None:
    """Raise NotFoundError for secrets or keys that are missing, UnavailableError for an address that is not ours.

    Nothing listens; a port that is in use may be that of the daemon, which runs already.
    """
    _authorization(settings)
    _tls(settings)
    with socket.socket(_family(settings)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.address, settings.port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise _cannot_listen(settings, error) from error


def _family(settings: Web) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in settings.address else socket.AF_INET


def _cannot_listen(settings: Web, error: OSError) -> UnavailableError:
    return UnavailableError(
        f"web: cannot listen on {settings.address} port {settings.port}: {os.strerror(error.errno or 0)};"
        " choose another"
    )


def not_found() -> Response:
    """There is no such page."""
    return _refusal(HTTPStatus.NOT_FOUND)


def _authorization(settings: Web) -> bytes | None:
    """What the Authorization header must be (RFC 7617), None where everybody may ask."""
    if settings.credentials is None:
        return None
    user, password = credentials.read(settings.credentials)
    if not password:
        raise ConfigError(f"{settings.credentials}: expected a password for the pages, found none; write user:password")
    return b"Basic " + base64.b64encode(f"{user}:{password}".encode())


def _tls(settings: Web) -> ssl.SSLContext | None:
    if settings.certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    key = settings.key and credentials.path_of(settings.key)
    try:
        context.load_cert_chain(credentials.path_of(settings.certificate), key)
    except (OSError, ssl.SSLError) as error:
        raise NotFoundError(f"{settings.certificate}: expected a certificate and its key: {error}") from error
    return context
