"""Every mistake in what a configuration of the fleet refers to, found at once and before anything runs."""

import os
from collections.abc import Callable
from pathlib import Path

from edge.errors import ConfigError, NanoTrackError, OutputError
from edge.fleet.broker import Connection
from edge.fleet.settings import FleetConfig
from edge.service.web import http


def check(config: FleetConfig, path: Path) -> None:
    """Raise ConfigError with what would stop `nanotrack fleet`. Nothing is sent over the network."""
    checks: list[tuple[str, Callable[[], object]]] = [
        ("mqtt", lambda: Connection(config.mqtt)),
        ("state.path", lambda: _check_writable(Path(config.state.path))),
    ]
    web = config.web
    if web is not None:
        checks += [("web", http.require_extra), ("web", lambda: http.check(web))]
    mistakes = []
    for key, act in checks:
        try:
            act()
        except NanoTrackError as error:
            mistakes.append(f"{key}: {error}")
    if mistakes:
        raise ConfigError("\n  ".join([f"{path}: {len(mistakes)} to correct:", *mistakes]))


def _check_writable(path: Path) -> None:
    folder = path.parent
    if not folder.is_dir():
        raise OutputError(f"{folder}: expected a folder, found none; make it or name another")
    if not os.access(folder, os.W_OK | os.X_OK) or (path.exists() and not os.access(path, os.W_OK)):
        raise OutputError(f"{path}: this user may not write there; change its owner or name another")
