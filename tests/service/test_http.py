"""What strangers send to the web server, and what it costs."""

import base64
import contextlib
import http.client
import json
import shutil
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import pytest

from edge import config
from edge.config import Web
from edge.daemon import Daemon
from edge.errors import NotFoundError, UnavailableError
from edge.service import http as web
from edge.service.http import CLIENTS, Response, Server, not_found
from tests.test_daemon import camera, cycle_until, write_config


def respond(path: str) -> Response:
    if path == "/x":
        return Response(HTTPStatus.OK, "text/plain", b"hello")
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
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        answer = b""
        with contextlib.suppress(ConnectionError):  # whoever is turned away may notice it while sending
            client.sendall(request)
            while part := client.recv(4096):
                answer += part
        return answer


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ")[1])


def test_a_page_is_served(server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("GET", "/x?from=here")
    answer = connection.getresponse()
    assert (answer.status, answer.read(), answer.getheader("Content-Type")) == (200, b"hello", "text/plain")
    connection.close()


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
    limit_s = time.monotonic() + 10
    while not ask(server, b"GET /x HTTP/1.1\r\n\r\n").endswith(b"hello"):
        assert time.monotonic() < limit_s, "slow clients keep everybody out"
        time.sleep(0.1)
    for client in slow:
        client.settimeout(5)
        with contextlib.suppress(ConnectionResetError):
            assert client.recv(100) == b""
        client.close()


def test_a_bug_in_a_page_costs_one_request(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    assert ask(server, b"GET /bug HTTP/1.1\r\n\r\n") == b""
    assert "a request failed" in caplog.text
    assert status_of(ask(server, b"GET /x HTTP/1.1\r\n\r\n")) == 200


def test_a_password_is_asked_for_where_there_is_one(tmp_path: Path) -> None:
    (tmp_path / "web").write_text("me:secret")
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
def test_tls_is_spoken_where_there_is_a_certificate(tmp_path: Path) -> None:
    certificate, key = tmp_path / "web.pem", tmp_path / "web.key"
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    names = ["-subj", "/CN=board", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*make, *files, *names], check=True, capture_output=True)
    server = Server(Web(port=0, certificate=str(certificate), key=str(key)), respond)
    try:
        context = ssl.create_default_context(cafile=str(certificate))
        with urllib.request.urlopen(f"https://127.0.0.1:{server.port}/x", timeout=10, context=context) as answer:
            assert answer.read() == b"hello"
    finally:
        server.close()


def test_a_port_that_is_taken_and_keys_that_are_missing_are_said(server: Server, tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match=f"cannot listen on 127.0.0.1 port {server.port}"):
        Server(Web(port=server.port), respond)
    with pytest.raises(NotFoundError, match=r"none\.pem: expected a certificate and its key"):
        Server(Web(port=0, certificate=str(tmp_path / "none.pem"), key=str(tmp_path / "none.key")), respond)


def test_health_and_metrics_of_a_daemon(tiny_pack: Path, tmp_path: Path) -> None:
    pytest.importorskip("prometheus_client")
    path = write_config(
        tmp_path,
        tiny_pack,
        camera("street", "demo://?people=2&size=128x96&fps=20"),
        camera("gone", "rtsp://127.0.0.1:1/x"),
        more="[web]\nport = 0\n",
    )
    daemon = Daemon(config.load(path))
    assert daemon._server is not None
    address = f"http://127.0.0.1:{daemon._server.port}"
    cycle_until(daemon, lambda: daemon.streams[0].tracked > 4)
    with urllib.request.urlopen(f"{address}/healthz", timeout=10) as answer:
        health = json.load(answer)
    assert health["state"] == "running"
    assert health["cameras"]["street"] == {"state": "online", "trouble": ""}
    assert health["cameras"]["gone"]["state"] == "connecting"
    with urllib.request.urlopen(f"{address}/metrics", timeout=10) as answer:
        metrics = answer.read().decode()
    values = dict(line.rsplit(" ", 1) for line in metrics.splitlines() if not line.startswith("#"))
    assert float(values['nanotrack_frames_total{camera="street",outcome="tracked"}']) > 4
    assert values['nanotrack_camera_up{camera="street"}'] == "1.0"
    assert values['nanotrack_camera_up{camera="gone"}'] == "0.0"
    assert float(values['nanotrack_stage_seconds_count{stage="infer"}']) > 4
    assert values['nanotrack_sink_dropped_total{sink="jsonl"}'] == "0.0"

    daemon.cycled_s -= 60  # as if the loop had stood still
    with pytest.raises(urllib.error.HTTPError, match="503") as caught:
        urllib.request.urlopen(f"{address}/healthz", timeout=10)
    caught.value.close()
    daemon.close()
