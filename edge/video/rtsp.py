"""What an RTSP server (RFC 2326) says against sending pictures: FFmpeg inside OpenCV does not tell."""

import re
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlsplit

from edge.errors import NotFoundError
from edge.video.address import without_login
from edge.video.login import Login
from edge.video.reasons import refusal

_LONGEST_REPLY = 1 << 18
_TRANSPORTS = {"tcp": "RTP/AVP/TCP;unicast;interleaved=0-1", "udp": "RTP/AVP;unicast;client_port=49170-49171"}


class _Reply(NamedTuple):
    code: int
    phrase: str
    challenges: list[str]
    body: str


def objection(
    connection: socket.socket, address: str, until_s: float, transport: str | None = None
) -> NotFoundError | None:
    """Why the server at the other end of `connection` does not send `address`, None where it would begin to.

    Asked is what FFmpeg asks before the first picture, for one `transport` or any, until `until_s` of the monotonic
    clock. Raises OSError.
    """
    bare, user, password = without_login(address)
    server, login = _Server(connection, until_s), Login(user, password)
    reply = server.ask("DESCRIBE", bare, login, {"Accept": "application/sdp"})
    if reply.code != 200:
        return refusal(reply.code, reply.phrase, user is not None)
    track = _picture_track(bare, reply.body)
    if track is None:
        return NotFoundError("answers, but has no picture, only other streams")
    for asked in _TRANSPORTS.values() if transport is None else (_TRANSPORTS[transport],):
        reply = server.ask("SETUP", track, login, {"Transport": asked})
        if reply.code != 461:
            break
    return None if reply.code == 200 else refusal(reply.code, reply.phrase, user is not None)


@dataclass
class _Server:
    connection: socket.socket
    until_s: float
    count: int = 0

    def ask(self, method: str, address: str, login: Login, head: Mapping[str, str]) -> _Reply:
        """The answer, to a second request with a login where the first one is not answered without."""
        reply = self._request(method, address, {**head, **login.header(method, address)})
        if reply.code == 401 and login.learn(reply.challenges):
            reply = self._request(method, address, {**head, **login.header(method, address)})
        return reply

    def _request(self, method: str, address: str, head: Mapping[str, str]) -> _Reply:
        self.count += 1
        lines = [f"{method} {address} RTSP/1.0", f"CSeq: {self.count}", *(f"{k}: {v}" for k, v in head.items()), "", ""]
        self._limit()
        self.connection.sendall("\r\n".join(lines).encode())
        data = b""
        while b"\r\n\r\n" not in data and len(data) < _LONGEST_REPLY:
            data += self._receive()
        text, _, body = data.partition(b"\r\n\r\n")
        first, *rest = text.decode("latin-1").split("\r\n")
        status = re.fullmatch(r"RTSP/\d\.\d (\d{3}) ?(.*)", first)
        if status is None:
            raise ConnectionAbortedError("no RTSP")
        fields = [(name.strip().lower(), value.strip()) for name, _, value in (line.partition(":") for line in rest)]
        length = int(next((v for k, v in fields if k == "content-length" and v.isdecimal()), "0"))
        while len(body) < min(length, _LONGEST_REPLY):
            body += self._receive()
        challenges = [v for k, v in fields if k == "www-authenticate"]
        return _Reply(int(status[1]), status[2], challenges, body.decode("utf-8", "replace"))

    def _receive(self) -> bytes:
        self._limit()
        chunk = self.connection.recv(4096)
        if not chunk:
            raise ConnectionResetError("closed")
        return chunk

    def _limit(self) -> None:
        self.connection.settimeout(max(0.01, self.until_s - time.monotonic()))


def _picture_track(address: str, description: str) -> str | None:
    """The address of the first picture stream in a description (SDP, RFC 8866), None without one."""
    _, found, rest = description.partition("m=video")
    if not found:
        return None
    control = re.search(r"^a=control:(\S+)", rest.partition("\nm=")[0], re.MULTILINE)
    name = control[1] if control else "*"
    if urlsplit(name).scheme:
        return name
    return address if name == "*" else f"{address.rstrip('/')}/{name}"
