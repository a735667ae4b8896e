"""Messages to the service manager: systemd's notification protocol (sd_notify(3)), and its watchdog."""

import contextlib
import os
import socket
import time
from collections.abc import Callable, Iterator


def notify(state: str) -> bool:
    """Send `state` ("READY=1", "STATUS=...") to the service manager; False when there is none or it is gone."""
    path = os.environ.get("NOTIFY_SOCKET")
    if not path:
        return False
    address = "\0" + path[1:] if path[0] == "@" else path
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.connect(address)
            channel.sendall(state.encode())
    except OSError:
        return False
    return True


class Watchdog:
    """Reports to the service manager that the loop is running. Only the loop itself may call `feed`.

    Nothing is sent unless the manager asked this process for it (WATCHDOG_USEC, WATCHDOG_PID).
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        asked_us = os.environ.get("WATCHDOG_USEC", "0")
        for_us = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self._limit_us = int(asked_us) if asked_us.isdecimal() and for_us else 0
        # systemd advises half of the limit; a quarter leaves time for a slow frame.
        self._period_s = self._limit_us / 1e6 / 4
        self._clock = clock
        self._fed_s = float("-inf")

    def feed(self) -> None:
        """A cycle is finished."""
        now_s = self._clock()
        if self._period_s and now_s - self._fed_s >= self._period_s:
            self._fed_s = now_s
            notify("WATCHDOG=1")

    @contextlib.contextmanager
    def patient(self, limit_s: float) -> Iterator[None]:
        """Let one thing take up to `limit_s`; afterwards the usual limit holds again."""
        if not self._period_s:
            yield
            return
        notify(f"WATCHDOG=1\nWATCHDOG_USEC={round(limit_s * 1e6)}")
        try:
            yield
        finally:
            notify(f"WATCHDOG=1\nWATCHDOG_USEC={self._limit_us}")
            self._fed_s = self._clock()
