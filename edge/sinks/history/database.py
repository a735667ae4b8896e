"""The SQLite file: its tables, how it is opened, and how it stays small.

Write-ahead logging without a flush at every commit: a process that is killed loses nothing that it committed, a power
cut loses at most the last seconds and never damages the file (sqlite.org/wal.html). Minutes are whole ones since 1970.
"""

import logging
import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from edge.errors import DataError, NotFoundError, OutputError
from edge.files import open_file, takes_files

logger = logging.getLogger(__name__)

APPLICATION = 0x4E544842  # marks the file as ours, see PRAGMA application_id
VERSION = 2
_HEAD = b"SQLite format 3\0"  # of every database file (sqlite.org/fileformat.html)
_BUSY_MS = 2000
_MINUTES_A_DAY = 24 * 60

# `observed_s` are seconds in which the camera gave pictures; `person_s` sums the seconds of everybody in view, so their
# quotient is the mean number of people. `identities` were first shown in this minute. `feet` are sums of an hour, whose
# first minute is theirs; see `edge.sinks.history.feet`.
FEET = """
CREATE TABLE feet (minute INTEGER, camera TEXT, "column" INTEGER, "row" INTEGER, person_s REAL,
  PRIMARY KEY (minute, camera, "column", "row")) WITHOUT ROWID;
"""
TABLES = f"""
CREATE TABLE cameras (minute INTEGER, camera TEXT, observed_s REAL, PRIMARY KEY (minute, camera)) WITHOUT ROWID;
CREATE TABLE people (minute INTEGER, camera TEXT, class TEXT, identities INTEGER, person_s REAL, most INTEGER,
  PRIMARY KEY (minute, camera, class)) WITHOUT ROWID;
CREATE TABLE crossings (minute INTEGER, camera TEXT, line TEXT, class TEXT, direction TEXT, count INTEGER,
  PRIMARY KEY (minute, camera, line, class, direction)) WITHOUT ROWID;
CREATE TABLE zones (minute INTEGER, camera TEXT, zone TEXT, class TEXT, entered INTEGER, gone INTEGER, dwell_s REAL,
  longest_s REAL, most INTEGER, PRIMARY KEY (minute, camera, zone, class)) WITHOUT ROWID;
{FEET}
CREATE TABLE totals (camera TEXT, line TEXT, class TEXT, direction TEXT, count INTEGER,
  PRIMARY KEY (camera, line, class, direction)) WITHOUT ROWID;
"""
BY_MINUTE = ("cameras", "people", "crossings", "zones", "feet")  # the tables that are pruned


def open_to_write(path: Path) -> sqlite3.Connection:
    """The database, made if need be; a damaged one is set aside under another name and said so.

    Raises OutputError where the file cannot be written or is somebody else's database.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            return _opened(path)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise
            _require_remains(path)
            aside = path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%d-%H%M%S')}")
            path.rename(aside)
            for suffix in ("-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            logger.warning("history %s is damaged (%s): kept as %s, a new one begins", path, error, aside.name)
            return _opened(path)
    except (OSError, sqlite3.Error) as error:
        raise OutputError(f"history {path}: cannot be written: {error}") from error


def check_writable(path: Path) -> None:
    """Raise OutputError where `open_to_write` would, and leave everything as it is."""
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not takes_files(folder):
        raise OutputError(f"history {path}: this user cannot write in {folder}; change its owner or name another")
    if not path.exists():
        return
    if not (path.is_file() and os.access(path, os.W_OK)):
        raise OutputError(f"history {path}: expected a file that this user can write, found something else")
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=_BUSY_MS / 1000)) as file:
            if file.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                _require_ours(file, path)
    except sqlite3.Error:
        _require_remains(path)  # a damaged one is set aside


def _require_remains(path: Path) -> None:
    """Return where the file may be what is left of a database. Raises OutputError for a file of another kind.

    A database that was in use when the power was cut has its log beside it.
    """
    with open_file(path) as file:
        head = file.read(len(_HEAD))
    was_in_use = path.with_name(path.name + "-wal").exists()
    if not was_in_use and head.strip(b"\0") and not _HEAD.startswith(head):
        raise OutputError(f"history {path}: expected a history database or no file, found one of another kind")


def open_to_read(path: Path) -> sqlite3.Connection:
    """The database, unchanged. Raises NotFoundError where there is none, DataError where it is none of ours."""
    if not path.is_file():
        raise NotFoundError(f"{path}: expected a history database, found no such file; [history] path names it")
    try:
        database = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=_BUSY_MS / 1000)
        try:
            application = database.execute("PRAGMA application_id").fetchone()[0]
        except BaseException:
            database.close()
            raise
    except sqlite3.Error as error:
        raise DataError(f"{path}: expected a history database, found a file that SQLite refuses: {error}") from error
    if application != APPLICATION:
        database.close()
        raise DataError(f"{path}: expected a history database, found a database of another program")
    return database


def prune(database: sqlite3.Connection, now_minute: int, keep_days: int, most_bytes: int) -> None:
    """Forget what is older than `keep_days`, and more where the file is larger than `most_bytes`. Totals stay."""
    _forget_before(database, now_minute - keep_days * _MINUTES_A_DAY)
    while _size(database) > most_bytes:
        oldest = database.execute("SELECT min(minute) FROM cameras").fetchone()[0]
        if oldest is None or oldest >= now_minute:
            return
        _forget_before(database, min(oldest + _MINUTES_A_DAY, now_minute))


def _opened(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=_BUSY_MS / 1000, check_same_thread=False)
    try:
        _prepare(database, path)
    except BaseException:
        database.close()
        raise
    return database


def _prepare(database: sqlite3.Connection, path: Path) -> None:
    is_new = database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
    if is_new:
        database.execute("PRAGMA auto_vacuum = INCREMENTAL")
    else:
        _require_ours(database, path)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = NORMAL")
    if is_new:
        database.executescript(
            f"BEGIN; {TABLES} PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION}; COMMIT;"
        )
        return
    (found,) = database.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise sqlite3.DatabaseError(found)


def _require_ours(database: sqlite3.Connection, path: Path) -> None:
    application = database.execute("PRAGMA application_id").fetchone()[0]
    version = database.execute("PRAGMA user_version").fetchone()[0]
    if application != APPLICATION:
        raise OutputError(f"history {path}: found a database of another program; name another file")
    if version == 1:  # made before there were heat maps
        database.executescript(f"BEGIN; {FEET} PRAGMA user_version = {VERSION}; COMMIT;")
    elif version != VERSION:
        raise OutputError(f"history {path}: found version {version}, expected {VERSION}; name another file")


def _forget_before(database: sqlite3.Connection, minute: int) -> None:
    with database:
        for table in BY_MINUTE:
            database.execute(f"DELETE FROM {table} WHERE minute < ?", (minute,))
    database.execute("PRAGMA incremental_vacuum")
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _size(database: sqlite3.Connection) -> int:
    pages, free, page_size = (
        database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * page_size)
