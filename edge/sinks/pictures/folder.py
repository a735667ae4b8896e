"""The folder of snapshots or clips: what files are called, how they are written, and how few are kept.

DAY/CAMERA-TIME-ID.jpg, in UTC: 2026-11-30/door-201455.120-7.jpg. Whatever lies there under another name is left alone.
"""

import re
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

from edge.errors import OutputError
from edge.files import takes_files
from edge.sinks.free_space import require_free_space

NAME = re.compile(r"(\d{4}-\d\d-\d\d)/([a-z0-9][a-z0-9_-]{0,31})-\d{6}\.\d{3}-\d+\.(jpg|webm)")
_UNFINISHED = ".part"
_DAY_S = 86400.0
_TIDY_EVERY_S = 600.0


def name_of(camera: str, utc_s: float, id_: int, suffix: str) -> str:
    """The file, below the folder, of what identity `id_` did at `utc_s`; `suffix` is "jpg" or "webm"."""
    at = datetime.fromtimestamp(utc_s, timezone.utc)
    return f"{at:%Y-%m-%d}/{camera}-{at:%H%M%S}.{at.microsecond // 1000:03d}-{id_}.{suffix}"


class PictureFolder:
    """The files of one kind (`suffix`) in `folder`: those of the last `keep_days`, and no more than `max_mib` of them.

    Nothing is written while less than `free_mib` are free on the disk. Raises OutputError where the folder cannot be
    made or written.
    """

    def __init__(
        self,
        folder: Path,
        suffix: str,
        keep_days: float,
        max_mib: float,
        free_mib: float,
        utc: Callable[[], float] = time.time,
    ):
        self._folder, self._suffix, self._utc = folder, suffix, utc
        self._keep_days, self._most_bytes, self._free_mib = keep_days, int(max_mib * (1 << 20)), free_mib
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{folder}: cannot make this folder: {error.strerror}; choose another place") from error
        if not takes_files(folder):
            raise OutputError(f"{folder}: this user may not write there; change its owner or name another")
        self._lock = threading.Lock()
        self._files: deque[tuple[str, int]] = deque()  # oldest first, with their sizes
        self._bytes = 0
        self._tidy_s = float("-inf")

    def open(self) -> None:
        """Learn what is there, and forget what is too old or too much. Raises OutputError."""
        found = []
        try:
            for path in self._folder.glob("????-??-??/*"):
                if f".{self._suffix}{_UNFINISHED}" in path.name:
                    path.unlink()  # of a process that was killed
                elif (name := self._named(path)) is not None:
                    found.append((name, path.stat().st_size))
        except OSError as error:
            raise OutputError(f"{self._folder}: cannot be read: {error.strerror}") from error
        with self._lock:
            self._files = deque(sorted(found, key=lambda file: _time_of(file[0])))
            self._bytes = sum(size for _, size in found)
        self.prune()

    def begin(self, name: str) -> Path:
        """Where to write the file `name`, until `finish`. Raises OutputError where there is no room."""
        require_free_space(self._folder, self._free_mib)
        path = self._folder / f"{name}{_UNFINISHED}"
        try:
            path.parent.mkdir(exist_ok=True)
        except OSError as error:
            raise OutputError(f"{path.parent}: cannot make this folder: {error.strerror}") from error
        return path

    def finish(self, name: str) -> None:
        """The file is whole: it gets its name, and older ones make room for it. Raises OutputError."""
        path = self._folder / name
        try:
            unfinished = path.with_name(f"{path.name}{_UNFINISHED}")
            size = unfinished.stat().st_size
            unfinished.rename(path)
        except OSError as error:
            raise OutputError(f"{path}: cannot be written: {error.strerror}") from error
        with self._lock:
            self._files.append((name, size))
            self._bytes += size
        self.prune()

    def abandon(self, name: str) -> None:
        """The file will not become whole."""
        (self._folder / f"{name}{_UNFINISHED}").unlink(missing_ok=True)

    def write(self, name: str, data: bytes) -> None:
        """A whole file. Raises OutputError, and leaves nothing behind, where the disk does not take it."""
        path = self.begin(name)
        try:
            path.write_bytes(data)
        except OSError as error:
            self.abandon(name)
            raise OutputError(f"{self._folder}: cannot be written: {error.strerror}") from error
        self.finish(name)

    def tidy(self) -> None:
        """Now and then remove what has become too old, though nothing new comes."""
        now_s = time.monotonic()
        if now_s >= self._tidy_s:
            self._tidy_s = now_s + _TIDY_EVERY_S
            self.prune()

    def prune(self) -> None:
        """Remove what is too old, and the oldest of what is too much."""
        oldest = _time_of(name_of("", self._utc() - self._keep_days * _DAY_S, 0, self._suffix))
        with self._lock:
            while self._files and (self._bytes > self._most_bytes or _time_of(self._files[0][0]) < oldest):
                name, size = self._files.popleft()
                self._bytes -= size
                path = self._folder / name
                path.unlink(missing_ok=True)
                if not self._files or self._files[0][0][:10] != name[:10]:
                    _remove_if_empty(path.parent)

    def _named(self, path: Path) -> str | None:
        name = f"{path.parent.name}/{path.name}"
        found = NAME.fullmatch(name)
        return name if found is not None and found[3] == self._suffix else None


def _time_of(name: str) -> tuple[str, str]:
    """Day and time, by which files sort."""
    day, _, rest = name.partition("/")
    return day, rest.rsplit("-", 2)[1]


def _remove_if_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        return  # there is something else in it
