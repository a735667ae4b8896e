"""Stop the daemon's systemd service and remove it from this machine.

  sudo /opt/nanotrack/bin/nanotrack uninstall-service

Configuration and recorded data stay, unless --purge is given. Every step is printed as the command that does the same.
"""

import argparse

from edge.commands.install_service import add_common_arguments, follow
from edge.console.outgoing import say
from edge.service.installation.plan import Target, removal


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags of `nanotrack uninstall-service`."""
    parser.add_argument("--purge", action="store_true", help="remove configuration, credentials, data and user, too")
    add_common_arguments(parser)


def run(args: argparse.Namespace) -> None:
    """Do it, or print it. Raises NanoTrackError where a step fails."""
    target = Target(args.root.absolute())
    follow(removal(target, args.purge), target, dry_run=args.dry_run, verb="uninstall-service")
    if not args.dry_run:
        say("removed" if args.purge else "removed; /etc/nanotrack and /var/lib/nanotrack stay")
