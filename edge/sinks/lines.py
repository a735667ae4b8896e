"""Text that only ever consists of whole lines: in a file, or on standard output."""

import os
import sys
from pathlib import Path
from typing import Protocol

from edge.errors import OutputError

_APPEND = os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
_LONGEST_LINE = 1 << 20


STANDARD_OUTPUT = Path("-")


class Lines(Protocol):
    """A receiver of whole lines."""

    def append(self, text: str) -> None:
        """Write `text`, whole lines, all of it or nothing. Raises OutputError, for example on a full disk."""

    def close(self) -> None:
        """Nothing comes any more; harmless when called again."""


def open_lines(path: Path) -> Lines:
    """A new file at `path`, an old one is replaced; standard output for `-`. Raises OutputError."""
    return StandardOutput() if path == STANDARD_OUTPUT else LineFile(path)


class StandardOutput:
    """Lines to standard output, each with the system when `append` returns.

    BrokenPipeError passes: a reader that has seen enough is no error of ours, see `edge.cli`.
    """

    def append(self, text: str) -> None:
        """See `Lines.append`."""
        try:
            sys.stdout.write(text)
            sys.stdout.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputError(f"standard output: cannot write on: {error.strerror}; choose another place") from error

    def close(self) -> None:
        """Standard output stays open."""


class LineFile:
    """A new file at `path`, an old one is replaced or, to `resume`, written on. `length` is its size in bytes.

    Each `append` is with the system when it returns. Half a line at the end of a resumed file, which only a power cut
    leaves, is cut off. Raises OutputError where the file cannot be made.
    """

    def __init__(self, path: Path, *, resume: bool = False):
        self.path = path
        self._descriptor = _opened(path, os.O_RDWR if resume else os.O_WRONLY | os.O_TRUNC)
        self.length = _whole_lines(self._descriptor) if resume else 0
        self._open = True

    @property
    def is_in_place(self) -> bool:
        """Whether `path` still leads to this file, which was neither moved nor removed."""
        try:
            return os.path.samestat(os.stat(self.path), os.fstat(self._descriptor))
        except OSError:
            return False

    def append(self, text: str) -> None:
        """Write `text`, all of it or nothing. Raises OutputError, for example on a full disk."""
        data = text.encode()
        written = 0
        try:
            while written < len(data):
                written += os.write(self._descriptor, data[written:])
        except OSError as error:
            if os.path.isfile(self.path):  # a device or a pipe cannot be cut
                os.ftruncate(self._descriptor, self.length)
            raise OutputError(
                f"{self.path}: cannot write on: {error.strerror}; the lines so far are whole, free some space or"
                " choose another place"
            ) from error
        self.length += len(data)

    def close(self) -> None:
        """Close the file; harmless when called again."""
        if self._open:
            self._open = False
            os.close(self._descriptor)


def check_writable(path: Path) -> None:
    """Make sure that there is a file at `path` to append to, and leave it as it is. Raises OutputError."""
    os.close(_opened(path, os.O_WRONLY))


def _opened(path: Path, flags: int) -> int:
    try:
        return os.open(path, flags | _APPEND, 0o644)
    except OSError as error:
        raise OutputError(f"{path}: cannot write it: {error.strerror}; choose another place") from error


def _whole_lines(descriptor: int) -> int:
    """Cut what follows the last line break of the file; the bytes left."""
    size = os.fstat(descriptor).st_size
    start = max(0, size - _LONGEST_LINE)
    end = start + os.pread(descriptor, size - start, start).rfind(b"\n") + 1
    os.ftruncate(descriptor, end)
    return end
