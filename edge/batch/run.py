"""The run: gives recordings to an engine, tries those that fail a second time, and sets aside what fails again."""

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from edge.batch.engine import Engine
from edge.batch.folder import Folder
from edge.batch.manifest import SCHEMA, Failure, Manifest
from edge.batch.plan import Task
from edge.batch.recording import Settings
from edge.batch.worker import Outcome
from edge.errors import NanoTrackError

MOST_TRIES = 2
MOST_KILLS = 5  # whoever kills workers, a recording that is always there when it happens is suspect
_POLL_S = 0.2


class StopError(NanoTrackError):
    """No recording can be done any more, for a reason that is not theirs."""

    def __init__(self, outcome: Outcome):
        super().__init__(outcome.reason)
        self.exit_code = outcome.exit_code or self.exit_code


class Watcher(Protocol):
    """Who is told how the run goes."""

    def ended(self, task: Task, outcome: Outcome) -> None:
        """A recording is done."""

    def again(self, task: Task, outcome: Outcome) -> None:
        """A recording failed and is tried again."""

    def set_aside(self, task: Task, failure: Failure) -> None:
        """A recording is given up."""

    def tick(self, engine: Engine, waiting: int) -> None:
        """Called several times a second; so many recordings wait."""


@dataclass
class Run:
    """Does all tasks that are given to `run`, with `engine`, into `folder`."""

    settings: Settings
    folder: Folder
    engine: Engine
    watcher: Watcher

    def run(self, tasks: list[Task], stopped: Callable[[], bool]) -> None:
        """Return when all are done or set aside, or soon after `stopped`; what is in work then is given up.

        Raises StopError where nothing can be done any more, and OutputError.
        """
        by_name = {task.recording.name: task for task in tasks}
        waiting = deque(tasks)
        tries: Counter[str] = Counter()
        kills: Counter[str] = Counter()
        in_work = 0
        while (waiting or in_work) and not stopped():
            while waiting and self.engine.is_free:
                self.engine.submit(waiting.popleft().recording)
                in_work += 1
            if not waiting:
                self.engine.rest()
            for recording, outcome in self.engine.wait(_POLL_S):
                in_work -= 1
                task = by_name[recording.name]
                if outcome.status == "stop":
                    raise StopError(outcome)
                if outcome.status in ("done", "unchanged"):
                    self.watcher.ended(task, outcome)
                    continue
                counter, most = (kills, MOST_KILLS) if outcome.status == "killed" else (tries, MOST_TRIES)
                counter[recording.name] += 1
                if counter[recording.name] < most:
                    self.watcher.again(task, outcome)
                    waiting.append(task)
                else:
                    self._set_aside(task, outcome, counter[recording.name])
            self.watcher.tick(self.engine, len(waiting))

    def _set_aside(self, task: Task, outcome: Outcome, tries: int) -> None:
        failure = Failure(outcome.kind or outcome.status, outcome.reason, tries)
        recording, settings = task.recording, self.settings
        hashes = settings.sha256_for(recording), settings.tracks_sha256_for(recording)
        manifest = Manifest(SCHEMA, "", recording, task.input, settings, *hashes, "failed", failure=failure)
        self.folder.commit(manifest, {})
        self.watcher.set_aside(task, failure)
