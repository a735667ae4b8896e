"""The detectors of the daemon: one in the loop's own thread, or where several cameras share a CPU a few side by side.

On CPUs frames side by side use the cores better than threads inside operators, which wait for each other after each
one; a single camera has its tracks sooner with all threads in one detector.
"""

import os
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from edge.detect.detector import Detector
from edge.detect.joint import JointDetector
from edge.types import Detections, Image

# A detector that computes for longer hangs, as far as anyone can tell.
_LONGEST_S = 10.0


def count_and_threads(cameras: int, threads: int | None) -> tuple[int, int]:
    """How many detectors serve so many cameras on a CPU, and the threads of each.

    A single camera has one, with all cores but one. Several cameras have one each, while there are cores, and share all
    of them. `threads` is the number for all together in place of that of the cores.
    """
    cores = len(os.sched_getaffinity(0))
    if cameras <= 1:
        return 1, threads or max(1, cores - 1)
    threads = threads or cores
    count = min(cameras, threads)
    return count, threads // count


class Detectors:
    """`all` detectors, which are alike, used by one thread; `first` is one of them. Several have threads of their own.

    `are_side_by_side`: there are several, whose detections are asked for with `detect`; `ready` is set whenever some
    are there.
    """

    def __init__(self, detectors: Sequence[Detector | JointDetector], ready: threading.Event) -> None:
        self.all = tuple(detectors)
        self.first = detectors[0]
        self.are_side_by_side = len(detectors) > 1
        self._free = list(detectors)
        self._ready = ready
        self._began_s: dict[Future[Detections], float] = {}
        self._threads = ThreadPoolExecutor(len(detectors), "detect")
        self._is_closed = False

    @property
    def has_room(self) -> bool:
        """Whether a detector has nothing to do."""
        return bool(self._free)

    @property
    def hangs(self) -> bool:
        """Whether one of several has not come back for very long, or after `close` not yet."""
        self._began_s = {future: began_s for future, began_s in self._began_s.items() if not future.done()}
        longest_s = 0.0 if self._is_closed else _LONGEST_S
        return any(time.monotonic() - began_s > longest_s for began_s in self._began_s.values())

    def detect(self, image: Image) -> Future[Detections]:
        """The detections of `image`, which must stay as it is until they are there. Ask where there is room only."""
        found = self._threads.submit(self._detect, self._free.pop(), image)
        self._began_s[found] = time.monotonic()
        found.add_done_callback(lambda _: self._ready.set())
        return found

    def close(self) -> None:
        """Take no more pictures; those at hand are finished, which is not waited for."""
        self._is_closed = True
        self._threads.shutdown(wait=False)

    def _detect(self, detector: Detector | JointDetector, image: Image) -> Detections:
        try:
            return detector(image)
        finally:
            self._free.append(detector)
