"""Nothing is written while free space is below a limit."""

import os
from pathlib import Path

from edge.errors import OutputError

_MIB = 1 << 20


def require_free_space(folder: Path, free_mib: float) -> None:
    """Raise OutputError where `folder` is gone, or less than `free_mib` are free on its disk."""
    try:
        disk = os.statvfs(folder)
    except OSError as error:
        raise OutputError(f"{folder}: cannot write there: {error.strerror}") from error
    found_mib = disk.f_bavail * disk.f_frsize / _MIB
    if found_mib < free_mib:
        raise OutputError(
            f"{folder}: {found_mib:.1f} MiB are free on the disk, expected at least {free_mib:g}; nothing is written"
            " until there is more"
        )
