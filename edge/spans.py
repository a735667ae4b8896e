"""How long each stage takes: named spans cheap enough (about .4 us each) to stay on for ever."""

from collections.abc import Iterator
from time import perf_counter_ns
from types import TracebackType

import numpy as np
import numpy.typing as npt

# The last two minutes at 30 frames a second: enough for a p99, and 32 KiB a stage for any length of run.
KEPT = 4096


class Span:
    """A context manager that measures its body; one thread at a time.

    `count` and `total_ns` cover everything since the start, `recent_ms()` the last `KEPT` measurements.
    """

    __slots__ = ("_recent_ns", "_start_ns", "count", "total_ns")

    def __init__(self) -> None:
        self.count = 0
        self.total_ns = 0
        self._recent_ns = np.zeros(KEPT, np.int64)
        self._start_ns = 0

    def __enter__(self) -> None:
        self._start_ns = perf_counter_ns()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        elapsed_ns = perf_counter_ns() - self._start_ns
        self._recent_ns[self.count % KEPT] = elapsed_ns
        self.count += 1
        self.total_ns += elapsed_ns

    def recent_ms(self) -> npt.NDArray[np.float64]:
        """The latest durations in milliseconds, in no particular order; empty before the first."""
        return self._recent_ns[: min(self.count, KEPT)] / 1e6


class Spans:
    """Spans by name, made on first use, iterated in that order."""

    def __init__(self) -> None:
        self._spans: dict[str, Span] = {}

    def __getitem__(self, name: str) -> Span:
        return self._spans.setdefault(name, Span()) if name not in self._spans else self._spans[name]

    def __iter__(self) -> Iterator[tuple[str, Span]]:
        return iter(list(self._spans.items()))
