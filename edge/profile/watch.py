"""What the board does while it is measured: sensors read now and then by a thread, and sums before and after."""

import os
import threading
import time
from pathlib import Path
from types import TracebackType

from edge import board
from edge.profile import process
from edge.profile.report import Memory, Sensors, Thread

# A reading takes about a millisecond of a core.
PERIOD_S = 0.5


class Watch:
    """A context that watches the board, this process and its neighbours; ask when it has ended."""

    def __init__(self, root: Path = board.ROOT, period_s: float = PERIOD_S) -> None:
        self._root, self._period_s = root, period_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sensors", daemon=True)
        self._temperatures_most_c: dict[str, float] = {}
        self._clocks_mhz: dict[str, list[int]] = {}
        self._power_w: dict[str, list[float]] = {}
        self._throttled: bool | None = None

    def __enter__(self) -> "Watch":
        self._temperatures_before_c = board.temperatures(self._root)
        self._memory_before, _ = process.memory_bytes()
        self._threads_before = process.thread_times()
        self._busy_before_s, self._own_before_s = process.busy_s(), time.process_time()
        self._start_s = time.perf_counter()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._seconds = time.perf_counter() - self._start_s
        own_s, busy_s = time.process_time() - self._own_before_s, process.busy_s()
        self._elsewhere = None
        if busy_s is not None and self._busy_before_s is not None:
            available_s = self._seconds * len(os.sched_getaffinity(0))
            self._elsewhere = max(0.0, busy_s - self._busy_before_s - own_s) / available_s
        self._threads_after = process.thread_times()
        self._memory_after, self._memory_peak = process.memory_bytes()
        self._stop.set()
        self._thread.join()

    def sensors(self, fps: float) -> Sensors:
        """What the sensors showed; `fps` makes energy out of power."""
        power_w = {rail: sum(values) / len(values) for rail, values in self._power_w.items()}
        return Sensors(
            temperatures_before_c=self._temperatures_before_c,
            temperatures_most_c=self._temperatures_most_c,
            clocks_least_mhz={name: min(values) for name, values in self._clocks_mhz.items()},
            clocks_mean_mhz={name: sum(values) / len(values) for name, values in self._clocks_mhz.items()},
            power_w=power_w,
            energy_mj={rail: 1000 * watts / fps for rail, watts in power_w.items()},
            throttled=self._throttled,
            elsewhere=self._elsewhere,
        )

    def memory(self) -> Memory:
        """The memory of this process."""
        return Memory(self._memory_before, self._memory_after, self._memory_peak)

    def threads(self, frames: int) -> tuple[Thread, ...]:
        """What each thread took for one of `frames` frames, the busiest first; those of one name together."""
        sums: dict[str, tuple[float, float | None]] = {}
        for number, after in self._threads_after.items():
            before = self._threads_before.get(number)
            cpu_ns = after.cpu_ns - (before.cpu_ns if before else 0)
            waited_ns = None
            if after.waited_ns is not None:
                waited_ns = after.waited_ns - ((before.waited_ns if before else 0) or 0)
            cpu_so_far, waited_so_far = sums.get(after.name, (0, 0))
            known = waited_so_far is not None and waited_ns is not None
            sums[after.name] = (cpu_so_far + cpu_ns, waited_so_far + waited_ns if known else None)  # type: ignore[operator]
        threads = [
            Thread(name, cpu_ns / frames / 1e6, None if waited_ns is None else waited_ns / frames / 1e6)
            for name, (cpu_ns, waited_ns) in sums.items()
        ]
        return tuple(sorted(threads, key=lambda thread: -thread.cpu_ms))

    def _run(self) -> None:
        while True:
            self._read()
            if self._stop.wait(self._period_s):
                return

    def _read(self) -> None:
        most, reading = self._temperatures_most_c, board.reading(self._root)
        for zone, degrees in reading.temperatures_c.items():
            most[zone] = max(degrees, most.get(zone, degrees))
        for clock in reading.clocks:
            self._clocks_mhz.setdefault(clock.name, []).append(clock.now_mhz)
        for rail, watts in reading.power_w.items():
            self._power_w.setdefault(rail, []).append(watts)
        if reading.throttled is not None:
            self._throttled = reading.throttled or bool(self._throttled)
