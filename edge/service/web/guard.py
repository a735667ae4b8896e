"""What every request passes before a page answers it: host, login, origin; and the headers that every answer has."""

import contextlib
import ipaddress
import logging
import math
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edge.console.outgoing import public
from edge.service.web.connections import Listener
from edge.service.web.logins import Logins

logger = logging.getLogger(__name__)

CONNECTION = "nanotrack.connection"  # in the scope of a request: its `Connection`
_READS = ("GET", "HEAD")
# No other site may show our pages or pictures, nor learn where its visitors come from.
_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Connection": "close",
}


class Guard:
    """`app` for those who may ask it. `logins` None: everybody; `any_host`: by any name of this machine.

    Where `app` fails, the request is answered with 500 and the failure is logged.
    """

    def __init__(self, app: ASGIApp, listener: Listener, logins: Logins | None, *, any_host: bool):
        self._app, self._listener, self._logins, self._any_host = app, listener, logins, any_host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI 3)."""
        connection = self._listener.of(scope["client"])
        if connection is None:  # it is gone already
            return
        connection.is_asking = False
        scope[CONNECTION] = connection
        has_begun = False

        async def send_with_headers(message: Message) -> None:
            nonlocal has_begun
            if message["type"] == "http.response.start":
                has_begun = True
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        refusal = self._refusal(scope)
        try:
            await (refusal or self._app)(scope, receive, send_with_headers)
        except Exception:
            logger.exception("web: a request failed: %s %s", scope["method"], public(scope["path"]))
            if has_begun:
                connection.drop()
            else:
                await PlainTextResponse("Internal Server Error\n", 500)(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        if not (self._any_host or _is_numeric(headers.get("host", "localhost"))):
            return PlainTextResponse("Misdirected Request: ask for this machine by its address in numbers\n", 421)
        if self._logins is not None and (refused := self._refused_login(scope["client"][0], headers)):
            return refused
        if scope["method"] not in _READS and not is_same_origin(headers):
            return PlainTextResponse("Forbidden: the request comes from a page of another site\n", 403)
        return None

    def _refused_login(self, address: str, headers: Headers) -> Response | None:
        assert self._logins is not None
        given = headers.get("authorization", "").encode("latin-1")
        if given and (wait_s := self._logins.wait_s(address)):
            wait = {"Retry-After": str(math.ceil(wait_s))}
            return PlainTextResponse("Too Many Requests: too many wrong passwords; wait\n", 429, wait)
        if self._logins.is_right(address, given):
            return None
        ask = {"WWW-Authenticate": 'Basic realm="nanotrack", charset="UTF-8"'}
        return PlainTextResponse("Unauthorized: expected user and password\n", 401, ask)


def is_same_origin(headers: Headers) -> bool:
    """Whether no other site can have led a browser to this request: it comes from a page of ours, or from no browser.

    The scheme is not compared: it is another one behind a proxy that speaks TLS for us.
    """
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc == headers.get("host")


def _is_numeric(host: str) -> bool:
    """Whether a request was for an address in numbers or localhost: no site can have led it here.

    A page from elsewhere whose name is made to point to this machine (DNS rebinding) has that name in its requests.
    """
    name = host[1:].partition("]")[0] if host.startswith("[") and "]" in host else host.partition(":")[0]
    with contextlib.suppress(ValueError):
        return bool(ipaddress.ip_address(name))
    return name.lower() == "localhost"
