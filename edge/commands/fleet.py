"""Give the same person the same number on every camera of many boards, which speak MQTT with one broker.

  nanotrack fleet --config fleet.toml
  nanotrack fleet --config fleet.toml --check

Boards send the appearance of identities with [mqtt] appearance = true. The fleet publishes global identities at
PREFIX/fleet/ and serves a page with who is where. SIGTERM or Ctrl-C ends it with 0; everything that it knows is in one
SQLite file, and the broker keeps what comes meanwhile. --check finds mistakes without starting, as nanotrack check
does, and the fleet begins with the same check. edge/deploy has a commented fleet.toml, a unit for systemd and examples
for brokers.
"""

import argparse
from pathlib import Path

from edge.console.outgoing import say
from edge.errors import ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags of `nanotrack fleet`."""
    parser.add_argument("--config", type=Path, required=True, metavar="FILE.toml", help="the configuration")
    parser.add_argument("--check", action="store_true", help="find all mistakes in it, without starting")


def run(args: argparse.Namespace) -> None:
    """Serve until told to stop. Raises ConfigError, and what `Service` raises."""
    from edge.fleet import settings
    from edge.fleet.check import look

    reading = settings.read(args.config)
    found = look(reading)
    if reading.value is None or found.mistakes:
        text = reading.listed(found.mistakes)
        raise ConfigError(text) if args.check else found.error(text)
    config = reading.value
    if args.check:
        say(f"{args.config}: ready to serve {config.mqtt.prefix}")
        return
    from edge.console.running import StopRequest
    from edge.fleet.service import Service
    from edge.service.journal import log_to_journal
    from edge.service.notify import Watchdog, notify

    log_to_journal(verbose=args.verbose)
    with StopRequest() as stop:
        service = Service(config)
        watchdog = Watchdog()
        notify(f"READY=1\nSTATUS={service.status}")
        try:
            while not stop.exit_code:
                service.cycle()
                watchdog.feed()
        finally:
            notify("STOPPING=1")
            service.close()
