"""The file of a recording: whether it changed, its hash, and a copy at hand where it lies elsewhere."""

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

from edge.batch import remote
from edge.batch.folder import Folder
from edge.batch.manifest import Input
from edge.console.outgoing import redacted
from edge.errors import DataError, NanoTrackError, NotFoundError, OutputError
from edge.files import open_file
from edge.sinks.free_space import require_free_space
from edge.video.address import IMAGE_SUFFIXES, kind_of

_BLOCK_BYTES = 1 << 20
_FREE_MIB = 256.0  # what a copy leaves free on the disk

Beat = Callable[[], None]  # called again and again while something goes on


def seen(address: str) -> Input:
    """The input as it is now, without its hash. Raises NotFoundError, or what fsspec has against the address."""
    if kind_of(address) == "demo":
        return Input(0, "built in")
    if remote.is_remote(address):
        return Input(*remote.stamp(address))
    files = _files(Path(address))
    try:
        facts = [(path, path.stat()) for path in files]
    except OSError as error:
        raise _gone(address, error) from error
    total = sum(fact.st_size for _, fact in facts)
    if len(files) == 1:
        return Input(total, str(facts[0][1].st_mtime_ns))
    listing = "\n".join(f"{path.name} {fact.st_size} {fact.st_mtime_ns}" for path, fact in facts)
    return Input(total, hashlib.sha256(listing.encode("utf-8", "surrogateescape")).hexdigest())


@contextlib.contextmanager
def at_hand(address: str, folder: Folder, beat: Beat) -> Iterator[tuple[str, Input]]:
    """Where the pictures can be read here, and the input with its hash; a copy is removed afterwards.

    Raises DataError where the input changed meanwhile, and as `seen`.
    """
    before = seen(address)
    digest = hashlib.sha256()
    with contextlib.ExitStack() as stack:
        if kind_of(address) == "demo":
            here = address
            digest.update(address.encode())
        elif remote.is_remote(address):
            copy = folder.temporary(Path(address.partition("?")[0]).suffix)
            stack.callback(copy.unlink, missing_ok=True)
            here = str(copy)
            _fetch(address, copy, digest.update, beat)
        else:
            here = address
            _read(Path(address), digest.update, beat)
        try:
            yield here, Input(before.bytes, before.stamp, digest.hexdigest())
        except NanoTrackError as error:  # of a copy the name means nothing
            raise type(error)(str(error).replace(here, redacted(address))) from error
        if seen(address) != before:
            raise DataError(f"{address}: was written to while it was tracked; run this again when it is finished")


def _fetch(address: str, copy: Path, take: Callable[[bytes], None], beat: Beat) -> None:
    """Copy a remote file. Raises OutputError where the disk is full before, DataError where the file fills it."""
    require_free_space(copy.parent, _FREE_MIB)
    try:
        with copy.open("wb") as file:

            def keep(block: bytes) -> None:
                require_free_space(copy.parent, _FREE_MIB)
                file.write(block)
                take(block)
                beat()

            remote.read(address, keep)
    except OutputError as error:
        raise DataError(f"{address}: does not fit on the disk of the output folder: {error}") from error


def _read(path: Path, take: Callable[[bytes], None], beat: Beat) -> None:
    files = _files(path)
    try:
        for each in files:
            if len(files) > 1 or path.is_dir():
                take(each.name.encode("utf-8", "surrogateescape") + b"\0")
            with open_file(each) as file:
                while block := file.read(_BLOCK_BYTES):
                    take(block)
                    beat()
    except OSError as error:
        raise _gone(str(path), error) from error


def _files(path: Path) -> list[Path]:
    """The file, or the images of a folder."""
    if not path.is_dir():
        return [path]
    return sorted(each for each in path.iterdir() if each.suffix.lower() in IMAGE_SUFFIXES)


def _gone(address: str, error: OSError) -> NotFoundError:
    return NotFoundError(f"{address}: expected a recording, cannot read it: {error.strerror}")
