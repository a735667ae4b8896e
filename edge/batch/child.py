"""The child's side of a worker: loads libraries, opens the networks that it is told, and tracks one recording after
another, until nothing more comes.

Lines of JSON: the setup and recordings come on standard input, what happens goes to the pipe of the first argument.
"""

import ctypes
import json
import os
import resource
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from edge.batch.folder import Folder
from edge.batch.networks import open_alike
from edge.batch.recording import Recording
from edge.batch.task import track
from edge.batch.worker import Outcome, Setup
from edge.console.failure import explained
from edge.console.outgoing import public
from edge.errors import DataError, NotFoundError, OutputError, UnavailableError, UsageError
from edge.schema import build

T = TypeVar("T")

_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of linux/prctl.h
# A recording's own faults. An output that cannot be written and a backend that is gone are not: they end the run.
_KINDS = {DataError: "data", NotFoundError: "not found", UsageError: "address"}


def main() -> None:
    """Serve until standard input ends."""
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    channel, parent = int(sys.argv[1]), int(sys.argv[2])
    if os.getppid() != parent:  # it died before
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    def send(message: dict[str, Any]) -> None:
        os.write(channel, json.dumps(message).encode() + b"\n")

    if not (line := sys.stdin.readline()):  # it is not needed after all
        return
    setup = _read(Setup, line)
    try:
        pipeline = open_alike(setup.settings, setup.threads, setup.known)
    except Exception as error:  # noqa: BLE001  a process's edge: whatever it is, the run ends with it
        send(_stop(error))
        return
    send({"ready": True})
    folder = Folder(Path(setup.out))
    for line in sys.stdin:
        recording = _read(Recording, line)
        try:
            done = track(
                recording, setup.settings, pipeline, folder, lambda video_s, share: send({"progress": [video_s, share]})
            )
        except Exception as error:  # noqa: BLE001  a process's edge: the next recording may be a good one
            send(_failed(error))
        else:
            figures = done.manifest.figures
            assert figures is not None
            send(asdict(Outcome("done" if done.is_new else "unchanged", figures.frames, figures.duration_s)))


def _failed(error: Exception) -> dict[str, Any]:
    code, sentence = explained(error)
    if isinstance(error, (OutputError, UnavailableError)):
        return _stop(error)
    kind = next((kind for class_, kind in _KINDS.items() if isinstance(error, class_)), "error")
    return asdict(Outcome("failed", kind=kind, reason=public(sentence), exit_code=code))


def _stop(error: Exception) -> dict[str, Any]:
    code, sentence = explained(error)
    return asdict(Outcome("stop", reason=public(sentence), exit_code=code))


def _read(cls: type[T], line: str) -> T:
    value, mistakes = build(cls, json.loads(line))
    if value is None:
        raise ValueError("; ".join(mistakes))
    return value
