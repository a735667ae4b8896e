"""The web server: uvicorn in a thread of its own, for a handful of clients, with everything bounded.

It must not import the libraries of the extra `[web]` before they are needed: the daemon runs without them.
"""

import asyncio
import contextlib
import errno
import logging
import os
import socket
import ssl
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from edge.errors import ConfigError, NotFoundError, UnavailableError
from edge.service.web.connections import ACCEPTED_AT_ONCE, Listener, family_of
from edge.service.web.logins import Logins
from edge.service.web.neighbour import check_port
from edge.settings import credentials
from edge.settings.config import Web
from edge.settings.survey import Check

if TYPE_CHECKING:
    from starlette.types import ASGIApp

logger = logging.getLogger(__name__)

_HEAD_BYTES = 8192
_STOP_S = 2.0


class Server:
    """Answers requests with `app`, which runs in the server's thread; `port` is where it listens.

    Raises UnavailableError where it cannot listen or the extra `[web]` is missing, NotFoundError for missing secrets or
    keys.
    """

    def __init__(self, settings: Web, app: "ASGIApp"):
        require_extra()
        import uvicorn

        from edge.service.web.guard import Guard

        logins, tls = _logins(settings), _tls(settings)
        try:
            self._listener = Listener(settings.address, settings.port)
        except OSError as error:
            raise _cannot_listen(settings, error) from error
        self.port: int = self._listener.getsockname()[1]
        any_host = settings.insecure or settings.credentials is not None
        config = uvicorn.Config(
            Guard(app, self._listener, logins, any_host=any_host),
            http="h11",
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            log_level="critical",  # the guard logs what fails; who sends nonsense shall not fill the log
            access_log=False,
            proxy_headers=False,  # anybody can write them, and who guesses passwords has to wait by address
            server_header=False,
            backlog=ACCEPTED_AT_ONCE,
            timeout_graceful_shutdown=1,
            h11_max_incomplete_event_size=_HEAD_BYTES,
        )
        config.load()
        config.ssl = tls
        self._server = uvicorn.Server(config)
        self._loop = asyncio.new_event_loop()
        self._loop.set_task_factory(_task)
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening and leave all clients."""
        self._server.should_exit = True
        with contextlib.suppress(RuntimeError):  # the loop has ended before, as where the server failed
            self._loop.call_soon_threadsafe(self._listener.drop_all)
        self._thread.join(_STOP_S)

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        except Exception:
            logger.exception("web: the server failed; the daemon goes on without it")
        finally:
            self._listener.close()
            self._loop.close()

    async def _serve(self) -> None:
        watching = asyncio.ensure_future(self._listener.watch())
        try:
            await self._server.serve([self._listener])
        finally:
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(watching, *tasks, return_exceptions=True)
            await asyncio.sleep(0)  # in which the connections are closed


def _task(loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> "asyncio.Task[Any]":
    """A task that leaves nothing behind for the garbage collector where it fails.

    The exception of a failed TLS handshake refers to the frame that it went through, and that to the exception: each
    would keep asyncio's buffer of 256 KiB until the next full collection, hundreds of megabytes in a flood.
    """
    frame = work.cr_frame
    task = asyncio.Task(work, loop=loop, **options)
    task.add_done_callback(lambda _: frame.clear())
    return task


def checks(settings: Web) -> Iterator[Check]:
    """Each raises what `Server` would raise, though nothing listens."""
    yield Check(("web",), "", require_extra)
    yield Check(("web",), "credentials", lambda: _logins(settings))
    yield Check(("web",), "certificate", lambda: _tls(settings))
    yield Check(("web",), "address", lambda: _require_address(settings))
    yield Check(("web",), "port", lambda: check_port(settings))


def _require_address(settings: Web) -> None:
    """Raise UnavailableError where nobody can listen at the address; whose the port is, is another question."""
    with socket.socket(family_of(settings.address)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.address, settings.port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise _cannot_listen(settings, error) from error


def require_extra() -> None:
    """Raise UnavailableError without the libraries of the extra `[web]`."""
    try:
        import prometheus_client  # noqa: F401
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        name = (error.name or "").replace("_", "-")
        raise UnavailableError(f"[web] needs {name}; install it with pip install 'nanotrack-edge[web]'") from error


def _cannot_listen(settings: Web, error: OSError) -> UnavailableError:
    return UnavailableError(
        f"web: cannot listen on {settings.address} port {settings.port}: {os.strerror(error.errno or 0)};"
        " choose another"
    )


def _logins(settings: Web) -> Logins | None:
    """Who may ask, None where everybody may."""
    if settings.credentials is None:
        return None
    user, password = credentials.read(settings.credentials)
    if not password:
        raise ConfigError(f"{settings.credentials}: expected a password for the pages, found none; write user:password")
    return Logins(user, password)


def _tls(settings: Web) -> ssl.SSLContext | None:
    if settings.certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    key = settings.key and credentials.path_of(settings.key)
    try:
        context.load_cert_chain(credentials.path_of(settings.certificate), key)
    except (OSError, ssl.SSLError) as error:
        raise NotFoundError(f"{settings.certificate}: expected a certificate and its key: {error}") from error
    return context
