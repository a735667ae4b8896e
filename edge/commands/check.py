"""Find all mistakes in a configuration of the daemon or the fleet, without starting it.

  nanotrack check --config nanotrack.toml
  nanotrack check --config fleet.toml
  nanotrack check --schema > nanotrack.schema.json    for editors

Checked are the file itself, the model pack with its hashes, the tracker's parameters, recordings, credentials, folders
with their permissions, ports and the extras that are needed; the model is opened as serve opens it, and serve begins
with the same check. Nothing is sent to cameras or brokers. A camera that is not there is no mistake: serve waits for
it. Of a fleet's configuration the broker's secrets, the state's file and the page are checked. Run it as the user of
the service. Exit code 0: ready to serve; 78: there are mistakes.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from edge.console.outgoing import say
from edge.errors import ConfigError

if TYPE_CHECKING:
    from edge.fleet.settings import FleetConfig
    from edge.settings.toml import Reading


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags of `nanotrack check`."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--config", type=Path, metavar="FILE.toml", help="the configuration")
    what.add_argument("--schema", action="store_true", help="print the JSON Schema of a configuration, for editors")


def run(args: argparse.Namespace) -> None:
    """Check it all. Raises ConfigError with every mistake."""
    from edge.settings import config

    if args.schema:
        sys.stdout.write(json.dumps(config.json_schema(), indent=2) + "\n")
        return
    reading = config.read(args.config)
    from edge.fleet import settings

    if settings.is_fleet(reading.data):
        _check_fleet(settings.read(args.config))
        return
    from edge.service.compiling import announced

    with announced():
        from edge.service.check import look

        found = look(reading)
    if reading.value is None or found.mistakes:
        raise ConfigError(reading.listed(found.mistakes))
    for wait in found.waits:
        say(reading.line(wait))
    names = ", ".join(camera.name for camera in reading.value.camera)
    say(f"{args.config}: ready to serve {names}")


def _check_fleet(reading: "Reading[FleetConfig]") -> None:
    from edge.fleet.check import look

    found = look(reading)
    if reading.value is None or found.mistakes:
        raise ConfigError(reading.listed(found.mistakes))
    say(f"{reading.path}: ready to serve {reading.value.mqtt.prefix}")
