"""A function run in a child process, so that a crash, a hang or a lack of memory there does not end the tracker.

TensorRT with a driver that does not fit ends in a segmentation fault, so nothing of it is tried first in a process
that matters.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from edge.infer.reasons import Reason, RungError

POLL_S = 0.05
# A board whose free memory falls below this is about to kill something at random: better that we choose.
LEAST_AVAILABLE_BYTES = 128 << 20
_TAIL_BYTES = 4000

Message = dict[str, Any]
Report = Callable[[Message], None]


@dataclass(frozen=True)
class Outcome:
    """How a child ended.

    `messages` are what it reported, in order, also when it died later. `status` is its exit status, negative for a
    signal (-11: segmentation fault). `output` is the end of what it printed. `timed_out` and `out_of_memory` say that
    we ended it.
    """

    messages: list[Message]
    status: int
    output: str
    timed_out: bool = False
    out_of_memory: bool = False

    def require(self, doing: str, otherwise: Reason) -> None:
        """Return when the child ended well. Raises RungError: its own, or for `doing` that took too long, took too much
        memory, or (reason `otherwise`) ended badly."""
        for message in self.messages:
            if "reason" in message:
                raise RungError(Reason(message["reason"]), message["detail"])
        if self.timed_out:
            raise RungError(Reason.TIMEOUT, f"{doing} did not end")
        if self.out_of_memory:
            raise RungError(Reason.OUT_OF_MEMORY, doing)
        if self.status < 0:
            raise RungError(otherwise, f"{doing} was killed by {signal.Signals(-self.status).name}")
        if self.status > 0:
            last_words = (self.output.strip().splitlines() or [""])[-1].strip()
            raise RungError(otherwise, f"{doing} ended with status {self.status}: {last_words}")


def call(
    target: str,
    argument: object,
    *,
    timeout_s: float,
    memory_bytes: int | None = None,
    on_message: Report | None = None,
) -> Outcome:
    """Run `target` ("package.module:function") as `function(argument, report)` in a fresh interpreter.

    A RungError of the function is its last message, and `Outcome.require` raises it again here.

    `argument` must survive JSON. The child is killed after `timeout_s`, when its resident memory passes `memory_bytes`
    or when the whole board runs out: on a Jetson the GPU's memory is the board's, and belongs to no process. A limit
    on address space (RLIMIT_AS) would not do, CUDA reserves far more of it than it ever uses.
    """
    with tempfile.TemporaryFile() as messages, tempfile.TemporaryFile() as output:
        channel = messages.fileno()
        process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                "import edge.infer.child as c; c.main()",
                target,
                json.dumps(argument),
                str(channel),
            ],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=(channel,),
            # The same modules as here: "" would be the current folder, wherever the user stands.
            env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "PYTHONSAFEPATH": "1"},
            start_new_session=True,
        )
        read: list[Message] = []
        deadline_s = time.monotonic() + timeout_s
        timed_out = out_of_memory = False
        try:
            while not _ended(process):
                _collect(messages, read, on_message)
                timed_out = time.monotonic() > deadline_s
                out_of_memory = _starves(process.pid, memory_bytes)
                if timed_out or out_of_memory:
                    break
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            status = process.wait()
        _collect(messages, read, on_message)
        size = output.seek(0, os.SEEK_END)
        output.seek(max(0, size - _TAIL_BYTES))
        return Outcome(read, status, output.read().decode("utf-8", "replace"), timed_out, out_of_memory)


def _ended(process: "subprocess.Popen[bytes]") -> bool:
    try:
        process.wait(POLL_S)
    except subprocess.TimeoutExpired:
        return False
    return True


def _collect(messages: IO[bytes], read: list[Message], on_message: Report | None) -> None:
    """Append the messages that are complete by now; the file position is shared with the writing child, so pread."""
    text = os.pread(messages.fileno(), 1 << 24, 0).decode("utf-8")
    for line in text.split("\n")[len(read) : -1]:
        read.append(json.loads(line))
        if on_message is not None:
            on_message(read[-1])


def _starves(pid: int, memory_bytes: int | None) -> bool:
    resident, available = resident_bytes(pid), available_bytes()
    return (memory_bytes is not None and resident > memory_bytes) or (
        available is not None and available < LEAST_AVAILABLE_BYTES
    )


def resident_bytes(pid: int) -> int:
    """The resident memory of a process; 0 when it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def available_bytes() -> int | None:
    """The memory that programs can still get; None where the system does not tell."""
    try:
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:")), None)


def main() -> None:
    """The child's side of `call`."""
    import ctypes
    import importlib
    import resource

    die_with_parent = 1  # PR_SET_PDEATHSIG of linux/prctl.h
    ctypes.CDLL(None).prctl(die_with_parent, signal.SIGKILL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    target, argument, channel = sys.argv[1:]
    module, function = target.split(":")

    def report(message: Message) -> None:
        os.write(int(channel), (json.dumps(message) + "\n").encode("utf-8"))

    try:
        getattr(importlib.import_module(module), function)(json.loads(argument), report)
    except RungError as error:
        report({"reason": error.reason.value, "detail": error.detail})
