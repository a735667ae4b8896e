"""The engine `local`: worker processes on this machine, which needs nothing but the runtime."""

import os
import select
from collections.abc import Callable, Sequence

from edge import board
from edge.batch.engine import Ended, Part
from edge.batch.recording import Recording
from edge.batch.worker import Child, Setup, Worker

LEAST_MIB = 512.0  # of memory for a worker, with a small network
MEMORY_SHARE = 0.9  # of the machine's, for all workers together


def most_workers() -> int:
    """How many workers this machine has cores and memory for, where no network is on a GPU."""
    return max(1, min(len(os.sched_getaffinity(0)), int(memory_mib() * MEMORY_SHARE / LEAST_MIB)))


def memory_mib() -> float:
    """The memory of this machine in MiB, more than any where that is not known."""
    return (board.memory_bytes() or 1 << 40) / (1 << 20)


class Local:
    """An `Engine` of so many processes, each taken from `launch` for its first recording."""

    def __init__(self, setup: Setup, workers: int, launch: Callable[[], Child]):
        self._workers = [Worker(setup, launch) for _ in range(workers)]
        self._in_work: dict[Worker, Recording] = {}

    @property
    def workers(self) -> int:
        """See `Engine.workers`."""
        return len(self._workers)

    @property
    def is_free(self) -> bool:
        """See `Engine.is_free`."""
        return len(self._in_work) < len(self._workers)

    def submit(self, recording: Recording) -> None:
        """See `Engine.submit`."""
        worker = next(worker for worker in self._workers if worker.is_free)
        worker.start(recording)
        self._in_work[worker] = recording

    def wait(self, timeout_s: float) -> list[Ended]:
        """See `Engine.wait`."""
        select.select(list(self._in_work), [], [], timeout_s)
        ended = []
        for worker, recording in list(self._in_work.items()):
            if (outcome := worker.poll()) is not None:
                del self._in_work[worker]
                ended.append(Ended(recording, outcome))
        return ended

    def in_work(self) -> Sequence[Part]:
        """See `Engine.in_work`."""
        return [Part(recording, worker.video_s, worker.done) for worker, recording in self._in_work.items()]

    def rest(self) -> None:
        """See `Engine.rest`: idle processes cost nothing but memory."""

    def close(self) -> None:
        """See `Engine.close`."""
        for worker in self._workers:
            worker.close()
