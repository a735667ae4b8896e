"""The cache of compiled code: a folder an entry, with a checksum, so that damaged code never runs.

A power cut leaves files that are cut short or full of zeros; loaded as they are they stop every command for ever, or
crash. An entry's folder is used only if its checksum is right; anything else is deleted and compiled again.
"""

import contextlib
import fcntl
import functools
import hashlib
import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import llvmlite
import numba
from numba import config

from edge.errors import OutputError
from edge.kernels import private

logger = logging.getLogger(__name__)

_REMEDY = "set NUMBA_CACHE_DIR to a private folder that this user can write"


@functools.cache
def cache_folder(room: Path = Path(__file__).parents[1] / "track") -> Path:
    """Folder of the compiled entries in folder `room`, which holds the code of exactly these sources; made if need be.

    It lies in NUMBA_CACHE_DIR, else in the user's cache folder. Raises OutputError where it cannot be written, and
    where others than this user and root can write.
    """
    package = Path(__file__).parents[1]
    rooms = {room, package / "track", package / "kernels"}
    sources = sorted({source for folder in rooms for source in _sources(folder)})
    options = f"{numba.__version__} {llvmlite.__version__} {config.BOUNDSCHECK}".encode()
    version = hashlib.sha256(options + b"".join(source.read_bytes() for source in sources)).hexdigest()[:16]
    base = Path(config.CACHE_DIR) if config.CACHE_DIR else private.user_cache() / "nanotrack" / "numba"
    folder = base / f"{room.name}-{version}"
    try:
        for made in (*reversed(folder.parents), folder):
            if not made.is_dir():
                made.mkdir(exist_ok=True, mode=0o700)
        private.require_private(folder)
        writable = os.access(folder, os.W_OK | os.X_OK)
    except OSError:
        writable = False
    except private.UntrustedError as error:
        raise OutputError(f"cache of compiled code: {error}: its code is not trusted; {_REMEDY}") from error
    if not writable:
        raise OutputError(f"cache of compiled code: cannot write to {folder}; {_REMEDY}")
    return folder


def room_of(source: Path) -> Path:
    """The folder of `edge` that holds `source`; for a file from elsewhere its whole package, or its own folder."""
    package = Path(__file__).parents[1]
    if package in source.parents:
        return package / source.relative_to(package).parts[0]
    room = source.parent
    while (room / "__init__.py").is_file() and (room.parent / "__init__.py").is_file():
        room = room.parent
    return room


def _sources(room: Path) -> Iterator[Path]:
    """The code in `room`: that of a package and all in it, or of the folder alone where it is none."""
    return room.rglob("*.py") if (room / "__init__.py").is_file() else room.glob("*.py")


@contextlib.contextmanager
def entry_folder(room: Path, name: str) -> Iterator[Path]:
    """The folder for Numba's files of the entry `name`, empty or as they were written; nobody else is in it meanwhile.

    Raises OutputError.
    """
    folder = cache_folder(room) / name
    try:
        descriptor = os.open(folder.with_name(f"{name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise OutputError(f"cache of compiled code: cannot write to {folder}: {error.strerror}; {_REMEDY}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        before = _checksum(folder)
        if before and before != _noted(folder):
            logger.warning("%s: the compiled code is damaged: deleted, and compiled again", folder)
            shutil.rmtree(folder)
            before = ""
        yield folder
        after = _checksum(folder)
        if after != before:
            _note(folder, after)
    finally:
        os.close(descriptor)


def is_stored(room: Path, name: str) -> bool:
    """Whether code of an entry whose name begins like that lies in the cache."""
    return any(cache_folder(room).glob(f"{name}*.sum"))


def _checksum(folder: Path) -> str:
    """Of all files in `folder`, with their names; empty where there are none."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    if not files:
        return ""
    digest = hashlib.blake2b(digest_size=16)
    for path in files:
        digest.update(f"{path.relative_to(folder)} {path.stat().st_size}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _noted(folder: Path) -> str:
    try:
        return folder.with_name(f"{folder.name}.sum").read_text("ascii")
    except (OSError, ValueError):
        return ""


def _note(folder: Path, checksum: str) -> None:
    path = folder.with_name(f"{folder.name}.sum")
    temporary = path.with_suffix(".new")
    temporary.write_text(checksum, "ascii")
    os.replace(temporary, path)
