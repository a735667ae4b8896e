"""A listening socket whose connections are bounded in number and in time, from the moment they are accepted.

The bounds hold for what has not yet spoken TLS or sent a request as well: a connection has one of `CLIENTS` places, for
`PATIENCE_S` at most. Where all are taken, the newest gets the place of the oldest, so that nobody who is slow or silent
keeps others out. Only viewers, `VIEWERS` at most, stay for as long as they read.
"""

import asyncio
import contextlib
import socket
import time
from typing import Any

CLIENTS = 64
VIEWERS = 16
PATIENCE_S = 5.0
# How many are accepted before those that are there get their turn: few, so that a flood does not push out at once
# whoever has come before it.
ACCEPTED_AT_ONCE = 8
_WAITING = 1024  # connections that the kernel keeps until they are accepted
# What the kernel keeps for a viewer that is slow (it doubles this): about three pictures, so that the view is not old.
_KEPT_BYTES = 1 << 17
_TICK_S = 0.25


class Connection(socket.socket):
    """One accepted connection. It is closed by the event loop, which `drop` makes it do."""

    def __init__(self, listener: "Listener", peer: tuple[str, int], fileno: int):
        super().__init__(listener.family, listener.type, listener.proto, fileno)
        self._listener = listener
        self.peer = peer
        self.since_s = time.monotonic()
        self.is_asking = True  # no whole request came so far
        self.is_viewer = False
        self.is_dropped = False

    def stay(self) -> bool:
        """Make this connection a viewer's, which has no time limit; False where there are `VIEWERS` already."""
        self.is_viewer = self.is_viewer or self._listener.viewers < VIEWERS
        return self.is_viewer

    def drop(self) -> None:
        """End the connection, in both directions and whatever state it is in; the event loop notices and closes it."""
        self.is_dropped = True
        with contextlib.suppress(OSError):  # the other side was faster
            self.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """See `socket.close`; the place is free."""
        self._listener.forget(self)
        super().close()


class Listener(socket.socket):
    """Listens on `address` and `port`, 0 for any. All methods but `close` belong to the thread of the event loop.

    Raises OSError where it cannot.
    """

    def __init__(self, address: str, port: int):
        super().__init__(family_of(address), socket.SOCK_STREAM)
        self._open: dict[tuple[str, int], Connection] = {}  # by the peer's address and port, the oldest first
        try:
            self.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KEPT_BYTES)  # connections inherit it
            if self.family == socket.AF_INET6:
                self.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # whatever the system's default is
            self.bind((address, port))
            self.listen()
        except OSError:
            self.close()
            raise

    def listen(self, backlog: int = _WAITING, /) -> None:
        """See `socket.listen`; the event loop gives here the number that it accepts at once, which is another one."""
        super().listen(_WAITING)

    def accept(self) -> tuple[Connection, Any]:
        """See `socket.accept`; the oldest connection is dropped where there are too many."""
        accepted, address = super().accept()
        connection = Connection(self, address[:2], accepted.detach())
        kept = [each for each in self._open.values() if not each.is_dropped]
        if len(kept) >= CLIENTS:
            min(kept, key=lambda each: (each.is_viewer, not each.is_asking, each.since_s)).drop()
        self._open[connection.peer] = connection
        return connection, address

    def of(self, peer: tuple[str, int]) -> Connection | None:
        """The open connection of the client with this address and port."""
        return self._open.get(peer)

    def forget(self, connection: Connection) -> None:
        """`connection` is closed."""
        if self._open.get(connection.peer) is connection:
            del self._open[connection.peer]

    @property
    def viewers(self) -> int:
        """How many connections are viewers'."""
        return sum(each.is_viewer for each in self._open.values())

    async def watch(self) -> None:
        """Drop whoever takes too long; never ends."""
        while True:
            await asyncio.sleep(_TICK_S)
            limit_s = time.monotonic() - PATIENCE_S
            for each in list(self._open.values()):
                if each.since_s < limit_s and not each.is_viewer:
                    each.drop()

    def drop_all(self) -> None:
        """Drop all connections."""
        for each in list(self._open.values()):
            each.drop()


def family_of(address: str) -> socket.AddressFamily:
    """Whether an address in numbers is one of IPv4 or of IPv6."""
    return socket.AF_INET6 if ":" in address else socket.AF_INET
