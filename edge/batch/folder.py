"""The output folder: results are whole or absent, whatever is killed, and one run at a time writes there.

Files are written below `.partial`, reach the disk, and are renamed; a manifest comes last and goes first.
"""

import contextlib
import errno
import fcntl
import os
import secrets
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

from edge.batch import manifest as manifests
from edge.batch.manifest import Manifest
from edge.errors import OutputError

SUFFIX = ".manifest.json"
SUMMARY = "summary.sqlite"
_PARTIAL, _LOCK = ".partial", ".lock"


class Folder:
    """The output folder at `path`, made if need be. Raises OutputError."""

    def __init__(self, path: Path):
        self.path = path
        try:
            (path / _PARTIAL).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _cannot_write(path, error) from error

    def __repr__(self) -> str:
        return f"Folder({str(self.path)!r})"

    @contextlib.contextmanager
    def lock(self, *, shared: bool) -> Iterator[None]:
        """Within, no other run writes there; where `shared`, others that share do. Leftovers are removed.

        Raises OutputError where another run writes there now.
        """
        with contextlib.ExitStack() as stack:
            try:
                handle = stack.enter_context((self.path / _LOCK).open("a"))
                fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            except BlockingIOError:
                raise OutputError(
                    f"{self.path}: another nanotrack batch writes there; wait for it, or choose another --out"
                ) from None
            except OSError as error:
                if error.errno not in (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP):  # file systems without locks
                    raise _cannot_write(self.path, error) from error
            if not shared:
                for leftover in (self.path / _PARTIAL).iterdir():
                    leftover.unlink(missing_ok=True)
            yield

    def temporary(self, suffix: str) -> Path:
        """A path for a file that nobody else writes."""
        return self.path / _PARTIAL / f"{_owner(os.getpid())}{secrets.token_hex(8)}{suffix}"

    def discard(self, pid: int) -> None:
        """Remove the temporary files of a process of this machine that has ended."""
        for leftover in (self.path / _PARTIAL).glob(f"{_owner(pid)}*"):
            leftover.unlink(missing_ok=True)

    def manifest(self, name: str) -> Manifest | None:
        """The manifest of the recording of that name, None where there is none."""
        return manifests.read(self._manifest_path(name))

    def knows(self, name: str) -> bool:
        """Whether there is a manifest of the recording of that name."""
        return self._manifest_path(name).exists()

    def is_complete(self, manifest: Manifest) -> bool:
        """Whether all results that it names are there."""
        for result in manifest.results:
            try:
                if (self.path / result.file).stat().st_size != result.bytes:
                    return False
            except OSError:
                return False
        return True

    def commit(self, manifest: Manifest, files: Mapping[str, Path]) -> None:
        """Put `files`, temporary ones by their names in this folder, in their places, and the manifest after them.

        What an earlier manifest of this recording named goes. Raises OutputError.
        """
        path = self._manifest_path(manifest.recording.name)
        before = manifests.read(path)
        fresh = self.temporary(SUFFIX)
        try:
            fresh.write_text(manifest.text(), "utf-8")
            path.parent.mkdir(parents=True, exist_ok=True)
            for temporary in (*files.values(), fresh):
                _flush(temporary)
            path.unlink(missing_ok=True)
            for name, temporary in files.items():
                temporary.rename(self.path / name)
            kept = {each.file for each in manifest.files}
            for old in before.files if before else ():
                if old.file not in kept:
                    (self.path / old.file).unlink(missing_ok=True)
            fresh.rename(path)
            _flush(path.parent)
        except OSError as error:
            raise _cannot_write(path, error) from error
        finally:
            fresh.unlink(missing_ok=True)

    def manifests(self) -> Iterator[Manifest]:
        """All manifests, by the names of their recordings."""
        for path in sorted(self.path.rglob(f"*{SUFFIX}")):
            if path.parent.name != _PARTIAL and (found := manifests.read(path)) is not None:
                yield found

    def replace(self, name: str, temporary: Path) -> None:
        """Put a temporary file in the place of `name`. Raises OutputError."""
        try:
            _flush(temporary)
            temporary.rename(self.path / name)
            _flush(self.path)
        except OSError as error:
            raise _cannot_write(self.path / name, error) from error

    def _manifest_path(self, name: str) -> Path:
        return self.path / f"{name}{SUFFIX}"


def _owner(pid: int) -> str:
    return f"{socket.gethostname()}-{pid}-"


def _flush(path: Path) -> None:
    """Return when it is on the disk."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _cannot_write(path: Path, error: OSError) -> OutputError:
    remedy = "free some space or choose" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "choose"
    return OutputError(f"{path}: cannot write it: {error.strerror}; {remedy} another --out")
