"""Tracks as MOTChallenge text: one row a box, see `edge.motchallenge`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edge.errors import OutputError
from edge.events import CameraChanged, Event, Observed, Origin
from edge.motchallenge import format_rows
from edge.sinks.free_space import require_free_space
from edge.sinks.lines import LineFile, open_lines

if TYPE_CHECKING:
    from edge.settings.config import Mot


class MotText:
    """An `Output` that writes MOTChallenge rows to `path`, `-` for standard output. Raises OutputError."""

    def __init__(self, path: Path):
        self._lines = open_lines(path)

    def start(self) -> None:
        """See `Output.start`."""

    def write(self, events: Sequence[Event]) -> None:
        """See `Output.write`."""
        rows = [format_rows(event.number, event.tracks) for event in events if isinstance(event, Observed)]
        if any(rows):
            self._lines.append("".join(rows))

    def close(self) -> None:
        """See `Output.close`."""
        self._lines.close()


class MotFolder:
    """An `Output` that writes MOTChallenge rows, a file CAMERA-RUN.txt for each run of a camera.

    Such a file is a whole sequence, so none is put aside or removed: it grows until the disk has too little free space.
    A file that was moved or removed is begun anew. Raises OutputError where the folder is gone.
    """

    def __init__(self, settings: "Mot"):
        self._settings = settings
        self._folder = Path(settings.folder)
        self._files: dict[str, LineFile] = {}
        if not self._folder.is_dir():
            raise OutputError(f"{self._folder}: expected a folder, found none; make it or name another")

    def start(self) -> None:
        """See `Output.start`."""

    def write(self, events: Sequence[Event]) -> None:
        """See `Output.write`."""
        require_free_space(self._folder, self._settings.free_mib)
        rows: dict[str, list[str]] = {}
        for event in events:
            if isinstance(event, Observed):
                self._open(event.origin)
                rows.setdefault(event.origin.run, []).append(format_rows(event.number, event.tracks))
        for run, texts in rows.items():
            self._files[run].append("".join(texts))
        for event in events:
            if isinstance(event, CameraChanged) and event.state == "stopped" and event.origin.run in self._files:
                self._files.pop(event.origin.run).close()

    def close(self) -> None:
        """See `Output.close`."""
        for file in self._files.values():
            file.close()

    def _open(self, origin: Origin) -> None:
        file = self._files.get(origin.run)
        if file is not None and not file.is_in_place:
            self._files.pop(origin.run).close()
        if origin.run not in self._files:
            self._files[origin.run] = LineFile(self._folder / f"{origin.camera}-{origin.run}.txt", resume=True)
