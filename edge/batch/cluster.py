"""The engine `ray`: the same workers as actors of Ray, on a cluster or on this machine (extra `[batch]`).

Ray places the actors, starts them anew where their node is gone, and gives them their recording again; its dashboard
shows them. What a recording does to a worker, its actor survives: the worker is a child process there, too.
"""

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from edge.batch.engine import Ended, Part
from edge.batch.recording import Recording
from edge.batch.worker import Outcome, Setup, Worker
from edge.errors import NotFoundError, UnavailableError
from edge.schema import build

logger = logging.getLogger(__name__)

_MOST_RESTARTS = 5  # of one recording, by Ray itself; a node that is gone is not the recording's fault
_POLL_S = 0.2


class Tracker:
    """The actor: one worker, which does what it is given."""

    def __init__(self, setup: str):
        found, mistakes = build(Setup, json.loads(setup))
        if found is None:
            raise ValueError("; ".join(mistakes))
        self._worker = Worker(found)

    def track(self, recording: str) -> dict[str, Any]:
        """The outcome of a recording."""
        found, mistakes = build(Recording, json.loads(recording))
        if found is None:
            raise ValueError("; ".join(mistakes))
        self._worker.start(found)
        while (outcome := self._worker.poll(_POLL_S)) is None:
            pass
        return asdict(outcome)


class Cluster:
    """An `Engine` of actors, as many as `workers`, else as the cluster has cores, or GPUs where the networks want one.

    `address` is that of a cluster that runs; None starts one on this machine for as long as this run lasts. Raises
    UnavailableError where Ray is not installed, NotFoundError where no cluster answers.
    """

    def __init__(self, setup: Setup, address: str | None, workers: int | None, tasks: int, *, on_gpu: bool):
        self._ray = ray = require_ray()
        try:
            context = ray.init(address=address or "local", log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise NotFoundError(f"--address {address}: no Ray cluster answers there: {error}") from error
        if context.dashboard_url:  # with Ray's own extra "default"
            logger.info("Ray's dashboard: http://%s", context.dashboard_url)
        resources = ray.cluster_resources()
        room = int(resources.get("GPU" if on_gpu else "CPU", 1))
        wanted = {"num_cpus": setup.threads, "num_gpus": 1 if on_gpu else 0}
        actor = ray.remote(max_restarts=-1, max_task_retries=_MOST_RESTARTS, **wanted)(Tracker)
        text = json.dumps(asdict(setup))
        self._idle = [actor.remote(text) for _ in range(min(workers or max(1, room // setup.threads), tasks))]
        self.workers = len(self._idle)
        self._in_work: dict[Any, tuple[Any, Recording]] = {}

    @property
    def is_free(self) -> bool:
        """See `Engine.is_free`."""
        return bool(self._idle)

    def submit(self, recording: Recording) -> None:
        """See `Engine.submit`."""
        actor = self._idle.pop()
        self._in_work[actor.track.remote(json.dumps(asdict(recording)))] = actor, recording

    def wait(self, timeout_s: float) -> list[Ended]:
        """See `Engine.wait`."""
        ready, _ = self._ray.wait(list(self._in_work), timeout=timeout_s)
        ended = []
        for task in ready:
            actor, recording = self._in_work.pop(task)
            try:
                outcome = Outcome(**self._ray.get(task))
            except self._ray.exceptions.RayActorError as error:
                outcome = Outcome("killed", reason=f"its actor died again and again: {error}".splitlines()[0])
            self._idle.append(actor)
            ended.append(Ended(recording, outcome))
        return ended

    def in_work(self) -> Sequence[Part]:
        """See `Engine.in_work`; actors tell nothing before the end."""
        return [Part(recording, 0.0, 0.0) for _, recording in self._in_work.values()]

    def rest(self) -> None:
        """See `Engine.rest`: an actor that waits for a place gets that of one that is not needed."""
        for actor in self._idle:
            self._ray.kill(actor)
        self._idle.clear()

    def close(self) -> None:
        """See `Engine.close`."""
        self._ray.shutdown()


def require_ray() -> Any:
    """The module ray. Raises UnavailableError where it is not installed."""
    try:
        import ray
    except ImportError:
        raise UnavailableError("--engine ray needs Ray; install it with pip install 'nanotrack-edge[batch]'") from None
    return ray
