"""Files in object stores and on web servers, through fsspec: `s3://`, `http(s)://`, and others it has a driver for."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from edge.console.outgoing import redacted
from edge.errors import DataError, NanoTrackError, NotFoundError, UnavailableError, UsageError
from edge.video.address import scheme_of

_LIVE = ("csi", "rtmp", "rtmps", "rtsp", "rtsps", "srt", "tcp", "udp")
_WEB = ("http", "https")
# What file systems call that which changes with a file.
_STAMPS = ("ETag", "etag", "md5", "generation", "LastModified", "Last-Modified", "last_modified", "mtime", "updated")
_BLOCK_BYTES = 4 << 20


def is_remote(address: str) -> bool:
    """Whether fsspec reads it. Raises UsageError for a live stream."""
    scheme = scheme_of(address)
    if scheme in _LIVE:
        raise UsageError(f"{redacted(address)}: a live stream is no recording; nanotrack track or serve follow it")
    return scheme not in ("", "demo")


def found(address: str) -> list[str]:
    """The addresses of the files that `address` names: one file, all below a folder (it ends in /), or a pattern.

    Raises NotFoundError, DataError or UnavailableError.
    """
    with _explained(address):
        files, path = _files(address)
        if scheme_of(address) in _WEB:
            return [address]  # a web server has no folders; ? and * may be part of an address
        if any(c in path for c in "*?["):
            names = files.glob(path)
        else:
            names = files.find(path) if address.endswith("/") or files.isdir(path) else [path]
        return [str(files.unstrip_protocol(name)) for name in sorted(names)]


def stamp(address: str) -> tuple[int, str]:
    """The size in bytes (0 where it is not told) and what changes when the file is written anew, "" where nothing is.

    Raises as `found`.
    """
    with _explained(address):
        files, path = _files(address)
        facts = files.info(path)
        return int(facts.get("size") or 0), next((str(facts[name]) for name in _STAMPS if facts.get(name)), "")


def read(address: str, take: Callable[[bytes], None]) -> None:
    """Give the file to `take`, block by block. Raises as `found`, and what `take` raises of ours."""
    with _explained(address):
        files, path = _files(address)
        # A web server that cannot send a part of a file can still send all of it.
        with files.open(path, "rb", block_size=0 if scheme_of(address) in _WEB else _BLOCK_BYTES) as file:
            while block := file.read(_BLOCK_BYTES):
                take(block)


def _files(address: str) -> tuple[Any, str]:
    """The file system and the path in it."""
    try:
        from fsspec.core import url_to_fs
    except ImportError:
        raise UnavailableError(
            f"{redacted(address)}: reading it needs fsspec; install it with pip install 'nanotrack-edge[batch]'"
        ) from None
    try:
        files, path = url_to_fs(address, use_listings_cache=False)
        return files, str(path)
    except ImportError as error:
        raise UnavailableError(
            f"{redacted(address)}: {error}; pip install 'nanotrack-edge[batch]' brings s3:// and http(s)://"
        ) from None
    except ValueError as error:
        raise UsageError(f"{redacted(address)}: {error}; expected a path, s3://… or http(s)://…") from None


@contextmanager
def _explained(address: str) -> Iterator[None]:
    """What drivers raise, as errors of ours: each has its own kinds, so any exception of theirs is caught here."""
    try:
        yield
    except NanoTrackError:
        raise
    except FileNotFoundError as error:
        cause = error.__cause__  # fsspec calls a server that is away, or refuses, a file that is not there
        refused = getattr(cause, "status", 404) != 404
        if refused or (isinstance(cause, OSError) and not isinstance(cause, FileNotFoundError)):
            raise NotFoundError(f"{redacted(address)}: cannot be read: {redacted(str(cause))}") from error
        raise NotFoundError(f"{redacted(address)}: expected a file, found none of that name") from None
    except MemoryError:
        raise
    except Exception as error:
        if type(error).__name__ == "NoCredentialsError":
            raise NotFoundError(
                f"{redacted(address)}: needs credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile"
            ) from error
        what = f"{type(error).__name__}: {error}".splitlines()[0]
        kind = DataError if isinstance(error, ValueError) else NotFoundError
        raise kind(f"{redacted(address)}: cannot be read: {redacted(what)}") from error
