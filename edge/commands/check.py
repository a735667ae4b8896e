"""Finds all mistakes in a configuration of the daemon, without starting it.

  nanotrack check --config nanotrack.toml
  nanotrack check --schema > nanotrack.schema.json      for editors, see the reference of the configuration

Checked are the file itself, the model pack with its hashes, the tracker's parameters, files, devices, credentials and
folders with their permissions; the model is opened as serve opens it. Nothing is sent over the network. Run it as the
user of the service. Exit code 0: ready to serve; 78: there are mistakes.
"""

import argparse
import json
import sys
from pathlib import Path

from edge.errors import ConfigError


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
    settings = config.load(args.config)
    from edge.service.check import mistakes

    found = mistakes(settings)
    if found:
        raise ConfigError("\n  ".join([f"{args.config}: {len(found)} to correct:", *found]))
    sys.stdout.write(f"{args.config}: ready to serve {', '.join(camera.name for camera in settings.camera)}\n")
