"""The same work on many inputs, in processes of one thread each, with progress."""

import contextlib
import functools
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from edge.errors import NanoTrackError

Input = TypeVar("Input")
Output = TypeVar("Output")

Report = Callable[[int], None]  # how much of its input a piece of work has done
Progress = Callable[[int, int], None]  # index of the input, how much of it is done

_POLL_S = 0.1  # how often progress is looked at
_THREAD_LIMITS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def run(
    work: Callable[[Input, Report], Output],
    inputs: Sequence[Input],
    workers: int,
    progress: Progress,
    size: Callable[[Input], int],
) -> list[Output]:
    """`work(input, report)` for all inputs, in their order; the largest by `size` start first.

    `work` and the inputs must be picklable. The first error stops everything and is raised. One worker is this process.
    """
    if workers == 1:
        return [work(item, functools.partial(progress, i)) for i, item in enumerate(inputs)]
    # Spawned, not forked: Numba and inference runtimes do not survive a fork of their threads.
    context = multiprocessing.get_context("spawn")
    largest_first = sorted(range(len(inputs)), key=lambda i: -size(inputs[i]))
    with _single_threaded_libraries(), context.Manager() as manager:
        reports = manager.Queue()
        # Ctrl-C is for this process, which then lets no further work start.
        with ProcessPoolExecutor(workers, context, signal.signal, (signal.SIGINT, signal.SIG_IGN)) as pool:
            futures = {i: pool.submit(work, inputs[i], functools.partial(_send, reports, i)) for i in largest_first}
            try:
                pending = set(futures.values())
                while pending:
                    finished, pending = wait(pending, _POLL_S, FIRST_COMPLETED)
                    while not reports.empty():
                        progress(*reports.get())
                    for future in finished:
                        future.result()
                return [futures[i].result() for i in range(len(inputs))]
            except BrokenProcessPool as error:
                raise NanoTrackError("a process died at work: out of memory? Try fewer --workers") from error
            finally:
                pool.shutdown(cancel_futures=True)


def _send(reports: Any, index: int, done: int) -> None:
    reports.put((index, done))


@contextlib.contextmanager
def _single_threaded_libraries() -> Iterator[None]:
    """One thread for BLAS in processes started meanwhile: they are as many as the cores already."""
    before = {name: os.environ.get(name) for name in _THREAD_LIMITS}
    os.environ.update(dict.fromkeys(_THREAD_LIMITS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
