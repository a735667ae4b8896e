"""The folder where a board keeps what it made for itself: private, and each file written in one step.

An engine is executable code, so nothing is read back from a folder or a file that others could write.
"""

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from edge.errors import OutputError, UnavailableError
from edge.infer.reasons import Reason, RungError
from edge.kernels import private
from edge.kernels.private import UntrustedError


def default_folder() -> Path:
    """NANOTRACK_CACHE_DIR, else systemd's CACHE_DIRECTORY, else nanotrack in the user's cache folder."""
    for variable in ("NANOTRACK_CACHE_DIR", "CACHE_DIRECTORY"):
        if value := os.environ.get(variable):
            return Path(value.split(":")[0]) / "engines"
    return private.user_cache() / "nanotrack" / "engines"


def write(path: Path, content: bytes) -> None:
    """Replace the file in one step that a power cut cannot halve. Raises OutputError.

    All may read it, so that root can build for a service that runs as another user.
    """
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fchmod(descriptor, 0o644)
                os.fsync(file.fileno())
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise OutputError(f"{path}: cannot write it ({error.strerror}); free space or choose another folder") from error


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """The folder, made if need be, with no other builder in it.

    Raises OutputError where it cannot be written, UnavailableError while another builder is at work or when others
    could put their files in place of ours.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / "build.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise OutputError(
            f"{folder}: cannot write engines there ({error.strerror}); set NANOTRACK_CACHE_DIR to a folder of yours"
        ) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UnavailableError(f"{folder}: another nanotrack build is at work there; wait until it ends") from None
        require_private(folder)
        yield
    finally:
        os.close(descriptor)  # gives the lock back, as the end of the process would


def require_private(folder: Path) -> None:
    """Return when only this user and root can change what lies in `folder`; raises RungError(ENGINE_UNTRUSTED)."""
    try:
        private.require_private(folder)
    except UntrustedError as error:
        raise RungError(Reason.ENGINE_UNTRUSTED, str(error)) from None


def read_private(path: Path) -> bytes:
    """The bytes of a file that only its owner, us or root, can write: checked on the open file, so none can swap it."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW), "rb") as file:
            private.require(path, os.fstat(file.fileno()))
            return file.read()
    except FileNotFoundError:
        raise RungError(Reason.ENGINE_MISSING, f"no {path.name} in {path.parent}") from None
    except UntrustedError as error:
        raise RungError(Reason.ENGINE_UNTRUSTED, str(error)) from None
    except OSError as error:  # a link, or not for our eyes
        raise RungError(Reason.ENGINE_UNTRUSTED, f"{path}: {error.strerror}") from error
