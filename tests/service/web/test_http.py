"""What strangers send to the web server, and what it costs."""

import asyncio
import base64
import contextlib
import http.client
import shutil
import socket
import ssl
import subprocess
import urllib.request
from collections.abc import AsyncGenerator, Iterator
from http import HTTPStatus
from pathlib import Path

import pytest

from edge.errors import NotFoundError, UnavailableError
from edge.service.web import http as web
from edge.service.web.http import CLIENTS, VIEWERS, Feed, Response, Server, not_found
from edge.settings.config import Web
from tests.field import PATIENCE_S, wait_for

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


def respond(path: str) -> Response | Feed:
    if path == "/x":
        return Response(HTTPStatus.OK, "text/plain", b"hello", ("X-More: yes",))
    if path == "/feed":
        return Feed("text/plain", endless())
    if path == "/broken":
        return Feed("text/plain", broken())
    if path == "/bug":
        raise ZeroDivisionError
    return not_found()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(web, "_PATIENCE_S", 1.0)
    server = Server(Web(port=0), respond)
    yield server
    server.close()


def ask(server: Server, request: bytes) -> bytes:
    """All that comes back for these bytes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S) as client:
        answer = b""
        with contextlib.suppress(ConnectionError):  # whoever is turned away may notice it while sending
            client.sendall(request)
            while part := client.recv(4096):
                answer += part
        return answer


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ")[1])


def test_a_page_is_served(server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
    connection.request("GET", "/x?from=here")
    answer = connection.getresponse()
    assert (answer.status, answer.read(), answer.getheader("Content-Type")) == (200, b"hello", "text/plain")
    assert answer.getheader("X-More") == "yes"
    assert answer.getheader("Cache-Control") == "no-store"
    assert answer.getheader("X-Content-Type-Options") == "nosniff"
    assert answer.getheader("Cross-Origin-Resource-Policy") == "same-origin"
    connection.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8080", "[::1]:8080", "localhost:80", "LOCALHOST"])
def test_a_host_in_numbers_is_served(server: Server, host: str) -> None:
    assert status_of(ask(server, b"GET /x HTTP/1.1\r\nHost: %b\r\n\r\n" % host.encode())) == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "[::1", ""])
def test_a_site_whose_name_was_made_to_point_here_is_turned_away(server: Server, host: str) -> None:
    assert status_of(ask(server, b"GET /x HTTP/1.1\r\nHost: %b\r\n\r\n" % host.encode())) == 421
    twice = b"GET /x HTTP/1.1\r\nHost: %b\r\nHost: localhost\r\n\r\n" % host.encode()
    assert status_of(ask(server, twice)) == 421


@pytest.mark.parametrize("more", [{"insecure": True}, {"credentials": "web"}])
def test_any_name_is_served_where_the_owner_says_who_may_ask(
    tmp_path: Path, more: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "web").write_text("me:secret")
    (tmp_path / "web").chmod(0o600)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    server = Server(Web(port=0, **more), respond)  # type: ignore[arg-type]
    try:
        answer = ask(server, b"GET /x HTTP/1.1\r\nHost: board.local\r\n\r\n")
        assert status_of(answer) == (401 if "credentials" in more else 200)
    finally:
        server.close()


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /../../etc/passwd HTTP/1.1\r\n\r\n", 404),
        (b"GET /%2e%2e/etc/passwd HTTP/1.1\r\n\r\n", 404),
        (b"POST /x HTTP/1.1\r\nContent-Length: 9\r\n\r\n", 405),
        (b"DELETE /x HTTP/1.1\r\n\r\n", 405),
        (b"hello\r\n\r\n", 400),
        (b"GET /x\r\n\r\n", 400),
        (b"GET /x SMTP/1.1\r\n\r\n", 400),
        (b"\xff\xfe\x00 \x00 \x00\r\n\r\n", 400),
        (b"GET /x HTTP/1.1\r\nX: " + 20_000 * b"a" + b"\r\n\r\n", 431),
    ],
)
def test_hostile_requests_are_refused(server: Server, request_: bytes, status: int) -> None:
    answer = ask(server, request_)
    assert status_of(answer) == status
    assert b"root:" not in answer
    assert status_of(ask(server, b"GET /x HTTP/1.1\r\n\r\n")) == 200


def test_slow_clients_lose_their_place_and_the_others_get_in(server: Server) -> None:
    slow = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(CLIENTS + 10)]
    for client in slow:
        client.sendall(b"GET /x HT")
    wait_for(lambda: ask(server, b"GET /x HTTP/1.1\r\n\r\n").endswith(b"hello"), "slow clients keep everybody out")
    for client in slow:
        client.settimeout(PATIENCE_S)
        with contextlib.suppress(ConnectionResetError):
            assert client.recv(100) == b""
        client.close()


def watch(server: Server) -> socket.socket:
    """A client that asks for the feed and has its first byte."""
    client = socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
    client.sendall(b"GET /feed HTTP/1.1\r\n\r\n")
    assert client.recv(1) == b"H"
    return client


def wait_for_feeds(count: int) -> None:
    wait_for(lambda: len(open_feeds) == count, f"there are never {count} open feeds")


def test_a_viewer_gets_one_part_after_the_other_and_may_leave(server: Server) -> None:
    with watch(server) as client:
        got = 0
        while got < 8 * PART:
            got += len(client.recv(1 << 16))
        wait_for_feeds(1)
    wait_for_feeds(0)
    assert status_of(ask(server, b"GET /x HTTP/1.1\r\n\r\n")) == 200


def test_a_viewer_that_never_reads_is_let_go_with_all_that_was_kept_for_him(server: Server) -> None:
    with watch(server) as client:
        wait_for_feeds(1)
        wait_for_feeds(0)  # after _PATIENCE_S, here 1 s
        got = 0
        with contextlib.suppress(ConnectionError):
            while part := client.recv(1 << 16):
                got += len(part)
        assert got < 2 * PART


def test_viewers_beyond_the_last_place_are_refused_and_others_are_not(server: Server) -> None:
    viewers = [watch(server) for _ in range(VIEWERS)]
    try:
        assert status_of(ask(server, b"GET /feed HTTP/1.1\r\n\r\n")) == 503
        assert status_of(ask(server, b"GET /x HTTP/1.1\r\n\r\n")) == 200
    finally:
        for viewer in viewers:
            viewer.close()
    wait_for_feeds(0)
    watch(server).close()


def test_a_feed_that_breaks_costs_one_viewer(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    assert ask(server, b"GET /broken HTTP/1.1\r\n\r\n").endswith(b"hello")
    assert "a request failed" in caplog.text
    assert status_of(ask(server, b"GET /x HTTP/1.1\r\n\r\n")) == 200


def test_a_server_that_closes_lets_its_viewers_go() -> None:
    server = Server(Web(port=0), respond)
    with watch(server) as client:
        wait_for_feeds(1)
        server.close()
        wait_for_feeds(0)
        with contextlib.suppress(ConnectionError):
            while client.recv(1 << 16):
                pass


def test_a_bug_in_a_page_costs_one_request(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    assert ask(server, b"GET /bug HTTP/1.1\r\n\r\n") == b""
    assert "a request failed" in caplog.text
    assert status_of(ask(server, b"GET /x HTTP/1.1\r\n\r\n")) == 200


def test_a_password_is_asked_for_where_there_is_one(tmp_path: Path) -> None:
    (tmp_path / "web").write_text("me:secret")
    (tmp_path / "web").chmod(0o600)
    server = Server(Web(port=0, credentials=str(tmp_path / "web")), respond)
    good = base64.b64encode(b"me:secret")
    try:
        for value, status in ((good, 200), (base64.b64encode(b"me:wrong"), 401), (b"", 401)):
            request = b"GET /x HTTP/1.1\r\nauthorization: Basic " + value + b"\r\n\r\n"
            assert status_of(ask(server, request)) == status
        assert b"WWW-Authenticate: Basic" in ask(server, b"GET /x HTTP/1.1\r\n\r\n")
    finally:
        server.close()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
@pytest.mark.parametrize("as_credential", [False, True])
def test_tls_is_spoken_where_there_is_a_certificate(
    tmp_path: Path, as_credential: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = tmp_path / "web.pem", tmp_path / "web.key"
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    names = ["-subj", "/CN=board", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*make, *files, *names], check=True, capture_output=True)
    if as_credential:
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    server = Server(Web(port=0, certificate=str(certificate), key="web.key" if as_credential else str(key)), respond)
    try:
        context = ssl.create_default_context(cafile=str(certificate))
        with urllib.request.urlopen(
            f"https://127.0.0.1:{server.port}/x", timeout=PATIENCE_S, context=context
        ) as answer:
            assert answer.read() == b"hello"
    finally:
        server.close()


def test_a_port_that_is_taken_and_keys_that_are_missing_are_said(server: Server, tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match=f"cannot listen on 127.0.0.1 port {server.port}"):
        Server(Web(port=server.port), respond)
    with pytest.raises(NotFoundError, match=r"none\.pem: expected a certificate and its key"):
        Server(Web(port=0, certificate=str(tmp_path / "none.pem"), key=str(tmp_path / "none.key")), respond)
