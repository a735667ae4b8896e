"""Makes the settings and the engine of a run: what the networks run on is found out once, here, for all workers."""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from edge import __version__, board
from edge.batch.engine import Engine
from edge.batch.networks import open_networks, running, sha256_of_model
from edge.batch.recording import Format, Settings
from edge.batch.worker import Limits, Setup
from edge.infer.ladder import RUNGS

EngineName = Literal["local", "ray"]

LEAST_MIB = 512.0  # of memory for a worker, with a small network
_MEMORY_SHARE = 0.9  # of the machine's, for all workers together
_MIB = 1 << 20


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
    """`settings` with what the networks run on; a network that is on a GPU, or looks back, wants fewer threads."""

    settings: Settings
    on_gpu: bool
    is_joint: bool


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
    return Opened(settings, detector.backend.running.on_gpu, detector.description.is_joint)


def open_engine(wanted: Wanted, opened: Opened, folder: Path, tasks: int) -> Engine:
    """The engine for so many tasks, its workers not yet started. Raises UnavailableError without Ray."""
    if wanted.engine == "ray":
        from edge.batch.cluster import Cluster

        limits = Limits(wanted.time_limit_s, wanted.memory_limit_mib)
        setup = Setup(opened.settings, 1, str(folder.absolute()), limits)
        return Cluster(setup, wanted.address, wanted.workers, tasks, on_gpu=opened.on_gpu)
    from edge.batch.local import Local

    cores, memory_mib = len(os.sched_getaffinity(0)), (board.memory_bytes() or 1 << 40) / _MIB
    most = 1 if opened.on_gpu else max(1, min(cores, int(memory_mib * _MEMORY_SHARE / LEAST_MIB)))
    workers = min(wanted.workers or most, tasks)
    # Threads of a network that looks back share the work of a frame, which may change the last bits of its sums.
    threads = 1 if opened.is_joint else max(1, cores // workers)
    memory_limit_mib = wanted.memory_limit_mib or max(LEAST_MIB, memory_mib * _MEMORY_SHARE / workers)
    limits = Limits(wanted.time_limit_s, memory_limit_mib)
    return Local(Setup(opened.settings, threads, str(folder.absolute()), limits), workers)
