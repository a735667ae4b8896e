"""How long each stage takes: named spans in fixed memory, cheap enough (about .5 us each) to stay on for ever."""

import threading
from array import array
from collections.abc import Iterator, Mapping, Sequence
from time import perf_counter_ns
from types import TracebackType

import numpy as np
import numpy.typing as npt

from edge.types import Int64s

# The last two minutes at 30 frames a second, start and duration of each: 64 KiB a stage for any length of run.
KEPT = 4096

# The histogram is that of HdrHistogram: below 2 * _PARTS ns a bin a nanosecond, above that _PARTS bins an octave, so
# that a bin is never wider than 1/_PARTS of what it holds. Longer than 18 minutes counts as 18 minutes.
_BITS = 6
_PARTS = 1 << _BITS
_LONGEST_NS = (1 << 40) - 1
_BINS = (40 - _BITS) * _PARTS + _PARTS
# The middle of a bin is at most this share of the duration away from it.
RELATIVE_ERROR = 0.5 / _PARTS


class Span:
    """A context manager that measures its body; one thread at a time.

    `count` and `total_ns` cover everything since the start, `histogram()` as well; `recent_ms()` and `recent_ns()` the
    last `KEPT` measurements. `thread` is the name of the thread that was measured first, or of the device.
    """

    __slots__ = ("_durations_ns", "_histogram", "_start_ns", "_starts_ns", "count", "thread", "total_ns")

    def __init__(self) -> None:
        self.count = 0
        self.total_ns = 0
        self.thread = ""
        # array: an element is read and written in a third of the time that a NumPy array takes.
        self._durations_ns = array("q", bytes(8 * KEPT))
        self._starts_ns = array("q", bytes(8 * KEPT))
        self._histogram = array("q", bytes(8 * _BINS))
        self._start_ns = 0

    def __enter__(self) -> None:
        self._start_ns = perf_counter_ns()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        start_ns = self._start_ns
        self.add(start_ns, perf_counter_ns() - start_ns)
        if not self.thread:
            self.thread = threading.current_thread().name

    def add(self, start_ns: int, elapsed_ns: int) -> None:
        """Count what something else measured: when it started (of `time.perf_counter_ns`) and how long it took."""
        count = self.count
        place = count % KEPT
        self._durations_ns[place] = elapsed_ns
        self._starts_ns[place] = start_ns
        if elapsed_ns > _LONGEST_NS:
            elapsed_ns = _LONGEST_NS
        octave = elapsed_ns.bit_length() - _BITS - 1
        self._histogram[elapsed_ns if octave <= 0 else (octave << _BITS) + (elapsed_ns >> octave)] += 1
        self.total_ns += elapsed_ns
        self.count = count + 1

    def recent_ns(self) -> tuple[Int64s, Int64s]:
        """Start (of `time.perf_counter_ns`) and duration of the latest measurements, oldest first; copies."""
        count = self.count
        order = np.arange(max(0, count - KEPT), count) % KEPT
        return np.frombuffer(self._starts_ns, np.int64)[order], np.frombuffer(self._durations_ns, np.int64)[order]

    def recent_ms(self) -> npt.NDArray[np.float64]:
        """The latest durations in milliseconds, oldest first; empty before the first."""
        return self.recent_ns()[1] / 1e6

    def histogram(self) -> Int64s:
        """How many durations fell into each bin since the start, a copy; the difference of two is what was between."""
        return np.array(np.frombuffer(self._histogram, np.int64))


def bin_edges_ms() -> npt.NDArray[np.float64]:
    """The lower edge of every bin of a histogram, and the upper edge of the last one."""
    bins = np.arange(_BINS + 1)
    octaves = np.maximum(bins // _PARTS - 1, 0)
    return np.asarray(((bins - octaves * _PARTS) << octaves) / 1e6)


def percentiles_ms(histogram: Int64s, wanted: Sequence[float]) -> list[float]:
    """Percentiles (0 to 100) of a histogram, each within `RELATIVE_ERROR` of one that was measured.

    Raises ValueError for an empty histogram.
    """
    total = int(histogram.sum())
    if not total:
        raise ValueError("no durations")
    edges = bin_edges_ms()
    ranks = np.ceil(np.asarray(wanted) / 100 * total).clip(1, total)
    bins = np.searchsorted(np.cumsum(histogram), ranks)
    return [float(value) for value in (edges[bins] + edges[bins + 1]) / 2]


class Spans:
    """Spans by name, made on first use, iterated in that order."""

    def __init__(self) -> None:
        self._spans: dict[str, Span] = {}
        self._behind = ""

    def numbered(self, number: int) -> "Spans":
        """A view of these spans for another thread that does the same work: names get the suffix ` number`."""
        other = Spans()
        other._spans, other._behind = self._spans, f" {number}"
        return other

    def __getitem__(self, name: str) -> Span:
        name += self._behind
        return self._spans.setdefault(name, Span()) if name not in self._spans else self._spans[name]

    def add_device(self, stages_ms: Mapping[str, float], device: str = "GPU") -> None:
        """Count what a device did by its own clock: stages one after another, of which the last has just ended."""
        start_ns = perf_counter_ns() - round(1e6 * sum(stages_ms.values()))
        for name, duration_ms in stages_ms.items():
            span, elapsed_ns = self[name], round(1e6 * duration_ms)
            span.add(start_ns, elapsed_ns)
            span.thread = device
            start_ns += elapsed_ns

    def __iter__(self) -> Iterator[tuple[str, Span]]:
        return iter(list(self._spans.items()))
