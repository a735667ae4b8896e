"""Whether the board is too hot, and its other sensors: read by a thread of their own, since some are slow.

Too hot: the firmware says that it slows the board down, or a thermal zone has reached its limit. It is over once every
zone has been `COOLER_C` below its limit for `CALM_S`, so that a board at its limit does not switch twice a minute.
"""

import threading
import time
from collections.abc import Callable
from pathlib import Path

from edge import board

PERIOD_S = 2.0
COOLER_C = 5.0
CALM_S = 20.0
_STOP_S = 1.0


class Temperature:
    """The sensors of the board whose files are under `root`. `reading` is the newest, `cause` says what is too hot.

    `cause` is "" while nothing is. `limit_c` holds for all zones; None leaves to each its own: where the kernel begins
    to slow the board down for it. A zone that has none never counts.
    """

    def __init__(
        self, limit_c: float | None, root: Path = board.ROOT, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.limit_c = limit_c
        self.cause = ""
        self._root, self._clock = root, clock
        self._limits_c = board.limits_c(root)
        self._cool_since_s: float | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sensors", daemon=True)
        self.read()

    def start(self) -> None:
        """Begin to read, every `PERIOD_S`."""
        self._thread.start()

    def close(self) -> None:
        """End the thread; one that hangs in a sensor ends with the process."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(_STOP_S)

    def read(self) -> None:
        """Read all sensors once."""
        self.reading = board.reading(self._root)
        cause = self._too_hot(0.0)
        if cause:
            self.cause, self._cool_since_s = self.cause or cause, None
        elif self._too_hot(COOLER_C):
            self._cool_since_s = None
        elif self.cause:
            now_s = self._clock()
            if self._cool_since_s is None:
                self._cool_since_s = now_s
            if now_s - self._cool_since_s >= CALM_S:
                self.cause = ""

    def _too_hot(self, margin_c: float) -> str:
        """What is too hot, or less than `margin_c` below its limit; "" for nothing."""
        if self.reading.throttled:
            return "the firmware slows the board down"
        for zone, degrees_c in self.reading.temperatures_c.items():
            limit_c = self._limits_c.get(zone) if self.limit_c is None else self.limit_c
            if limit_c is not None and degrees_c >= limit_c - margin_c:
                return f"{zone} has {degrees_c:.0f} °C of {limit_c:.0f}"
        return ""

    def _run(self) -> None:
        while not self._stop.wait(PERIOD_S):
            self.read()
