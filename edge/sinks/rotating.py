"""JSON lines for years: files of bounded size, a bounded number of them, and free space that is left alone."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from edge.errors import OutputError
from edge.events import Event
from edge.settings.config import Jsonl
from edge.sinks.free_space import require_free_space
from edge.sinks.lines import LineFile, check_writable
from edge.sinks.wire import line_of

NEWEST = "tracks.jsonl"
_OLD = re.compile(r"tracks-(\d{6,})\.jsonl")
_MIB = 1 << 20


class RotatingLines:
    """An `Output` that writes JSON lines to `tracks.jsonl`, and puts full files aside as `tracks-000001.jsonl` and on.

    After a restart the newest file is written on; one that was removed is made anew. Raises OutputError where the
    folder cannot be written.
    """

    def __init__(self, settings: Jsonl):
        self._settings = settings
        self._folder = Path(settings.folder)
        self._file: LineFile | None = None
        check_writable(self._folder / NEWEST)

    def start(self) -> None:
        """See `Output.start`. The file is opened by the first `write`, when the output before this one has ended."""

    def write(self, events: Sequence[Event]) -> None:
        """See `Output.write`."""
        require_free_space(self._folder, self._settings.free_mib)
        text = "".join(map(line_of, events))
        file = self._newest()
        if file.length and file.length + len(text) > self._settings.rotate_mib * _MIB:
            self._rotate()
            file = self._newest()
        file.append(text)

    def close(self) -> None:
        """See `Output.close`."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _newest(self) -> LineFile:
        if self._file is None or not self._file.is_in_place:
            self.close()
            self._file = LineFile(self._folder / NEWEST, resume=True)
        return self._file

    def _rotate(self) -> None:
        """Put the newest file aside and remove the oldest."""
        path = self._folder / NEWEST
        old = sorted((int(found[1]), name) for name in os.listdir(self._folder) if (found := _OLD.fullmatch(name)))
        number = old[-1][0] + 1 if old else 1
        fresh_name = f"tracks-{number:06d}.jsonl"
        try:
            os.rename(path, self._folder / fresh_name)
            names = [*(name for _, name in old), fresh_name]
            for name in names[: max(0, len(names) - self._settings.keep)]:
                os.unlink(self._folder / name)
        except OSError as error:
            raise OutputError(f"{path}: cannot be put aside: {error.strerror}") from error
