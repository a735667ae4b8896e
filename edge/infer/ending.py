"""Runs of the libraries that compute end before the interpreter does.

Python stops a daemon thread that comes back from a library while the interpreter shuts down, in the middle of the
library's C++, which then ends the process with SIGABRT (status 134). So at exit the runs of daemon threads are waited
for, and they begin no more. Other threads have ended by then.
"""

import atexit
import threading

TIMEOUT_S = 10.0  # a run takes milliseconds; one that hangs must not keep the process


class Runs:
    """A context for every call of a library: `with runs: session.run()`."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._in_progress = 0
        self._is_over = False

    def __enter__(self) -> None:
        if not threading.current_thread().daemon:
            return
        with self._changed:
            is_over = self._is_over
            self._in_progress += not is_over
        if is_over:
            threading.Event().wait()  # until the process is gone

    def __exit__(self, *_: object) -> None:
        if threading.current_thread().daemon:
            with self._changed:
                self._in_progress -= 1
                self._changed.notify_all()

    def end(self) -> None:
        """Wait for the runs in progress; daemon threads that begin one later wait for ever."""
        with self._changed:
            self._is_over = True
            self._changed.wait_for(lambda: not self._in_progress, TIMEOUT_S)


runs = Runs()
atexit.register(runs.end)
