"""JSON lines of one run: to a file, or to standard output. The wire format is in `edge.sinks.wire`."""

from collections.abc import Sequence
from pathlib import Path

from edge.events import Event
from edge.sinks.lines import open_lines
from edge.sinks.wire import line_of


class JsonLines:
    """An `Output` that writes JSON lines to `path`, `-` for standard output. Raises OutputError."""

    def __init__(self, path: Path):
        self._lines = open_lines(path)

    def start(self) -> None:
        """See `Output.start`."""

    def write(self, events: Sequence[Event]) -> None:
        """See `Output.write`."""
        self._lines.append("".join(map(line_of, events)))

    def close(self) -> None:
        """See `Output.close`."""
        self._lines.close()
