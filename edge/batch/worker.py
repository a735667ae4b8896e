"""A worker: a child process that loads the networks once and tracks one recording after another.

A recording that crashes it, hangs in it, or takes too much time or memory costs this process and no other. Engines call
`start` and `poll`; the child's side is `edge.batch.child`.
"""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Literal, NamedTuple

from edge.batch.folder import Folder
from edge.batch.recording import Recording, Settings
from edge.infer.child import resident_bytes
from edge.modelpack import Detector

CHILD = "from edge.batch.child import main; main()"
STALL_S = 300.0  # without a frame for so long, a recording hangs
START_S = 600.0  # so long the networks may take to load: compiling for the first time is slow on a small board
_CLOSE_S = 5.0
_MEMORY_EVERY_S = 0.2
_TAIL_BYTES = 2000
_MIB = 1 << 20

Status = Literal["done", "unchanged", "failed", "killed", "stop"]


@dataclass(frozen=True)
class Limits:
    """What one recording may take: seconds, and MiB of resident memory (None: no limit)."""

    time_s: float
    memory_mib: float | None


@dataclass(frozen=True)
class Setup:
    """What a worker needs to know: settings, the detector as it was understood, threads for the networks, the output
    folder, limits."""

    settings: Settings
    known: Detector
    threads: int
    out: str
    limits: Limits


@dataclass(frozen=True)
class Outcome:
    """How a task ended.

    "done" has `frames` and `duration_s`; "unchanged" found the results of an earlier run. "failed" is the recording's
    fault, of a `kind`, for `reason`; "killed": somebody killed the worker; "stop": no recording can be done here, and
    the whole run ends with `exit_code`.
    """

    status: Status
    frames: int = 0
    duration_s: float = 0.0
    kind: str = ""
    reason: str = ""
    exit_code: int = 0


class Child(NamedTuple):
    """A process that waits for its setup: `messages` is the pipe with what it tells, `output` what it printed."""

    process: subprocess.Popen[bytes]
    messages: int
    output: IO[bytes]

    def release(self) -> None:
        """Let go of it after it ended."""
        os.close(self.messages)
        self.output.close()
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()


def launch() -> Child:
    """A new child, which loads the libraries before it asks for anything."""
    messages, theirs = os.pipe()
    output = tempfile.TemporaryFile()  # noqa: SIM115  lives as long as the process
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(theirs), str(os.getpid())],
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=subprocess.STDOUT,
        pass_fds=(theirs,),
        # The same modules as here: "" would be the current folder, wherever the user stands.
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "PYTHONSAFEPATH": "1"},
        start_new_session=True,  # Ctrl-C is for the engine
    )
    os.close(theirs)
    return Child(process, messages, output)


class Spares:
    """So many children, launched while the run is being prepared. A context, which ends those that nobody took."""

    def __init__(self, count: int):
        self._waiting = [launch() for _ in range(count)]

    def __enter__(self) -> "Spares":
        return self

    def __exit__(self, *error: object) -> None:
        for child in self._waiting:
            child.process.kill()
            child.process.wait()
            child.release()
        self._waiting.clear()

    def take(self) -> Child:
        """One of them, a new one where none is left."""
        return self._waiting.pop() if self._waiting else launch()


class Worker:
    """A child process, taken from `launch` when the first recording is started, and again after it died. One thread
    uses it.

    `video_s` seconds of video are done of the recording in work, which is the share `done`, 0..1, of it.
    """

    def __init__(self, setup: Setup, launch: Callable[[], Child] = launch):
        self._setup, self._launch = setup, launch
        self._folder = Folder(Path(setup.out))
        self._child: Child | None = None
        self._received = b""
        self._ready = False
        self._busy = False
        self.video_s, self.done = 0.0, 0.0

    @property
    def is_free(self) -> bool:
        """Whether it has nothing to do."""
        return not self._busy

    def start(self, recording: Recording) -> None:
        """Begin with a recording; `poll` tells how it goes."""
        if self._child is None or self._child.process.poll() is not None:
            self._begin()
        self._busy = True
        self.video_s, self.done = 0.0, 0.0
        self._begun_s = self._alive_s = time.monotonic()
        self._memory_s = 0.0
        self._send(asdict(recording))

    def fileno(self) -> int:
        """Readable when there is news."""
        assert self._child is not None
        return self._child.messages

    def poll(self, timeout_s: float = 0.0) -> Outcome | None:
        """The outcome of the recording in work, None while there is none within `timeout_s`."""
        messages = self.fileno()
        if select.select([messages], [], [], timeout_s)[0]:
            block = os.read(messages, 1 << 16)
            if not block:
                return self._ended(self._died())
            *lines, self._received = (self._received + block).split(b"\n")
            for line in lines:
                if (outcome := self._take(json.loads(line))) is not None:
                    return self._ended(outcome)
        if (failure := self._over_limit()) is not None:
            self._kill()
            return self._ended(failure)
        return None

    def close(self) -> None:
        """End the process: at once where it is at work, whose recording is then neither done nor failed."""
        if self._child is None:
            return
        if self._busy:
            self._kill()
        else:
            self._child.process.stdin.close()  # type: ignore[union-attr]
            try:
                self._child.process.wait(_CLOSE_S)
            except subprocess.TimeoutExpired:
                self._kill()
        self._forget()

    def _begin(self) -> None:
        self._forget()
        self._child = self._launch()
        self._received, self._ready = b"", False
        self._send(asdict(self._setup))

    def _send(self, document: object) -> None:
        assert self._child is not None
        assert self._child.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it died; `poll` finds out
            self._child.process.stdin.write(json.dumps(document).encode() + b"\n")
            self._child.process.stdin.flush()

    def _take(self, message: dict[str, object]) -> Outcome | None:
        self._alive_s = time.monotonic()
        if "ready" in message:
            self._ready = True
            self._begun_s = self._alive_s  # the recording's time, without that of the networks
            return None
        if "progress" in message:
            self.video_s, self.done = message["progress"]  # type: ignore[misc]
            return None
        return Outcome(**message)  # type: ignore[arg-type]

    def _over_limit(self) -> Outcome | None:
        now_s, limits = time.monotonic(), self._setup.limits
        if not self._ready:
            if now_s - self._begun_s > START_S:
                return Outcome("stop", reason=f"a worker did not start within {START_S:.0f} s", exit_code=69)
            return None
        if now_s - self._begun_s > limits.time_s:
            return Outcome("failed", kind="time", reason=f"took longer than {limits.time_s:g} s, --time-limit")
        if now_s - self._alive_s > STALL_S:
            return Outcome("failed", kind="hang", reason=f"gave no frame for {STALL_S:.0f} s")
        if limits.memory_mib is not None and now_s - self._memory_s > _MEMORY_EVERY_S:
            self._memory_s = now_s
            assert self._child is not None
            if resident_bytes(self._child.process.pid) > limits.memory_mib * _MIB:
                reason = f"took more memory than {limits.memory_mib:.0f} MiB, --memory-limit"
                return Outcome("failed", kind="memory", reason=reason)
        return None

    def _died(self) -> Outcome:
        """What to make of a process that closed its pipe without an outcome."""
        assert self._child is not None
        try:
            status = self._child.process.wait(_CLOSE_S)
        except subprocess.TimeoutExpired:
            self._kill()
            status = self._child.process.wait()
        if status == -signal.SIGKILL:
            return Outcome("killed", reason="its process was killed: by somebody, or by the system for lack of memory")
        if status < 0:
            reason = f"crashed its process with {signal.Signals(-status).name}"
        else:
            reason = f"ended its process with status {status}: {self._last_words()}"
        if not self._ready:
            return Outcome("stop", reason=f"a worker could not start, the first recording {reason}", exit_code=70)
        return Outcome("failed", kind="crash", reason=reason)

    def _last_words(self) -> str:
        assert self._child is not None
        output = self._child.output
        output.seek(max(0, output.seek(0, os.SEEK_END) - _TAIL_BYTES))
        lines = output.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1].strip() if lines else "it said nothing"

    def _ended(self, outcome: Outcome) -> Outcome:
        self._busy = False
        return outcome

    def _kill(self) -> None:
        assert self._child is not None
        self._child.process.kill()
        self._child.process.wait()

    def _forget(self) -> None:
        """Let go of a process that ended, and remove what it left."""
        if self._child is None:
            return
        self._folder.discard(self._child.process.pid)
        self._child.release()
        self._child = None
