"""The daemon's two clocks, and whether somebody set the one on the wall."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

logger = logging.getLogger(__name__)

_STEP_S = 1.0  # less is the steering of a time service


@dataclass(frozen=True)
class Clock:
    """`mono` goes evenly and is what everything is measured with, `utc` (seconds since 1970) is only a label."""

    mono: Callable[[], float] = time.monotonic
    utc: Callable[[], float] = time.time


class ClockSteps:
    """Notices when the wall clock of `clock` is set; `count` says how often it was."""

    def __init__(self, clock: Clock):
        self.count = 0
        self._clock = clock
        self._offset_s = clock.utc() - clock.mono()

    def taken_s(self) -> float:
        """By how many seconds it was set since the last call, negative for back; 0 where it was not."""
        offset_s = self._clock.utc() - self._clock.mono()
        step_s, self._offset_s = offset_s - self._offset_s, offset_s
        if abs(step_s) <= _STEP_S:
            return 0.0
        self.count += 1
        logger.warning("the wall clock was changed by %+.1f s; only the times in events follow it", step_s)
        return step_s
