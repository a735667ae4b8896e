"""The events of a recording's identities, kept to the last bit: what is counted anew later needs no picture again.

A zip of NumPy arrays, as `numpy.load` reads them: of events and of tracks, anew for every so many rows, so that memory
stays flat however long a recording is. Nothing in it tells when it was made.
"""

import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edge.errors import OutputError
from edge.events import Ended, Event, Found, Lost, Moment, Observed, Origin
from edge.types import Tracks

SUFFIX = ".tracks.npz"

# `number` is that of a frame, which shows `count` tracks, or an identity, which was shown in `count` frames.
_EVENT = np.dtype([("kind", "u1"), ("time_s", "f8"), ("number", "i8"), ("count", "i8")])
_TRACK = np.dtype(
    [("id", "i8"), ("box_xyxy", "f4", 4), ("score", "f4"), ("class", "i4"), ("detection_index", "i4"), ("age", "i8")]
)
_FRAME, _LOST, _FOUND, _ENDED_LOST, _ENDED_STOPPED = range(5)
_PART_ROWS = 1 << 15
_LEVEL = 1  # of deflate: boxes of float32 get no smaller with more


class Kept:
    """An `Output` that keeps frames, and identities that are lost, found and end. Raises OutputError."""

    def __init__(self, path: Path):
        self._path = path
        self._events: list[tuple[int, float, int, int]] = []
        self._tracks: list[np.ndarray] = []
        self._rows = self._parts = 0
        try:
            self._archive = zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL)
        except OSError as error:
            raise self._cannot_write(error) from error

    def start(self) -> None:
        """See `Output.start`."""

    def write(self, events: Sequence[Event]) -> None:
        """See `Output.write`."""
        for event in events:
            time_s = event.at.time_s
            if isinstance(event, Observed):
                self._events.append((_FRAME, time_s, event.number, len(event.tracks)))
                self._tracks.append(_rows_of(event))
                self._rows += len(event.tracks)
            elif isinstance(event, Lost | Found):
                self._events.append((_LOST if isinstance(event, Lost) else _FOUND, time_s, event.id, 0))
            elif isinstance(event, Ended):
                kind = _ENDED_LOST if event.reason == "lost" else _ENDED_STOPPED
                self._events.append((kind, time_s, event.id, event.frames))
            if len(self._events) + self._rows >= _PART_ROWS:
                self._flush()

    def close(self) -> None:
        """See `Output.close`."""
        if self._archive.fp is None:
            return
        try:
            if self._events:
                self._flush()
        finally:
            try:
                self._archive.close()
            except OSError as error:
                raise self._cannot_write(error) from error

    def _flush(self) -> None:
        parts = {
            "events": np.array(self._events, _EVENT),
            "tracks": np.concatenate([np.empty(0, _TRACK), *self._tracks]),
        }
        self._events, self._tracks, self._rows = [], [], 0
        try:
            for name, rows in parts.items():
                with self._archive.open(f"{name}-{self._parts:06d}.npy", "w") as member:
                    np.lib.format.write_array(member, rows, allow_pickle=False)
        except OSError as error:
            raise self._cannot_write(error) from error
        self._parts += 1

    def _cannot_write(self, error: OSError) -> OutputError:
        return OutputError(f"{self._path}: cannot write on: {error.strerror or error}; free some space")


def replay(path: Path, origin: Origin, size: tuple[int, int], starts_s: float | None) -> Iterator[Event]:
    """The events that were kept at `path`, in order.

    `size` (width, height) is that of the pictures, `starts_s` when they begin, in seconds since 1970, None where
    that is not known.
    """
    with zipfile.ZipFile(path) as archive:
        for part in range(len(archive.namelist()) // 2):
            events, tracks = (_read(archive, f"{name}-{part:06d}.npy") for name in ("events", "tracks"))
            row = 0
            for kind, time_s, number, count in events.tolist():
                at = Moment(time_s, None if starts_s is None else starts_s + time_s)
                if kind == _FRAME:
                    rows, row = tracks[row : row + count], row + count
                    yield Observed(origin, at, number, size, _tracks_of(rows), rows["age"].tolist())
                elif kind in (_LOST, _FOUND):
                    yield (Lost if kind == _LOST else Found)(origin, at, number)
                else:
                    yield Ended(origin, at, number, count, "lost" if kind == _ENDED_LOST else "stopped")


def _rows_of(event: Observed) -> np.ndarray:
    tracks, rows = event.tracks, np.empty(len(event.tracks), _TRACK)
    rows["id"], rows["box_xyxy"], rows["score"] = tracks.ids, tracks.boxes_xyxy, tracks.scores
    rows["class"], rows["detection_index"], rows["age"] = tracks.classes, tracks.detection_index, event.ages
    return rows


def _tracks_of(rows: np.ndarray) -> Tracks:
    names = ("id", "box_xyxy", "score", "class", "detection_index")
    return Tracks(*(np.ascontiguousarray(rows[name]) for name in names))


def _read(archive: zipfile.ZipFile, name: str) -> Any:
    with archive.open(name) as member:
        return np.lib.format.read_array(member, allow_pickle=False)
