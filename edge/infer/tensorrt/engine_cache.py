"""Where engines lie on the board, what each was built for, and when one may be loaded.

An engine is executable code and fits exactly one TensorRT, driver, GPU and network. So a header beside it repeats all
of that in clear, and it is loaded only when every field agrees, its bytes have the hash that the header names, and
nobody but us or root could have written it. A difference is named, never tried.
"""

import contextlib
import dataclasses
import fcntl
import grp
import hashlib
import json
import os
import pwd
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edge.errors import OutputError, UnavailableError
from edge.infer.reasons import Reason, RungError
from edge.infer.tensorrt.versions import Precision
from edge.schema import build

SCHEMA = 1

# What the builder is told, everywhere the same: the workspace is ample for networks of a few million weights, and 3 is
# TensorRT's own default for how long it searches.
WORKSPACE_BYTES = 256 << 20
OPTIMIZATION_LEVEL = 3


Verdict = Literal["kept", "slower", "golden_mismatch"]


@dataclass(frozen=True)
class EngineKey:
    """Everything that an engine depends on; two equal keys may share an engine, any difference means another build."""

    onnx_sha256: str
    precision: Precision
    input_shapes: dict[str, tuple[int, ...]]
    tensorrt: str
    libraries: tuple[str, ...]
    cuda: str
    driver: str
    device: str
    sm: str
    sm_count: int
    builder_flags: tuple[str, ...]
    workspace_bytes: int = WORKSPACE_BYTES
    optimization_level: int = OPTIMIZATION_LEVEL
    schema: int = SCHEMA

    def digest(self) -> str:
        """The hex sha256 over all fields."""
        return hashlib.sha256(json.dumps(dataclasses.asdict(self), sort_keys=True).encode("utf-8")).hexdigest()

    def differences(self, now: "EngineKey") -> list[str]:
        """The fields in which this key is not the one of `now`, each as "field: built for X, now Y"."""
        return [
            f"{field.name}: built for {getattr(self, field.name)}, now {getattr(now, field.name)}"
            for field in dataclasses.fields(self)
            if getattr(self, field.name) != getattr(now, field.name)
        ]

    @property
    def stem(self) -> str:
        """The name of the engine's files without suffix: what is asked for, so that a stale one is found and named."""
        shapes = "_".join("x".join(map(str, shape)) for shape in self.input_shapes.values())
        return f"{self.onnx_sha256[:16]}-{self.precision}-{shapes}"


@dataclass(frozen=True)
class Header:
    """The JSON beside an engine. `verdict` is what measuring on this board said about it, `detail` the figures."""

    key: EngineKey
    digest: str
    plan_sha256: str
    verdict: Verdict
    detail: str


_REJECTED = {"slower": Reason.SLOWER, "golden_mismatch": Reason.GOLDEN_MISMATCH}


def default_folder() -> Path:
    """NANOTRACK_CACHE_DIR, else systemd's CACHE_DIRECTORY, else nanotrack in the user's cache folder."""
    for variable in ("NANOTRACK_CACHE_DIR", "CACHE_DIRECTORY"):
        if value := os.environ.get(variable):
            return Path(value.split(":")[0]) / "engines"
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(home).expanduser() / "nanotrack" / "engines"


def load(folder: Path, key: EngineKey) -> bytes:
    """The engine for `key`. Raises RungError: missing, stale (with the field), untrusted, or rejected when built."""
    header_path, plan_path = folder / f"{key.stem}.json", folder / f"{key.stem}.plan"
    if not header_path.exists():
        raise RungError(Reason.ENGINE_MISSING, f"no {header_path.name} in {folder}")
    require_private(folder)
    header = _header(header_path)
    if different := header.key.differences(key):
        raise RungError(Reason.ENGINE_STALE, "; ".join(different))
    if header.verdict in _REJECTED:
        raise RungError(_REJECTED[header.verdict], header.detail)
    plan = _read_private(plan_path)
    if header.digest != key.digest() or hashlib.sha256(plan).hexdigest() != header.plan_sha256:
        raise RungError(Reason.ENGINE_STALE, f"{plan_path.name} is not the file that its header describes")
    return plan


def store(folder: Path, key: EngineKey, plan: bytes, verdict: Verdict = "kept", detail: str = "") -> Path:
    """Write engine and header, each atomically, the header last; the path of the engine. Raises OutputError.

    Of an engine that was not kept only the header stays, as the reason why this precision is not used.
    """
    plan_path = folder / f"{key.stem}.plan"
    header = {
        "key": dataclasses.asdict(key),
        "digest": key.digest(),
        "plan_sha256": hashlib.sha256(plan).hexdigest(),
        "verdict": verdict,
        "detail": detail,
    }
    if verdict == "kept":
        write(plan_path, plan)
    else:
        plan_path.unlink(missing_ok=True)
    write(folder / f"{key.stem}.json", json.dumps(header, indent=2).encode("utf-8"))
    return plan_path


def write(path: Path, content: bytes) -> None:
    """Replace the file in one step that a power cut cannot halve. Raises OutputError.

    All may read it, so that root can build for a service that runs as somebody else.
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
    """Return when nobody but us and root can change what lies in `folder`; raises RungError(ENGINE_UNTRUSTED)."""
    resolved = folder.resolve()
    for place in (resolved, *resolved.parents):
        status = place.stat()
        shared = place != resolved and status.st_mode & stat.S_ISVTX  # as /tmp: others cannot rename what is ours
        _require(place, status, may_be_shared=bool(shared))


def _read_private(path: Path) -> bytes:
    """The bytes of a file that only its owner, us or root, can write: checked on the open file, so none can swap it."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW), "rb") as file:
            _require(path, os.fstat(file.fileno()), may_be_shared=False)
            return file.read()
    except FileNotFoundError:
        raise RungError(Reason.ENGINE_MISSING, f"no {path.name} in {path.parent}") from None
    except OSError as error:  # a link, or not for our eyes
        raise RungError(Reason.ENGINE_UNTRUSTED, f"{path}: {error.strerror}") from error


def _require(path: Path, status: os.stat_result, *, may_be_shared: bool) -> None:
    if status.st_uid not in (os.geteuid(), 0):
        raise RungError(Reason.ENGINE_UNTRUSTED, f"{path} belongs to user {status.st_uid}")
    by_group = status.st_mode & stat.S_IWGRP and not is_private_group(status.st_uid, status.st_gid)
    if (by_group or status.st_mode & stat.S_IWOTH) and not may_be_shared:
        raise RungError(Reason.ENGINE_UNTRUSTED, f"{path} can be written by others (mode {status.st_mode & 0o7777:o})")


def is_private_group(uid: int, gid: int) -> bool:
    """Whether a group is that of one user alone, as Ubuntu makes them, where folders are group-writable by default."""
    try:
        owner, group = pwd.getpwuid(uid), grp.getgrgid(gid)
    except KeyError:
        return False
    others = [user.pw_name for user in pwd.getpwall() if user.pw_gid == gid and user.pw_uid != uid]
    return owner.pw_gid == gid and not others and set(group.gr_mem) <= {owner.pw_name}


def _header(path: Path) -> Header:
    try:
        data = json.loads(_read_private(path))
    except ValueError as error:
        raise RungError(Reason.ENGINE_STALE, f"{path.name}: {error}") from error
    header, mistakes = build(Header, data)
    if header is None:
        raise RungError(Reason.ENGINE_STALE, f"{path.name}: {'; '.join(mistakes)}")
    return header
