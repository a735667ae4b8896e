"""Who may ask the web server for what, and how it is answered."""

import base64
import http.client
import logging
import socket
import ssl
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.errors import ConfigError, NotFoundError, UnavailableError
from edge.service.web.http import Server, checks
from edge.settings.config import Web
from tests.field import PATIENCE_S, make_certificate, wait_for
from tests.service.web.small_site import ask, get, needs_openssl, serve, status_of, trusting


def check(settings: Web) -> None:
    """Raise what `nanotrack check` would tell first."""
    for each in checks(settings):
        each.act()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = serve()
    yield server
    server.close()


def test_a_page_is_served(server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
    connection.request("GET", "/x?from=here")
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (200, b"hello")
    assert answer.getheader("Content-Type") == "text/plain; charset=utf-8"
    assert answer.getheader("X-More") == "yes"
    assert answer.getheader("Cache-Control") == "no-store"
    assert answer.getheader("X-Content-Type-Options") == "nosniff"
    assert answer.getheader("X-Frame-Options") == "DENY"
    assert answer.getheader("Referrer-Policy") == "no-referrer"
    assert answer.getheader("Cross-Origin-Resource-Policy") == "same-origin"
    assert answer.getheader("Server") is None
    connection.close()


def test_a_server_that_failed_is_said_and_can_be_closed(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*rest: object) -> None:
        raise OSError("no descriptor is left")

    monkeypatch.setattr("uvicorn.Server.serve", fails)
    server = serve()
    wait_for(lambda: not server._thread.is_alive(), "it goes on")
    assert "the server failed; the daemon goes on without it" in caplog.text
    server.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8080", "[::1]:8080", "localhost:80", "LOCALHOST"])
def test_a_host_in_numbers_is_served(server: Server, host: str) -> None:
    assert status_of(ask(server, get("/x", host=host))) == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "[::1", ""])
def test_a_site_whose_name_was_made_to_point_here_is_turned_away(server: Server, host: str) -> None:
    assert status_of(ask(server, get("/x", host=host))) == 421
    assert status_of(ask(server, get("/x", "Host: localhost", host=host))) == 400


@pytest.mark.parametrize("more", [{"insecure": True}, {"credentials": "web"}])
def test_any_name_is_served_where_the_owner_says_who_may_ask(
    tmp_path: Path, more: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "web").write_text("me:secret")
    (tmp_path / "web").chmod(0o600)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    server = serve(**more)
    try:
        assert status_of(ask(server, get("/x", host="board.local"))) == (401 if "credentials" in more else 200)
    finally:
        server.close()


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (get("/../../etc/passwd"), 404),
        (get("/%2e%2e/etc/passwd"), 404),
        (get("http://evil.example/x"), 404),
        (b"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n", 405),
        (b"DELETE /x HTTP/1.1\r\nHost: localhost\r\n\r\n", 405),
        (b"GET /x HTTP/1.1\r\n\r\n", 400),
        (b"hello\r\n\r\n", 400),
        (b"GET /x\r\n\r\n", 400),
        (b"GET /x SMTP/1.1\r\n\r\n", 400),
        (b"\xff\xfe\x00 \x00 \x00\r\n\r\n", 400),
        (get("/x", "X: " + 20_000 * "a")[:-4], 400),  # and no end comes
        (get("/x", "Content-Length: 1", "Transfer-Encoding: chunked"), 200),
        (get("/x", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"), 200),
    ],
)
def test_hostile_requests_are_refused(server: Server, request_: bytes, status: int) -> None:
    answer = ask(server, request_)
    assert status_of(answer) == status
    assert b"root:" not in answer
    assert status_of(ask(server, get("/x"))) == 200


def test_what_comes_from_a_page_of_another_site_is_refused_where_it_is_no_mere_question(server: Server) -> None:
    def post(*headers: str) -> int:
        return status_of(ask(server, get("/x", *headers).replace(b"GET", b"POST", 1)))

    assert post("Origin: http://evil.example") == 403
    assert post("Origin: null") == 403
    assert post("Origin: http://localhost:81") == 403
    assert post("Sec-Fetch-Site: cross-site") == 403
    assert post("Origin: http://localhost") == 405  # it may ask; here is nothing to change
    assert post("Origin: https://localhost", "Sec-Fetch-Site: same-origin") == 405
    assert status_of(ask(server, get("/x", "Origin: http://evil.example"))) == 200


def test_a_bug_in_a_page_costs_one_request(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    assert status_of(ask(server, get("/bug"))) == 500
    assert caplog.text.count("a request failed: GET /bug") == 1
    assert "ZeroDivisionError" in caplog.text
    assert status_of(ask(server, get("/x"))) == 200


def basic(text: str) -> str:
    return "Authorization: Basic " + base64.b64encode(text.encode()).decode()


def test_a_password_is_asked_for_where_there_is_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "web").write_text("me:sécret")
    (tmp_path / "web").chmod(0o600)
    server = serve(credentials=str(tmp_path / "web"))
    try:
        for header, status in ((basic("me:sécret"), 200), (basic("me:wrong"), 401), ("X: none", 401)):
            assert status_of(ask(server, get("/x", header))) == status
        assert b"www-authenticate: Basic" in ask(server, get("/x"))
        assert [record.levelno for record in caplog.records] == [logging.WARNING]  # asking without one is no failure
        assert "wrong user or password from 127.0.0.1, failure 1" in caplog.text
    finally:
        server.close()


def test_who_guesses_passwords_waits_and_others_do_not(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "web").write_text("me:secret")
    (tmp_path / "web").chmod(0o600)
    server = serve(credentials=str(tmp_path / "web"))
    try:
        answers = [ask(server, get("/x", basic(f"me:{number}"))) for number in range(30)]
        statuses = [status_of(answer) for answer in answers]
        assert statuses[:5] == [401] * 5
        assert statuses.count(429) >= 20
        assert any(b"retry-after: " in answer for answer in answers)
        heard = caplog.text.count("wrong user or password from 127.0.0.1")
        assert heard == statuses.count(401)  # and the log has a line for each that was heard
        assert status_of(ask(server, get("/x", basic("me:secret")))) == 429
        assert status_of(ask(server, get("/x", basic("me:secret")), source="127.0.0.2")) == 200
        assert status_of(ask(server, get("/x"))) == 401
    finally:
        server.close()


@needs_openssl
@pytest.mark.parametrize("as_credential", [False, True])
def test_tls_is_spoken_where_there_is_a_certificate(
    tmp_path: Path, as_credential: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = make_certificate(tmp_path)
    if as_credential:
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    server = serve(certificate=str(certificate), key="web.key" if as_credential else str(key))
    try:
        address, context = f"https://127.0.0.1:{server.port}/x", trusting(certificate)
        with urllib.request.urlopen(address, timeout=PATIENCE_S, context=context) as answer:
            assert answer.read() == b"hello"
        old = trusting(certificate)
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        with urllib.request.urlopen(address, timeout=PATIENCE_S, context=old) as answer:
            assert answer.status == 200
    finally:
        server.close()


def test_a_port_that_is_taken_and_keys_that_are_missing_are_said(server: Server, tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match=f"cannot listen on 127.0.0.1 port {server.port}"):
        Server(Web(port=server.port), serve)  # type: ignore[arg-type]
    missing: dict[str, Any] = {"certificate": str(tmp_path / "none.pem"), "key": str(tmp_path / "none.key")}
    for attempt in (lambda: serve(**missing), lambda: check(Web(**missing))):
        with pytest.raises(NotFoundError, match=r"none\.pem: expected a certificate and its key"):
            attempt()
    (tmp_path / "web").write_text("me:")
    (tmp_path / "web").chmod(0o600)
    with pytest.raises(ConfigError, match="expected a password for the pages"):
        check(Web(credentials=str(tmp_path / "web")))
    with pytest.raises(UnavailableError, match="another program"):
        check(Web(port=server.port))


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="no IPv6 here")
def test_ipv6_is_spoken() -> None:
    server = serve(address="::1")
    try:
        with urllib.request.urlopen(f"http://[::1]:{server.port}/x", timeout=PATIENCE_S) as answer:
            assert answer.read() == b"hello"
    finally:
        server.close()


@pytest.mark.parametrize("missing", ["starlette", "uvicorn", "prometheus_client"])
def test_without_the_extra_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    name = missing.replace("_", "-")
    with pytest.raises(UnavailableError, match=rf"needs {name}; install it with pip install 'nanotrack-edge\[web\]'"):
        check(Web())
