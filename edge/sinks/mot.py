"""Tracks as MOTChallenge text: one row a box, see `edge.motchallenge`."""

from pathlib import Path

from edge.motchallenge import format_rows
from edge.sinks.lines import LineFile
from edge.types import Frame, Tracks


class MotText:
    """A `Sink` that writes MOTChallenge rows to `path`. Raises OutputError where that is impossible."""

    def __init__(self, path: Path):
        self._file = LineFile(path)

    def write(self, frame: Frame, tracks: Tracks) -> None:
        """See `Sink.write`."""
        if len(tracks):
            self._file.append(format_rows(frame.number, tracks))

    def close(self) -> None:
        """See `Sink.close`."""
        self._file.close()
