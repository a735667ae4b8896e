"""Files from elsewhere, opened without trusting them: a named pipe would block for ever, a device never ends.

And folders, tried before they are needed.
"""

import errno
import os
import stat
import tempfile
from pathlib import Path
from typing import IO

from edge.errors import DataError

_KINDS = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISDIR, "a folder"),
)


def open_file(path: Path | str) -> IO[bytes]:
    """`path` opened for reading bytes, at once.

    Raises OSError, also where it is no regular file (`strerror` says what it is), and where its name has a NUL.
    """
    try:
        # Without O_NONBLOCK a pipe without a writer blocks in `open` itself; a regular file does not notice it.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except ValueError as error:
        raise OSError(errno.EINVAL, str(error), str(path)) from None
    mode = os.fstat(handle).st_mode
    if not stat.S_ISREG(mode):
        os.close(handle)
        found = next((name for is_kind, name in _KINDS if is_kind(mode)), "something else")
        raise OSError(errno.EINVAL, f"expected a file, found {found}", str(path))
    return os.fdopen(handle, "rb")


def read_file(path: Path | str, most_bytes: int) -> bytes:
    """The contents of a regular file of at most `most_bytes`. Raises OSError, EFBIG for a larger one."""
    with open_file(path) as file:
        content = file.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise OSError(errno.EFBIG, f"larger than {most_bytes:,} bytes", str(path))
    return content


def takes_files(folder: Path) -> bool:
    """Whether this process can make files in `folder`, a full disk or not; tried with one that has no name and is gone.

    Permissions alone do not tell: root may write everywhere, and yet nothing can be made in /proc.
    """
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError as error:
        return error.errno in (errno.ENOSPC, errno.EDQUOT)


def native_name(path: Path | str) -> str:
    """`path` as a text that C++ libraries can open.

    Raises DataError for a name that is no UTF-8: ONNX Runtime refuses it with a message about codecs, OpenCV crashes.
    """
    text = str(path)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        shown = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        raise DataError(f"{shown}: expected a file name in UTF-8, found other bytes; rename the file") from None
    return text
