"""What the service manager hears, on a real datagram socket."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.service.notify import Watchdog, notify
from tests.video.fakes import FakeClock


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(tmp_path / "notify"))
        server.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield server


def heard(manager: socket.socket) -> list[bytes]:
    manager.setblocking(False)
    found = []
    while True:
        try:
            found.append(manager.recv(4096))
        except BlockingIOError:
            return found


def test_the_manager_hears_what_is_sent(manager: socket.socket) -> None:
    assert notify("READY=1\nSTATUS=2 of 3 cameras online")
    assert heard(manager) == [b"READY=1\nSTATUS=2 of 3 cameras online"]


def test_abstract_sockets_are_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(f"\0nanotrack-{os.getpid()}")
        monkeypatch.setenv("NOTIFY_SOCKET", f"@nanotrack-{os.getpid()}")
        assert notify("READY=1")
        assert heard(server) == [b"READY=1"]


def test_without_a_manager_nothing_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert not notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    assert not notify("READY=1")


def test_the_watchdog_is_fed_four_times_within_its_limit(
    manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "20000000")
    clock = FakeClock()
    watchdog = Watchdog(clock)
    for _ in range(200):  # 20 s of a loop that goes round ten times a second
        watchdog.feed()
        clock.now_s += 0.1
    assert heard(manager) == [b"WATCHDOG=1"] * 4


@pytest.mark.parametrize(("name", "value"), [("WATCHDOG_USEC", ""), ("WATCHDOG_PID", "1")])
def test_a_watchdog_that_is_not_meant_for_us_is_left_alone(
    manager: socket.socket, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "20000000")
    monkeypatch.setenv(name, value)
    Watchdog(FakeClock()).feed()
    assert heard(manager) == []


def test_what_takes_long_has_a_limit_of_its_own(manager: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "20000000")
    watchdog = Watchdog(FakeClock())
    with watchdog.patient(300):
        assert heard(manager) == [b"WATCHDOG=1\nWATCHDOG_USEC=300000000"]
    assert heard(manager) == [b"WATCHDOG=1\nWATCHDOG_USEC=20000000"]
    watchdog.feed()
    assert heard(manager) == []  # it has just been fed


def test_without_a_watchdog_nothing_is_said_of_its_limit(manager: socket.socket) -> None:
    with Watchdog(FakeClock()).patient(300):
        pass
    assert heard(manager) == []
