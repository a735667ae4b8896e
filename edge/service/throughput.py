"""How fast a stream is now: frames a second, and how old frames are when their tracks are ready."""

from array import array

import numpy as np
import numpy.typing as npt

from edge.service.histogram import AGE_BOUNDS_S, Buckets

# So many frames are remembered, whatever their rate.
KEPT = 512
WINDOW_S = 5.0


class Throughput:
    """The throughput over the last `KEPT` frames. `note` belongs to one thread, the rest is for any.

    `ages` is the histogram of all ages since the start.
    """

    def __init__(self, now_s: float) -> None:
        self._began_s = now_s
        self._count = 0
        self._times_s = array("d", bytes(8 * KEPT))
        self._ages_s = array("d", bytes(8 * KEPT))
        self.ages = Buckets(AGE_BOUNDS_S)

    def note(self, now_s: float, age_s: float) -> None:
        """A frame is done, `age_s` after it was taken."""
        place = self._count % KEPT
        self._times_s[place], self._ages_s[place] = now_s, age_s
        self._count += 1
        self.ages.note(age_s)

    def fps(self, now_s: float) -> float:
        """Frames a second in the last `WINDOW_S`, or since the start."""
        times_s = self._recent(self._times_s)
        since_s = max(self._began_s, now_s - WINDOW_S, times_s.min(initial=now_s) if self._count > KEPT else -np.inf)
        return float((times_s > since_s).sum() / max(now_s - since_s, 1e-3))

    def ages_ms(self, *percentiles: float) -> list[float] | None:
        """Percentiles (0 to 100) of the ages, None before the first frame."""
        if not self._count:
            return None
        return [float(ms) for ms in 1e3 * np.percentile(self._recent(self._ages_s), percentiles)]

    def _recent(self, values: "array[float]") -> npt.NDArray[np.float64]:
        return np.array(np.frombuffer(values)[: self._count], np.float64)
