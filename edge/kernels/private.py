"""Folders of code that this user trusts: nobody else can change what lies in them."""

import functools
import grp
import logging
import os
import pwd
import stat
import tempfile
from pathlib import Path

logger = logging.getLogger(__name__)


class UntrustedError(Exception):
    """Somebody else can write there; the message says who and where."""


def user_cache() -> Path:
    """Where this user's programs keep what they can make again: XDG_CACHE_HOME, else ~/.cache.

    For a user without a home it is a folder among the temporary files, which is said once.
    """
    if folder := os.environ.get("XDG_CACHE_HOME"):
        return Path(folder)
    try:
        return Path("~/.cache").expanduser()
    except RuntimeError:  # neither HOME nor an entry among the system's users
        return _without_home()


@functools.cache
def _without_home() -> Path:
    folder = Path(tempfile.gettempdir()) / f"nanotrack-{os.geteuid()}"
    logger.warning(
        "this user has no home folder: caches go to %s and are lost at a restart; set HOME or XDG_CACHE_HOME", folder
    )
    return folder


def require_private(folder: Path) -> None:
    """Return when only this user and root can change what lies in `folder`; raises UntrustedError."""
    resolved = folder.resolve()
    for place in (resolved, *resolved.parents):
        status = place.stat()
        shared = place != resolved and status.st_mode & stat.S_ISVTX  # as /tmp: others cannot rename what is ours
        require(place, status, may_be_shared=bool(shared))


def require(path: Path, status: os.stat_result, *, may_be_shared: bool = False) -> None:
    """Return when a file or folder with this `status` is this user's or root's, and no others can write it.

    Raises UntrustedError.
    """
    if status.st_uid not in (os.geteuid(), 0):
        raise UntrustedError(f"{path} belongs to user {status.st_uid}")
    by_group = status.st_mode & stat.S_IWGRP and not is_private_group(status.st_uid, status.st_gid)
    if (by_group or status.st_mode & stat.S_IWOTH) and not may_be_shared:
        raise UntrustedError(f"{path} can be written by others (mode {status.st_mode & 0o7777:o})")


def is_private_group(uid: int, gid: int) -> bool:
    """Whether a group is that of one user alone, as Ubuntu makes them, where folders are group-writable by default."""
    try:
        owner, group = pwd.getpwuid(uid), grp.getgrgid(gid)
    except KeyError:
        return False
    others = [user.pw_name for user in pwd.getpwall() if user.pw_gid == gid and user.pw_uid != uid]
    return owner.pw_gid == gid and not others and set(group.gr_mem) <= {owner.pw_name}
