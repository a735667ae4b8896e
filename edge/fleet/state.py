"""What the fleet knows, in one SQLite file: it survives any end of the process, with nothing lost and nothing doubled.

What a batch of messages changes is committed in one transaction, with the messages to send that follow from it, before
the broker is told that they were received. Every commit is flushed (write-ahead log, synchronous = FULL).
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import numpy as np

from edge.errors import OutputError
from edge.files import takes_files
from edge.fleet.tracklets import VECTORS
from edge.types import Float32s

APPLICATION = 0x4E544C54  # marks the file as ours, see PRAGMA application_id
VERSION = 1
_BUSY_MS = 2000
_HOUR_S, _DAY_S = 3600.0, 86_400.0

# `bundle`: the network and the class whose embeddings can be compared. `vectors` are float16, NULL when deleted.
TABLES = """
CREATE TABLE cameras (number INTEGER PRIMARY KEY, name TEXT UNIQUE);
CREATE TABLE bundles (number INTEGER PRIMARY KEY, network TEXT, class TEXT, size INTEGER, UNIQUE (network, class));
CREATE TABLE tracklets (number INTEGER PRIMARY KEY, bundle INTEGER, camera INTEGER, run TEXT, id INTEGER, stay INTEGER,
  first_s REAL, last_s REAL, is_over INTEGER, person INTEGER, told_s REAL, is_settled INTEGER, entry TEXT, exit TEXT,
  vectors BLOB, UNIQUE (camera, run, id, stay));
CREATE INDEX tracklets_by_end ON tracklets (last_s);
CREATE INDEX tracklets_by_person ON tracklets (person, first_s);
CREATE INDEX tracklets_open ON tracklets (camera) WHERE NOT is_over;
CREATE TABLE events (id TEXT PRIMARY KEY, received_s REAL) WITHOUT ROWID;
CREATE INDEX events_by_time ON events (received_s);
CREATE TABLE outbox (number INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT, payload TEXT);
CREATE TABLE counts (name TEXT PRIMARY KEY, count INTEGER) WITHOUT ROWID;
"""


class Row(NamedTuple):
    """A tracklet as it is stored; `vectors` float32 `[n, E]`, n up to `VECTORS`."""

    number: int
    bundle: int
    camera: int
    run: str
    id: int
    stay: int
    first_s: float
    last_s: float
    is_over: bool
    person: int
    told_s: float
    is_settled: bool
    vectors: Float32s


class Way(NamedTuple):
    """Somebody came to camera `end` at `at_s`, `gap_s` after leaving `start`; both None for somebody new."""

    bundle: int
    start: int | None
    end: int
    gap_s: float | None
    at_s: float


class Bundle(NamedTuple):
    """What can be compared: embeddings of `size` numbers by `network` of one class."""

    number: int
    network: str
    class_name: str
    size: int


class State:
    """The file at `path`. Used by one thread; `with state:` is a transaction. Raises OutputError where none can be."""

    def __init__(self, path: Path):
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # For nobody else from the first moment: the log beside it gets the permissions that the file has then.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            self.database = sqlite3.connect(path, timeout=_BUSY_MS / 1000, check_same_thread=False)
            self._prepare()
        except (OSError, sqlite3.Error) as error:
            raise self._cannot_write(error) from error

    def __enter__(self) -> None:
        try:
            self.database.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            raise self._cannot_write(error) from error

    def __exit__(self, kind: object, value: object, traceback: object) -> None:
        try:
            if kind is None:
                self.database.execute("COMMIT")
            elif self.database.in_transaction:  # a full disk may have ended it already
                self.database.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise self._cannot_write(error) from error
        if isinstance(value, sqlite3.Error):
            raise self._cannot_write(value) from value

    def close(self) -> None:
        """Nothing more comes."""
        self.database.close()

    def note_event(self, event_id: str, received_s: float) -> bool:
        """Whether this event is new; it is not the next time."""
        added = self.database.execute("INSERT OR IGNORE INTO events VALUES (?, ?)", (event_id, received_s))
        return added.rowcount == 1

    def count(self, name: str, by: int = 1) -> None:
        """Something happened once more."""
        self.database.execute(
            "INSERT INTO counts VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET count = count + excluded.count",
            (name, by),
        )

    def counts(self) -> dict[str, int]:
        """How often everything happened that is counted."""
        return dict(self.database.execute("SELECT name, count FROM counts ORDER BY name"))

    def cameras(self) -> dict[str, int]:
        """The numbers of the cameras, by their names BOARD/CAMERA."""
        return {name: number for number, name in self.database.execute("SELECT number, name FROM cameras")}

    def add_camera(self, number: int, name: str) -> None:
        """A camera that is new."""
        self.database.execute("INSERT INTO cameras VALUES (?, ?)", (number, name))

    def bundles(self) -> list[Bundle]:
        """All that were ever seen."""
        return [Bundle(*row) for row in self.database.execute("SELECT number, network, class, size FROM bundles")]

    def add_bundle(self, bundle: Bundle) -> None:
        """Another network or class."""
        self.database.execute("INSERT INTO bundles VALUES (?, ?, ?, ?)", bundle)

    def add_tracklet(self, row: Row, entry: str, exit_: str) -> None:
        """A tracklet that is new."""
        stored = (*row[:-1], entry, exit_, _packed(row.vectors))
        self.database.execute(f"INSERT INTO tracklets VALUES ({', '.join('?' * len(stored))})", stored)

    def update_tracklet(self, number: int, last_s: float, is_over: bool, exit_: str, vectors: Float32s) -> None:
        """More of a tracklet was seen."""
        self.database.execute(
            "UPDATE tracklets SET last_s = ?, is_over = ?, exit = ?, vectors = ? WHERE number = ?",
            (last_s, is_over, exit_, _packed(vectors), number),
        )

    def end_runs_before(self, camera: int, run: str) -> list[int]:
        """What an earlier run of `camera` left open has ended; the numbers of those tracklets."""
        rows = self.database.execute(
            "UPDATE tracklets SET is_over = 1 WHERE camera = ? AND run != ? AND NOT is_over RETURNING number",
            (camera, run),
        )
        return [number for (number,) in rows.fetchall()]

    def identify(self, number: int, person: int, told_s: float, is_settled: bool) -> None:
        """A tracklet has this identity."""
        self.database.execute(
            "UPDATE tracklets SET person = ?, told_s = ?, is_settled = ? WHERE number = ?",
            (person, told_s, is_settled, number),
        )

    def find(self, camera: int, run: str, id_: int, stay: int) -> int | None:
        """The number of a tracklet, None for one that is new."""
        found = self.database.execute(
            "SELECT number FROM tracklets WHERE camera = ? AND run = ? AND id = ? AND stay = ?",
            (camera, run, id_, stay),
        ).fetchone()
        return None if found is None else int(found[0])

    def tracklets(self, since_s: float) -> Iterator[Row]:
        """Those that can still be compared and were seen after `since_s` or are not over, by their numbers."""
        query = (
            "SELECT t.number, bundle, camera, run, id, stay, first_s, last_s, is_over, person, told_s, is_settled,"
            " vectors, size FROM tracklets t JOIN bundles b ON b.number = t.bundle"
            " WHERE vectors IS NOT NULL AND (last_s > ? OR NOT is_over OR NOT is_settled) ORDER BY t.number"
        )
        for *where, first_s, last_s, is_over, person, told_s, is_settled, blob, size in self.database.execute(
            query, (since_s,)
        ):
            number, bundle, camera, run, id_, stay = where
            vectors = np.frombuffer(blob, "<f2").astype(np.float32).reshape(-1, size)[:VECTORS]
            yield Row(
                number, bundle, camera, run, id_, stay, first_s, last_s, bool(is_over), person, told_s,
                bool(is_settled), vectors,
            )  # fmt: skip

    def ways(self, since_s: float) -> list[Way]:
        """How people with a settled identity came to where they were seen after `since_s`."""
        query = (
            "SELECT bundle, came_from, camera, first_s - left_s, first_s FROM (SELECT bundle, camera, first_s,"
            " lag(camera) OVER w AS came_from, lag(last_s) OVER w AS left_s FROM tracklets"
            " WHERE is_settled AND first_s > ? WINDOW w AS (PARTITION BY person ORDER BY first_s)) ORDER BY first_s"
        )
        return [Way(*row) for row in self.database.execute(query, (since_s,))]

    def next_tracklet(self) -> int:
        """A number above those of all tracklets."""
        (found,) = self.database.execute("SELECT coalesce(max(number), 0) FROM tracklets").fetchone()
        return int(found) + 1

    def post(self, topic: str, payload: str) -> int:
        """A message to send, kept until the broker has it; its number."""
        added = self.database.execute("INSERT INTO outbox (topic, payload) VALUES (?, ?)", (topic, payload))
        assert added.lastrowid is not None
        return added.lastrowid

    def posted(self, after: int, most: int) -> list[tuple[int, str, str]]:
        """Number, topic and text of messages with a number above `after` that the broker does not have."""
        query = "SELECT number, topic, payload FROM outbox WHERE number > ? ORDER BY number LIMIT ?"
        return self.database.execute(query, (after, most)).fetchall()

    def sent(self, numbers: Iterable[int]) -> None:
        """The broker has these."""
        self.database.executemany("DELETE FROM outbox WHERE number = ?", [(number,) for number in numbers])

    def prune(self, now_s: float, keep_embeddings_hours: float, keep_days: float) -> bool:
        """Delete what is too old, which `settle` overwrites; whether anything was."""
        before = self.database.total_changes
        self.database.execute(
            "UPDATE tracklets SET vectors = NULL WHERE last_s < ? AND vectors IS NOT NULL",
            (now_s - keep_embeddings_hours * _HOUR_S,),
        )
        limit_s = now_s - keep_days * _DAY_S
        self.database.execute("DELETE FROM tracklets WHERE last_s < ?", (limit_s,))
        self.database.execute("DELETE FROM events WHERE received_s < ?", (limit_s,))
        return self.database.total_changes > before

    def settle(self) -> None:
        """Take what was committed out of the log, in which deleted things would stay until it is full."""
        try:
            self.database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error as error:
            raise self._cannot_write(error) from error

    def _prepare(self) -> None:
        self.database.isolation_level = None  # transactions begin where we say
        is_new = self.database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
        if not is_new:
            _require_ours(self.database, self._path)
        self.database.execute("PRAGMA journal_mode = WAL")
        self.database.execute("PRAGMA synchronous = FULL")
        self.database.execute("PRAGMA secure_delete = ON")
        if is_new:
            self.database.executescript(
                f"BEGIN; {TABLES} PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION}; COMMIT;"
            )

    def _cannot_write(self, error: Exception) -> OutputError:
        return OutputError(f"fleet state {self._path}: cannot be written: {error}; free some space, or name another")


def check_writable(path: Path) -> None:
    """Raise OutputError where `State` would, and leave everything as it is."""
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not takes_files(folder):
        raise OutputError(f"fleet state {path}: this user cannot write in {folder}; change its owner or name another")
    if not path.exists():
        return
    if not (path.is_file() and os.access(path, os.W_OK)):
        raise OutputError(f"fleet state {path}: expected a file that this user can write, found something else")
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=_BUSY_MS / 1000)) as file:
            if file.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                _require_ours(file, path)
    except sqlite3.Error as error:
        raise OutputError(f"fleet state {path}: cannot be written: {error}") from error


def _require_ours(database: sqlite3.Connection, path: Path) -> None:
    application = database.execute("PRAGMA application_id").fetchone()[0]
    version = database.execute("PRAGMA user_version").fetchone()[0]
    if application != APPLICATION:
        raise OutputError(f"fleet state {path}: found a database of another program; name another file")
    if version != VERSION:
        raise OutputError(f"fleet state {path}: found version {version}, expected {VERSION}; name another file")


def _packed(vectors: Float32s) -> bytes:
    return vectors.astype("<f2").tobytes()
