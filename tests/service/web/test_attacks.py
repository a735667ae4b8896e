"""Clients that are slow, silent or many, with real sockets: what they cost, and whom they keep out."""

import contextlib
import logging
import os
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.service.web import connections
from edge.service.web.connections import CLIENTS, VIEWERS
from edge.service.web.http import Server
from tests.field import PATIENCE_S, make_certificate, wait_for
from tests.service.web.small_site import (
    PART,
    ask,
    get,
    needs_openssl,
    serve,
    silent_clients,
    status_of,
    trusting,
    wait_for_feeds,
    watch,
)

# Python 3.10 says so of each TLS connection that the other side ended.
pytestmark = pytest.mark.filterwarnings("ignore:.*_SSLProtocolTransport:pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(connections, "PATIENCE_S", 1.0)
    server = serve()
    yield server
    server.close()


def connect(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S)


def is_over(client: socket.socket) -> bool:
    """Wait for the end of the connection."""
    with contextlib.suppress(ConnectionResetError):
        while client.recv(1 << 16):
            pass
    return True


def test_slow_clients_keep_nobody_out_and_lose_their_place(monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve()
    slow = [connect(server) for _ in range(CLIENTS)]
    try:
        for client in slow:
            client.sendall(b"GET /x HT")
        for _ in range(CLIENTS // 2):  # each pushes out the oldest of those that have not asked for anything
            assert ask(server, get("/x")).endswith(b"hello")
        monkeypatch.setattr(connections, "PATIENCE_S", 0.0)
        assert all(is_over(client) for client in slow)
    finally:
        for client in slow:
            client.close()
        server.close()


def test_a_request_that_drips_in_is_not_waited_for(server: Server) -> None:
    with connect(server) as client:
        client.settimeout(0.1)
        for number in range(600):
            with contextlib.suppress(TimeoutError):
                client.sendall(b"GET /x HTTP/1.1\r\n"[number : number + 1] or b"a")
                if client.recv(100) == b"":
                    break
        else:
            pytest.fail("a request that never ends is read for ever")


def test_an_answer_that_is_not_read_is_not_kept(server: Server) -> None:
    with connect(server) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        client.sendall(get("/large"))
        wait_for(lambda: bool(server._listener._open), "it is not accepted")
        wait_for(lambda: not server._listener._open, "a client that does not read keeps its place")
        got = 0
        with contextlib.suppress(ConnectionError):
            while part := client.recv(1 << 16):
                got += len(part)
        assert got < 8 * PART


def test_a_viewer_gets_one_part_after_the_other_and_may_leave(server: Server) -> None:
    with watch(server) as client:
        got = 0
        while got < 8 * PART:
            got += len(client.recv(1 << 16))
        wait_for_feeds(1)
    wait_for_feeds(0)
    assert status_of(ask(server, get("/x"))) == 200


def test_a_viewer_stays_longer_than_anybody_else_may(server: Server) -> None:
    with watch(server) as client, connect(server) as silent:
        silent.setblocking(False)
        with contextlib.suppress(ConnectionResetError):
            while True:
                assert client.recv(1 << 16)
                with contextlib.suppress(BlockingIOError):
                    assert silent.recv(1) == b""
                    break
        assert client.recv(1 << 16)


def test_a_viewer_that_never_reads_is_let_go_with_all_that_was_kept_for_him(server: Server) -> None:
    with watch(server) as client:
        wait_for_feeds(1)
        wait_for_feeds(0)
        got = 0
        with contextlib.suppress(ConnectionError):
            while part := client.recv(1 << 16):
                got += len(part)
        assert got < 3 * PART


def test_viewers_beyond_the_last_place_are_refused_and_others_are_not(server: Server) -> None:
    viewers = [watch(server) for _ in range(VIEWERS)]
    slow = [connect(server) for _ in range(CLIENTS)]
    try:
        assert status_of(ask(server, get("/feed"))) == 503
        assert status_of(ask(server, get("/x"))) == 200
        for viewer in viewers:  # whoever is slow pushes out no viewer
            assert viewer.recv(100)
    finally:
        for client in viewers + slow:
            client.close()
    wait_for_feeds(0)
    watch(server).close()


def test_a_feed_that_breaks_costs_one_viewer(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    assert b"hello" in ask(server, get("/broken"))
    assert "a request failed: GET /broken" in caplog.text
    assert status_of(ask(server, get("/x"))) == 200


def test_a_server_that_closes_lets_its_viewers_go() -> None:
    server = serve()
    with watch(server) as client:
        wait_for_feeds(1)
        server.close()
        wait_for_feeds(0)
        assert is_over(client)
    assert not server._thread.is_alive()


@needs_openssl
def test_a_view_goes_on_over_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate, key = make_certificate(tmp_path)
    server = serve(certificate=str(certificate), key=str(key))
    try:
        monkeypatch.setattr(connections, "PATIENCE_S", 0.2)  # a view is longer than that
        with trusting(certificate).wrap_socket(connect(server), server_hostname="127.0.0.1") as client:
            client.sendall(get("/parts"))
            got = b""
            while part := client.recv(1 << 16):
                got += part
        assert [got.count(b"--%02d" % number) for number in range(50)] == [1] * 50
        # and one who does not read is let go
        with trusting(certificate).wrap_socket(connect(server), server_hostname="127.0.0.1") as client:
            client.sendall(get("/feed"))
            assert client.recv(1) == b"H"
            wait_for_feeds(1)
            wait_for_feeds(0)
            wait_for(lambda: not server._listener._open, "a viewer that does not read keeps its place", 60)
    finally:
        server.close()


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def resident_mib() -> float:
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) / 1024


@needs_openssl
@pytest.mark.parametrize("tls", [False, True])
def test_three_thousand_silent_connections_cost_next_to_nothing(
    tmp_path: Path, tls: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    certificate, key = make_certificate(tmp_path)
    server = serve(certificate=str(certificate), key=str(key)) if tls else serve()

    def hello() -> bytes:
        client = connect(server)
        if tls:
            client = trusting(certificate).wrap_socket(client, server_hostname="127.0.0.1")
        with client:
            client.sendall(get("/x"))
            return client.recv(4096)

    try:
        assert status_of(hello()) == 200
        before, before_mib = descriptors(), resident_mib()
        with silent_clients(server.port):
            assert descriptors() < before + 2 * CLIENTS
            assert resident_mib() < before_mib + 100  # asyncio has a buffer of 256 KiB for each TLS connection
            for _ in range(10):
                assert status_of(hello()) == 200
        wait_for(lambda: descriptors() <= before + 2, "their descriptors stay open")
        assert caplog.records == []
    finally:
        server.close()


@needs_openssl
def test_nonsense_in_place_of_a_handshake_costs_one_connection(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    certificate, key = make_certificate(tmp_path)
    server = serve(certificate=str(certificate), key=str(key))
    try:
        for nonsense in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff" + 70_000 * b"a", b""):
            with connect(server) as client:
                with contextlib.suppress(ConnectionError):
                    client.sendall(nonsense)
                    client.shutdown(socket.SHUT_WR)
                assert is_over(client)
        with pytest.raises(ssl.SSLError):  # a browser that does not trust the certificate
            ssl.create_default_context().wrap_socket(connect(server), server_hostname="127.0.0.1")
        with trusting(certificate).wrap_socket(connect(server), server_hostname="127.0.0.1") as client:
            client.sendall(get("/x"))
            assert status_of(client.recv(4096)) == 200
        assert caplog.records == []
    finally:
        server.close()
