"""Opening what may never open: a file of a network file system that is away, a FIFO that nothing writes to."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Opening(Generic[T]):
    """What `open_one` returns, by a thread of its own that begins at once and ends with the process at the latest."""

    def __init__(self, open_one: Callable[[], T]):
        self._open_one = open_one
        self._done = threading.Event()
        self._results: list[T] = []
        self._error: Exception | None = None
        threading.Thread(target=self._run, name="opening", daemon=True).start()

    def wait(self, timeout_s: float) -> bool:
        """Whether it is done within that time. Raises what `open_one` raised."""
        if not self._done.wait(timeout_s):
            return False
        self.result()
        return True

    def result(self) -> T:
        """What was returned, however long it takes. Raises what `open_one` raised."""
        self._done.wait()
        if self._error is not None:
            raise self._error
        return self._results[0]

    def _run(self) -> None:
        try:
            self._results.append(self._open_one())
        except Exception as error:  # noqa: BLE001  a thread's edge: raised where the result is wanted
            self._error = error
        self._done.set()
