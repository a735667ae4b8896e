"""Install the daemon as a systemd service of this machine, and start it.

  sudo /opt/nanotrack/bin/nanotrack install-service \\
    --config nanotrack.toml --pack person.pack

Makes a user and its folders, copies configuration and pack to /etc/nanotrack, writes the unit, compiles all kernels and
checks the configuration as that user, then starts the service, now and with the system. Every step is printed as the
command that does the same. What is there already stays: a configuration is never overwritten, and running it again
after an update or a change is safe. Without --config a commented example is installed, to be edited before the next
run.

With --root it only prepares a file system, as for the image of a board: nothing is compiled, checked or started.
"""

import argparse
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from edge.console.outgoing import say
from edge.errors import OutputError, UnavailableError
from edge.service.installation.plan import Target, has_systemd, installation, program, require_visible
from edge.service.installation.step import Step


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags of `nanotrack install-service`."""
    parser.add_argument("--config", type=Path, metavar="FILE.toml", help="copied to /etc/nanotrack/nanotrack.toml")
    parser.add_argument("--pack", type=Path, metavar="PACK", help="copied to /etc/nanotrack")
    add_common_arguments(parser)


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags that installing and removing share."""
    parser.add_argument("--dry-run", action="store_true", help="print the steps, and do nothing")
    parser.add_argument("--root", type=Path, default=Path("/"), metavar="DIR", help="the file system; default: /")


def run(args: argparse.Namespace) -> None:
    """Do it, or print it. Raises NanoTrackError where a step fails, with what to do."""
    target = Target(args.root.absolute())
    steps = list(installation(target, program(), args.config, args.pack))
    if target.is_here and not args.dry_run:
        require_visible()
    follow(steps, target, dry_run=args.dry_run, verb="install-service")
    if not args.dry_run:
        page = "its log, with the address of the page: journalctl -u nanotrack -f"
        say(f"installed; {page}" if target.is_here else f"installed in {target.root}")


def follow(steps: Iterable[Step], target: Target, *, dry_run: bool, verb: str) -> None:
    """Print each step, and do it unless `dry_run`.

    Raises OutputError without the rights, UnavailableError without systemd, and what a step raises.
    """
    if not dry_run and os.geteuid() != 0:
        raise OutputError(f"needs root, to write in {target.root}: sudo {' '.join(program())} {verb}")
    if not dry_run and target.is_here and not has_systemd():
        raise UnavailableError("systemd does not run here; start nanotrack serve in the way of this system")
    for step in steps:
        is_done = step.is_done()
        say(f"# {step.about}{': there already' if is_done else ''}")
        if not is_done:
            say(step.shown)
            sys.stdout.flush()
            if not dry_run:
                step.do()
