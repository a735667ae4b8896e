"""What the person in front of a run sees: recordings, hours of video, times real time, time left, failures."""

import logging
import sys
import time
from types import TracebackType
from typing import Any

from edge.batch.engine import Engine
from edge.batch.manifest import Failure
from edge.batch.plan import Task
from edge.batch.worker import Outcome

logger = logging.getLogger(__name__)

_SHOW_EVERY_S = 0.5


def lasting(seconds: float) -> str:
    """A duration in seconds, minutes or hours, whichever reads best."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 2 * 3600 else f"{seconds / 3600:.1f} h"


def counted(recordings: int) -> str:
    """So many recordings, in words."""
    return f"{recordings} recording{'' if recordings == 1 else 's'}"


class Progress:
    """A `Watcher` with a bar on a terminal's standard error, and nothing anywhere else. A context.

    `done` counts recordings of this run, `duration_s` is the video in them; `failures` are those set aside, by name.
    """

    def __init__(self, tasks: list[Task]):
        self.done = 0
        self.failures: list[tuple[str, Failure]] = []
        self.duration_s = 0.0
        self._count = len(tasks)
        self._weights = _weights(tasks)
        self._ended = 0.0
        self._start_s = time.monotonic()
        self._shown_s = float("-inf")
        self._bar: Any = None
        if sys.stderr.isatty():
            from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            from edge.console.terminal import Terminal

            text = TextColumn("{task.description}", markup=False)
            self._bar = Bar(BarColumn(20), text, TimeRemainingColumn(), console=Terminal(stderr=True), transient=True)
            self._task = self._bar.add_task("", total=sum(self._weights.values()))

    def __enter__(self) -> "Progress":
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    @property
    def failed(self) -> int:
        """How many were set aside."""
        return len(self.failures)

    @property
    def speed(self) -> float:
        """Seconds of video for each second so far."""
        return self.duration_s / max(time.monotonic() - self._start_s, 1e-9)

    def ended(self, task: Task, outcome: Outcome) -> None:
        """See `Watcher.ended`."""
        self.done += 1
        self.duration_s += outcome.duration_s
        self._ended += self._weights[task.recording.name]
        logger.debug("%s: %s, %d frames", task.recording.name, outcome.status, outcome.frames)

    def again(self, task: Task, outcome: Outcome) -> None:
        """See `Watcher.again`."""
        logger.info("%s: %s; it is tried again", task.recording.name, outcome.reason)

    def set_aside(self, task: Task, failure: Failure) -> None:
        """See `Watcher.set_aside`."""
        self.failures.append((task.recording.name, failure))
        self._ended += self._weights[task.recording.name]
        logger.info("%s: set aside: %s", task.recording.name, failure.reason)

    def tick(self, engine: Engine, waiting: int) -> None:
        """See `Watcher.tick`."""
        now_s = time.monotonic()
        if not self._bar or now_s - self._shown_s < _SHOW_EVERY_S:
            return
        self._shown_s = now_s
        parts = engine.in_work()
        video_s = self.duration_s + sum(part.video_s for part in parts)
        done = self._ended + sum(part.share * self._weights[part.recording.name] for part in parts)
        speed = video_s / max(now_s - self._start_s, 1e-9)
        failed = f", {self.failed} set aside" if self.failed else ""
        text = f"{self.done + self.failed}/{self._count} recordings{failed}, {lasting(video_s)} of video, {speed:.1f}x"
        self._bar.update(self._task, completed=done, description=text)


def _weights(tasks: list[Task]) -> dict[str, float]:
    """How much of the work each recording is, by name: its bytes, or the mean of the others where nobody knows."""
    known = [task.input.bytes for task in tasks if task.input.bytes]
    usual = sum(known) / len(known) if known else 1.0
    return {task.recording.name: task.input.bytes or usual for task in tasks}
