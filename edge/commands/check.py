"""Finds all mistakes in a configuration of the daemon, without starting it.

  nanotrack check --config nanotrack.toml

Checked are the file itself, the model pack with its hashes, the tracker's parameters, files, devices, credentials and
folders with their permissions; the model is opened as serve opens it. Nothing is sent over the network. Run it as the
user of the service. Exit code 0: ready to serve; 78: there are mistakes.
"""

import argparse
import sys
from pathlib import Path

from edge.errors import ConfigError
from edge.settings import config


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags of `nanotrack check`."""
    parser.add_argument("--config", type=Path, required=True, metavar="FILE.toml", help="the configuration")


def run(args: argparse.Namespace) -> None:
    """Check it all. Raises ConfigError with every mistake."""
    settings = config.load(args.config)
    from edge.service.check import mistakes

    found = mistakes(settings)
    if found:
        raise ConfigError("\n  ".join([f"{args.config}: {len(found)} to correct:", *found]))
    sys.stdout.write(f"{args.config}: ready to serve {', '.join(camera.name for camera in settings.camera)}\n")
