"""Track several cameras continuously, as a service.

  nanotrack serve --config nanotrack.toml

SIGHUP reloads the configuration (a file with mistakes changes nothing). SIGTERM or Ctrl-C ends all tracks, finishes all
outputs and exits with 0 within 10 s; a second one exits at once. Where every camera is a recording, serve ends with the
last one. Check a configuration first with nanotrack check; edge/deploy has a commented one, and the unit for systemd.
"""

import argparse
import logging
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from edge.console.running import StopRequest
from edge.errors import NanoTrackError

if TYPE_CHECKING:
    from edge.service.daemon import Daemon
    from edge.settings.config import Web

logger = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags of `nanotrack serve`."""
    parser.add_argument("--config", type=Path, required=True, metavar="FILE.toml", help="the configuration")


class ReloadRequest:
    """Remembers SIGHUP; `taken` is true once for each. Made and taken by the main thread, noted by any."""

    def __init__(self) -> None:
        self._came = False
        signal.signal(signal.SIGHUP, lambda number, frame: self.note())

    def taken(self) -> bool:
        """Whether a signal came since the last call."""
        came, self._came = self._came, False
        return came

    def note(self) -> None:
        """A reload is wanted."""
        self._came = True


def run(args: argparse.Namespace) -> None:
    """Serve until told to stop. Raises ConfigError, UnavailableError without the extra, and what `Daemon` raises."""
    from edge.service.journal import log_to_journal

    log_to_journal(verbose=args.verbose)
    reload = ReloadRequest()  # before the configuration is read: a request that comes later asks for a newer one
    from edge.service.compiling import announced
    from edge.settings import config

    reading = config.read(args.config)
    with StopRequest() as stop:
        with announced():
            from edge.service.check import look
            from edge.service.daemon import Daemon
            from edge.service.notify import notify
            from edge.service.web.editor import Editor

            found = look(reading)
        if reading.value is None or found.mistakes:
            raise found.error(reading.listed(found.mistakes))
        editor = Editor(args.config, reload.note)
        daemon = Daemon(reading.value, networks=found.networks, editor=editor)
        if reading.value.web is not None:
            logger.info("page: %s", address_of(reading.value.web, daemon.port))
        notify(f"READY=1\nSTATUS={daemon.status}")
        try:
            while not stop.exit_code and not daemon.is_finished:
                if reload.taken():
                    _reload(daemon, args.config)
                daemon.cycle()
        finally:
            daemon.close()
    if daemon.hangs:
        _leave()


def address_of(web: "Web", port: int | None) -> str:
    """Where the page is, for a browser on this board."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(web.address, web.address)
    return f"{'http' if web.certificate is None else 'https'}://{f'[{host}]' if ':' in host else host}:{port}/"


def _leave() -> None:
    """End the process now, successfully, everything else being finished and closed.

    A thread that comes back from a library into an interpreter that is being taken apart would abort the process, and
    one that never comes back would keep it.
    """
    logger.warning("a camera or an output does not come to an end; the process ends without it")
    logging.shutdown()
    os._exit(0)


def _reload(daemon: "Daemon", path: Path) -> None:
    from edge.service.check import look
    from edge.settings import config

    try:
        reading = config.read(path)
        found = look(reading, daemon.config)
        if reading.value is None or found.mistakes:
            logger.error("the old configuration stays in use: %s", reading.listed(found.mistakes))
        else:
            daemon.reload(reading.value)
    except NanoTrackError as error:
        logger.error("%s: the old configuration stays in use: %s", path, error)
