"""The `nanotrack` command: finds the verb's module, runs it, and turns errors into one sentence and an exit code."""

import argparse
import importlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Protocol, cast

from edge.console.failure import explained
from edge.console.outgoing import PublicFormatter, public
from edge.console.wrapped import Formatter
from edge.errors import UnavailableError, UsageError

# Verb -> one line of help. The module `edge.commands.<verb>` is imported only when its verb is used.
VERBS = {
    "track": "track people in a video, a folder of images or a stream",
    "batch": "track thousands of recordings, each one once",
    "val": "score trackers on a benchmark folder with TrackEval",
    "profile": "measure FPS and latency on this board, and what limits them",
    "demo": "track the built-in scene with a pack and score it",
    "fetch": "get official weights by name",
    "doctor": "show what this board can run, what it cannot, and why",
    "build": "build the TensorRT engines of a pack for this board",
    "serve": "track several cameras continuously, as a service",
    "fleet": "give people the same number on the cameras of many boards",
    "history": "export what the service counted, by minute, hour or day",
    "check": "find all mistakes in a configuration of daemon or fleet",
    "install-service": "install the daemon as a systemd service",
    "uninstall-service": "stop the daemon's systemd service and remove it",
    "selftest": "check on this board that a pack computes the right results",
}


class Command(Protocol):
    """A module of `edge.commands`: its docstring is the verb's help text."""

    __doc__: str | None

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the verb's flags."""

    def run(self, args: argparse.Namespace) -> int | None:
        """Do it; the exit code, None for 0."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the `nanotrack` command and return its exit code; published command lines are turned into ours."""
    argv = list(sys.argv[1:] if argv is None else argv)
    if argv[:1] and argv[0].endswith(".py"):
        from edge.commands.published import translated

        try:
            argv = translated(argv)
        except UsageError as error:
            sys.stderr.write(public(f"nanotrack {error}\n"))
            return error.exit_code
    if "serve" in argv[:1]:
        # A request to reload that comes before the daemon listens must not kill it: it reads its configuration later.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    return dispatch("nanotrack", "Real-time multi-object tracking for edge boards.", "edge.commands", VERBS, argv)


def dispatch(
    program: str,
    description: str,
    package: str,
    verbs: Mapping[str, str],
    argv: Sequence[str] | None = None,
    extra: str | None = None,
) -> int:
    """Run the verb named in `argv` from module `package.verb` and return the exit code.

    `extra` is that of the package which all verbs need.

    An error is printed as one sentence (with `--verbose`: with its traceback) and has the exit code that
    `edge.console.failure` gives it; Ctrl-C gives 130 and SIGTERM 143, the shell's numbers.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(program, description=description)
    parser.exit_on_error = True
    from edge import __version__

    parser.add_argument("--version", action="version", version=f"{program} {__version__}")
    subparsers = parser.add_subparsers(dest="verb", metavar="COMMAND", required=True)
    wanted = next((word for word in argv if not word.startswith("-")), None)
    command: Command | None = None
    for verb, summary in verbs.items():
        if verb == wanted:
            try:
                command = cast(Command, importlib.import_module(f"{package}.{verb.replace('-', '_')}"))
            except ModuleNotFoundError as error:
                if not _is_of_extra(error, extra):
                    raise
                return _refuse(program, verb, error, extra)
            sub = subparsers.add_parser(
                verb,
                help=summary,
                description=command.__doc__,
                formatter_class=Formatter,
            )
            sub.add_argument("-v", "--verbose", action="store_true", help="log more, and show tracebacks")
            command.add_arguments(sub)
        else:
            subparsers.add_parser(verb, help=summary, add_help=False)
    try:
        args = parser.parse_args(argv)
    except SystemExit as stop:
        return 64 if stop.code == 2 else int(stop.code or 0)
    if command is None:  # unreachable: argparse refuses unknown verbs
        return 64
    _log_to_stderr(verbose=args.verbose)
    if args.verbose:  # ours alone: numba tells every step of its compiler
        for ours in ("edge", "export", "calibration"):
            logging.getLogger(ours).setLevel(logging.DEBUG)
    try:
        with _unwinding_on_sigterm():
            code = command.run(args) or 0
            sys.stdout.flush()  # here, where a reader that went away is met below, and not when Python ends
            return code
    except BrokenPipeError:  # the reader of our output went away, as in `nanotrack ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if _is_of_extra(error, extra):
            return _refuse(program, wanted, error, extra)
        code, sentence = explained(error)
        if args.verbose:
            logging.exception("%s", sentence)
        else:
            sys.stderr.write(public(f"{program} {wanted}: {sentence}\n"))
        return code
    except KeyboardInterrupt as stop:
        return 128 + (signal.SIGTERM if isinstance(stop, _Terminated) else signal.SIGINT)


def _is_of_extra(error: Exception, extra: str | None) -> bool:
    """Whether a library is missing that comes with `extra`, and no module of ours."""
    ours = ("edge", "export", "calibration")
    return extra is not None and isinstance(error, ModuleNotFoundError) and not (error.name or "").startswith(ours)


def _refuse(program: str, verb: str | None, error: Exception, extra: str | None) -> int:
    """Say which library is missing and how to install it; the exit code."""
    name = getattr(error, "name", None)
    sys.stderr.write(f"{program} {verb}: needs {name}, which is not installed: pip install 'nanotrack-edge[{extra}]'\n")
    return UnavailableError.exit_code


def _log_to_stderr(*, verbose: bool) -> None:
    """Send log lines to standard error; the warnings of Python's libraries, which no user can act on, if `verbose`."""
    handler = logging.StreamHandler()
    handler.setFormatter(PublicFormatter("%(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.captureWarnings(True)
    logging.getLogger("py.warnings").setLevel(logging.WARNING if verbose else logging.CRITICAL)


class _Terminated(KeyboardInterrupt):
    """SIGTERM, treated like Ctrl-C."""


@contextmanager
def _unwinding_on_sigterm() -> Iterator[None]:
    """Within, SIGTERM passes through every `finally`, so that nothing half-made is left behind; commands with a
    better idea, such as finishing the frame in hand, put their own handler in its place."""
    if threading.current_thread() is not threading.main_thread():  # where Python allows no handlers
        yield
        return
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _terminate(number: int, frame: FrameType | None) -> None:
    raise _Terminated


if __name__ == "__main__":
    sys.exit(main())
