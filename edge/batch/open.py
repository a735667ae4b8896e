"""Makes the settings and the engine of a run: what the networks run on is found out once, here, for all workers."""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from edge import __version__
from edge.batch.engine import Engine
from edge.batch.networks import open_networks, running, sha256_of_model
from edge.batch.recording import Format, Settings
from edge.batch.worker import Child, Limits, Setup, launch
from edge.infer.ladder import RUNGS
from edge.modelpack import Detector

EngineName = Literal["local", "ray"]


@dataclass(frozen=True)
class Wanted:
    """What the user asked of an engine: None is for us to choose; `address` is that of a Ray cluster."""

    engine: EngineName
    address: str | None
    workers: int | None
    time_limit_s: float
    memory_limit_mib: float | None


@dataclass(frozen=True)
class Opened:
    """`settings` with what the networks run on, and the detector as it was understood; a network that is on a GPU, or
    looks back, wants fewer threads."""

    settings: Settings
    detector: Detector
    on_gpu: bool


def open_settings(model: Path, format_: Format, offline: bool, options: dict[str, Any]) -> Opened:
    """The settings of a run; `options` are `Pipeline`'s. Raises as it does."""
    reid_model = options.pop("reid_model")
    wanted = Settings(
        version=__version__,
        model=str(model.absolute()),
        model_sha256=sha256_of_model(model),
        networks=(),
        format=format_,
        reid_model=None if reid_model is None else str(reid_model.absolute()),
        reid_sha256=None if reid_model is None else sha256_of_model(reid_model),
        offline=offline,
        **{**options, "classes": tuple(options["classes"])},
    )
    pipeline = open_networks(wanted, 1)
    detector = pipeline.detector
    rung = detector.backend.running.rung
    # The rung that was chosen here is required of all: INT8 may be the faster one here and not elsewhere.
    require = rung if rung in {each.name for each in RUNGS} else wanted.require
    settings = replace(wanted, networks=running(pipeline), require=require)
    return Opened(settings, detector.description, detector.backend.running.on_gpu)


def open_engine(
    wanted: Wanted, opened: Opened, folder: Path, tasks: int, launch: Callable[[], Child] = launch
) -> Engine:
    """The engine for so many tasks, its workers not yet started; those of this machine come from `launch`.

    Raises UnavailableError without Ray.
    """
    if wanted.engine == "ray":
        from edge.batch.cluster import Cluster

        limits = Limits(wanted.time_limit_s, wanted.memory_limit_mib)
        setup = Setup(opened.settings, opened.detector, 1, str(folder.absolute()), limits)
        return Cluster(setup, wanted.address, wanted.workers, tasks, on_gpu=opened.on_gpu)
    from edge.batch.local import LEAST_MIB, MEMORY_SHARE, Local, memory_mib, most_workers

    workers = min(wanted.workers or (1 if opened.on_gpu else most_workers()), tasks)
    # Threads of a network that looks back share the work of a frame, which may change the last bits of its sums.
    threads = 1 if opened.detector.is_joint else max(1, len(os.sched_getaffinity(0)) // workers)
    memory_limit_mib = wanted.memory_limit_mib or max(LEAST_MIB, memory_mib() * MEMORY_SHARE / workers)
    limits = Limits(wanted.time_limit_s, memory_limit_mib)
    setup = Setup(opened.settings, opened.detector, threads, str(folder.absolute()), limits)
    return Local(setup, workers, launch)
