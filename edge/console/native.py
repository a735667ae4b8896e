"""What native libraries print to standard error by themselves, caught, so that it becomes a sentence of ours."""

import contextlib
import os
import sys
import threading
from collections.abc import Iterator

# Standard error belongs to the whole process: one thread at a time may catch it.
_LOCK = threading.Lock()
# The beginnings of lines that libpng, libjpeg, libtiff and OpenCV print about a file.
_NATIVE = (
    "libpng ",
    "Premature end of",
    "Corrupt JPEG",
    "Invalid ",
    "Unsupported ",
    "TIFF",
    "[ WARN:",
    "[ERROR:",
    "OpenCV: FFMPEG",
)


@contextlib.contextmanager
def native_messages() -> Iterator[list[str]]:
    """A context whose list holds, once it is left, the lines that libraries printed in it.

    Lines of other origin, such as those of threads that log meanwhile, are passed on to standard error. Where the
    process has no standard error nothing is caught.
    """
    messages: list[str] = []
    with _LOCK, contextlib.ExitStack() as stack:
        try:
            kept = os.dup(2)
        except OSError:
            yield messages
            return
        stack.callback(os.close, kept)
        caught = os.memfd_create("stderr")
        stack.callback(os.close, caught)
        _flush()
        os.dup2(caught, 2)
        try:
            yield messages
        finally:
            _flush()
            os.dup2(kept, 2)
            text = os.pread(caught, os.fstat(caught).st_size, 0)
            others = []
            for line in text.splitlines(keepends=True):
                found = line.decode("utf-8", "replace").strip()
                if found.startswith(_NATIVE):
                    messages.append(found)
                else:
                    others.append(line)
            if others:
                os.write(kept, b"".join(others))


def _flush() -> None:
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.flush()
