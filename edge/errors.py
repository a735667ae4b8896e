"""One tree of errors, each with the exit code of the command that meets it.

A message is one sentence with what, where, expected, found and what to do. Codes follow sysexits.h.
"""


class NanoTrackError(Exception):
    """Base of every error a user can cause or mend. `exit_code` is what a command returns."""

    exit_code = 70


class UsageError(NanoTrackError):
    """Flags, or arguments in Python, that are unknown, out of range, or do not fit together."""

    exit_code = 64


class DataError(NanoTrackError):
    """A file that was found but does not hold what it should: broken, truncated, foreign or disagreeing."""

    exit_code = 65


class InputError(DataError, ValueError):
    """An argument of the Python interface with the wrong shape, type or value; the message names the argument."""


class NotFoundError(NanoTrackError):
    """An input that does not exist or cannot be read."""

    exit_code = 66


class UnavailableError(NanoTrackError):
    """A device, backend or optional package that this board lacks."""

    exit_code = 69


class OutputError(NanoTrackError):
    """An output that cannot be written."""

    exit_code = 73


class ConfigError(NanoTrackError):
    """A configuration with mistakes; the message lists all of them."""

    exit_code = 78
