"""The one place that turns an error into an exit code and a sentence."""

import errno

from edge.errors import NanoTrackError, NotFoundError, OutputError, UnavailableError

# What the system says when something cannot be written, and when something is not there to be read.
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG}
_NOT_THERE = {errno.ENOENT, errno.EACCES, errno.EPERM, errno.EISDIR, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG}
OUR_BUG = 70


def explained(error: Exception) -> tuple[int, str]:
    """The exit code for `error` and what to tell the user, never an empty text.

    Errors of ours speak for themselves; a full disk, a file that went away and memory that ran out are the system's;
    anything else is a bug of ours, with code 70 and where to report it.
    """
    if isinstance(error, NanoTrackError):
        return error.exit_code, str(error)
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        if error.errno in _NO_SPACE:
            return OutputError.exit_code, f"{error.filename}: cannot write it: {error.strerror}; choose another place"
        if error.errno in _NOT_THERE:
            return NotFoundError.exit_code, f"{error.filename}: {error.strerror}; was it moved or removed meanwhile?"
    if isinstance(error, OSError) and error.errno in _NO_SPACE:
        return OutputError.exit_code, f"cannot write on: {error.strerror}; free some space or choose another place"
    if isinstance(error, MemoryError):
        return UnavailableError.exit_code, "not enough memory; stop other programs, or use smaller inputs"
    first = (str(error).splitlines() or [""])[0]
    what = f"{type(error).__name__}: {first}" if first else type(error).__name__
    return OUR_BUG, (
        f"a bug of nanotrack-edge, not a mistake of yours: {what}; run it again with --verbose and report all that it"
        " prints on the project's issue tracker"
    )
