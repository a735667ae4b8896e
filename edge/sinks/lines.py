"""A text file that only ever holds whole lines."""

import os
from pathlib import Path

from edge.errors import OutputError


class LineFile:
    """A new file at `path`, an old one is replaced. Each `append` is with the system when it returns.

    Raises OutputError where the file cannot be made.
    """

    def __init__(self, path: Path):
        self.path = path
        try:
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise OutputError(f"{path}: cannot write it: {error.strerror}; choose another place") from error
        self._length = 0
        self._open = True

    def append(self, text: str) -> None:
        """Write `text`, all of it or nothing. Raises OutputError, for example on a full disk."""
        data = text.encode()
        written = 0
        try:
            while written < len(data):
                written += os.write(self._descriptor, data[written:])
        except OSError as error:
            if os.path.isfile(self.path):  # a device or a pipe cannot be cut
                os.ftruncate(self._descriptor, self._length)
            raise OutputError(
                f"{self.path}: cannot write on: {error.strerror}; what is there so far are whole lines, make room or"
                " choose another place"
            ) from error
        self._length += len(data)

    def close(self) -> None:
        """Close the file; harmless when called again."""
        if self._open:
            self._open = False
            os.close(self._descriptor)
