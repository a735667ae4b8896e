"""A batch run whose processes are killed at random, and how much work that costs."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests import tiny
from tests.field import PATIENCE_S

# Every Python process of the run reads this first: a worker's child then notes each frame that it reads.
_COUNTING = """
import os, sys
if any("edge.batch.child" in word for word in sys.orig_argv):
    import edge.video.open as opening
    opened = opening.open_source
    notes = os.open(os.path.join({folder!r}, str(os.getpid())), os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    def open_source(*arguments, **more):
        source = opened(*arguments, **more)
        read = source.read
        def noted(buffer):
            frame = read(buffer)
            if frame is not None:
                os.write(notes, b".")
            return frame
        source.read = noted
        return source
    opening.open_source = open_source
"""


def write_recordings(folder: Path, count: int, frames: int) -> int:
    """So many short recordings, every 25th of them damaged; how many are good."""
    folder.mkdir()
    video = tiny.write_video(folder / "0000.mp4", frames).read_bytes()
    damaged = 0
    for number in range(1, count):
        content = video
        if number % 25 == 0:
            content, damaged = b"nothing" * number, damaged + 1
        (folder / f"{number:04d}.mp4").write_bytes(content)
    return count - damaged


class Killed:
    """`command` run again and again until it ends by itself. `environment` makes its processes count frames.

    `kills` are functions that kill something, given the id of the driver's process, and say whether it was there; they
    take turns at random times, `pause_s` apart on average, every second one only when frames are read.
    """

    def __init__(self, command: Sequence[str], notes: Path) -> None:
        notes.mkdir()
        hook = notes.with_suffix(".hook")
        hook.mkdir()
        (hook / "sitecustomize.py").write_text(_COUNTING.format(folder=str(notes)))
        root = str(Path(__file__).parents[2])
        self.environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(hook), root])}
        self.command, self._notes = command, notes
        self.drivers = 0

    @property
    def frames_read(self) -> int:
        """How many frames all workers have read."""
        return sum(path.stat().st_size for path in self._notes.iterdir())

    def run(self, kills: Sequence[Callable[[int], bool]], pause_s: float, seed: int) -> tuple[int, int]:
        """The exit code of the last driver, and how many of the kills hit something."""
        dice, left, hits = random.Random(seed), list(kills), 0
        driver, read = self._start(), self.frames_read
        until_s = time.monotonic() + 60 * PATIENCE_S
        next_s = time.monotonic() + dice.expovariate(1 / pause_s)
        try:
            while driver.poll() is None or driver.returncode == -signal.SIGKILL:
                assert time.monotonic() < until_s
                if driver.poll() is not None:
                    driver, read = self._start(), self.frames_read
                due = left and time.monotonic() > next_s and (len(left) % 2 == 0 or self.frames_read > read)
                if due and left[-1](driver.pid):
                    left.pop()
                    hits, read = hits + 1, self.frames_read
                    next_s = time.monotonic() + dice.expovariate(1 / pause_s)
                time.sleep(0.02)
        finally:
            driver.kill()
            driver.wait()
        return driver.returncode, hits

    def _start(self) -> "subprocess.Popen[bytes]":
        self.drivers += 1
        return subprocess.Popen(self.command, env=self.environment, stdout=subprocess.DEVNULL)


def kill_driver(driver: int) -> bool:
    return _kill(driver)


def kill_worker_of(roots: Callable[[int], Sequence[int]], seed: int) -> Callable[[int], bool]:
    """A function that kills one of the workers' children below the processes `roots` (given the driver)."""
    dice = random.Random(seed)

    def kill(driver: int) -> bool:
        workers = [pid for root in roots(driver) for pid in below(root) if b"edge.batch.child" in _command_of(pid)]
        return _kill(dice.choice(workers)) if workers else False

    return kill


def below(root: int) -> list[int]:
    """All processes that descend from `root`."""
    parents: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdecimal():
            with contextlib.suppress(OSError, IndexError):
                fields = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()
                parents.setdefault(int(fields[1]), []).append(int(name))
    found, todo = [], [root]
    while todo:
        children = parents.get(todo.pop(), [])
        found += children
        todo += children
    return found


def _command_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _kill(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def command(folder: Path, pack: Path, out: Path, *more: str) -> list[str]:
    """The command of a run."""
    return [sys.executable, "-m", "edge.cli", "batch", str(folder), "--model", str(pack), "--out", str(out), *more]
