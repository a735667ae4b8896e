"""An answer that goes on for as long as somebody watches it."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator

from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from edge.service.web import connections
from edge.service.web.connections import Connection
from edge.service.web.guard import CONNECTION


class Live(Response):
    """Sends `parts`, one after the other, until they end, the viewer goes, or reads nothing for a while.

    Beyond the last viewer's place the answer is 503.
    """

    def __init__(self, media_type: str, parts: AsyncGenerator[bytes, None]):
        super().__init__(media_type=media_type)
        del self.headers["content-length"]
        self._parts = parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See `starlette.responses.Response`."""
        connection: Connection = scope[CONNECTION]
        if not connection.stay():
            await PlainTextResponse("Service Unavailable: too many watch already\n", 503)(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        if scope["method"] == "HEAD":
            await send({"type": "http.response.body", "body": b""})
            return
        sending = asyncio.ensure_future(self._send(send, connection))
        leaving = asyncio.ensure_future(_left(receive))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()
        finally:
            for task in (sending, leaving):
                task.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)

    async def _send(self, send: Send, connection: Connection) -> None:
        loop = asyncio.get_running_loop()
        async with contextlib.aclosing(self._parts) as parts:
            async for part in parts:
                # What he does not read is not kept for him. (No asyncio.wait_for: up to Python 3.11 it may swallow the
                # cancellation of who waits.)
                limit = loop.call_later(connections.PATIENCE_S, connection.drop)
                await send({"type": "http.response.body", "body": part, "more_body": True})
                limit.cancel()
        await send({"type": "http.response.body", "body": b""})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
