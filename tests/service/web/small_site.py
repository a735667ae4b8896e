"""A small site behind the real server, and clients that speak to it by raw bytes."""

import asyncio
import contextlib
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.service.web.http import Server
from edge.settings.config import Web
from tests.field import OPENSSL, PATIENCE_S, wait_for

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from edge.service.web.live import Live

needs_openssl = pytest.mark.skipif(OPENSSL is None, reason="openssl is not installed")
open_feeds: list[str] = []
PART = 1 << 20


async def endless() -> AsyncGenerator[bytes, None]:
    """A mebibyte after the other; `open_feeds` knows how many of these run."""
    open_feeds.append("one")
    try:
        while True:
            yield PART * b"a"
            await asyncio.sleep(0)
    finally:
        open_feeds.pop()


async def broken() -> AsyncGenerator[bytes, None]:
    yield b"hello"
    raise ZeroDivisionError


async def parts() -> AsyncGenerator[bytes, None]:
    """50 parts of 40 kB, as a camera's pictures come."""
    for number in range(50):
        yield b"--%02d" % number + 40_000 * b"a"
        await asyncio.sleep(0.01)


async def respond(request: Request) -> Response:
    path = request.url.path
    if path == "/x":
        return PlainTextResponse("hello", headers={"X-More": "yes"})
    if path == "/large":
        return PlainTextResponse(16 * PART * "a")
    if path == "/bug":
        raise ZeroDivisionError
    return Live("text/plain", {"/feed": endless, "/broken": broken, "/parts": parts}[path]())


def serve(**settings: Any) -> Server:
    paths = ("x", "large", "bug", "feed", "broken", "parts")
    return Server(Web(port=0, **settings), Starlette(routes=[Route(f"/{path}", respond) for path in paths]))


def get(path: str, *headers: str, host: str = "localhost") -> bytes:
    """The bytes of a request."""
    return "\r\n".join([f"GET {path} HTTP/1.1", f"Host: {host}", *headers, "", ""]).encode()


def ask(server: Server, request: bytes, source: str = "127.0.0.1") -> bytes:
    """All that comes back for these bytes, sent from the address `source` of this machine."""
    address = "127.0.0.1", server.port
    with socket.create_connection(address, timeout=PATIENCE_S, source_address=(source, 0)) as client:
        answer = b""
        with contextlib.suppress(ConnectionError):  # whoever is turned away may notice it while sending
            client.sendall(request)
            while part := client.recv(4096):
                answer += part
        return answer


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ")[1])


def watch(server: Server) -> socket.socket:
    """A client that asks for the feed and has its first byte."""
    client = socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
    client.sendall(get("/feed"))
    assert client.recv(1) == b"H"
    return client


def wait_for_feeds(count: int) -> None:
    wait_for(lambda: len(open_feeds) == count, f"there are never {count} open feeds")


def trusting(certificate: Path) -> ssl.SSLContext:
    """What a client needs to speak TLS with the server of this certificate."""
    return ssl.create_default_context(cafile=str(certificate))


SILENT = """
import resource, socket, sys
resource.setrlimit(resource.RLIMIT_NOFILE, 2 * resource.getrlimit(resource.RLIMIT_NOFILE)[1:])
clients = [socket.create_connection(("127.0.0.1", int(sys.argv[1])), 60) for _ in range(3000)]
print("open", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def silent_clients(port: int) -> Iterator[None]:
    """3,000 connections of another process that say nothing."""
    command = [sys.executable, "-c", SILENT, str(port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as attacker:
        assert attacker.stdin is not None
        assert attacker.stdout is not None
        assert attacker.stdout.readline() == b"open\n"
        try:
            yield
        finally:
            attacker.stdin.close()
            attacker.wait(PATIENCE_S)
