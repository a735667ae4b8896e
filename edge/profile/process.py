"""What Linux says of this process and the cores it runs on: CPU time by thread, memory, and the work of others.

Every function takes the root of the file system, as in `edge.board`. What is not told is None or left out.
"""

import os
import re
import threading
from dataclasses import dataclass
from pathlib import Path

from edge.board import ROOT


@dataclass(frozen=True)
class ThreadTime:
    """A thread's time on a core, and ready to run without one, since it began, in nanoseconds."""

    name: str
    cpu_ns: int
    waited_ns: int | None


def thread_times(root: Path = ROOT) -> dict[int, ThreadTime]:
    """Every thread of this process by its number. Threads that Python did not start are "native"."""
    names = {thread.native_id: thread.name for thread in threading.enumerate()}
    names[threading.main_thread().native_id] = "main"
    found = {}
    for folder in (root / "proc/self/task").glob("*"):
        number = int(folder.name)
        if (times := _times(folder)) is not None:
            found[number] = ThreadTime(names.get(number) or "native", *times)
    return found


def _times(folder: Path) -> tuple[int, int | None] | None:
    """On a core and waiting for one; schedstat has nanoseconds, stat ticks of 10 ms and nothing of waiting."""
    try:
        words = (folder / "schedstat").read_text("ascii").split()
        if int(words[0]):
            return int(words[0]), int(words[1])
    except OSError:  # a kernel without CONFIG_SCHEDSTATS
        pass
    try:
        fields = (folder / "stat").read_text("utf-8").rpartition(")")[2].split()
    except OSError:  # the thread ended
        return None
    return (int(fields[11]) + int(fields[12])) * (10**9 // os.sysconf("SC_CLK_TCK")), None


def memory_bytes(root: Path = ROOT) -> tuple[int, int]:
    """Resident memory of this process now, and the most it ever had."""
    text = (root / "proc/self/status").read_text("ascii", errors="replace")
    now, peak = (re.search(rf"{name}:\s+(\d+) kB", text) for name in ("VmRSS", "VmHWM"))
    now_bytes = int(now[1]) << 10 if now else 0
    return now_bytes, int(peak[1]) << 10 if peak else now_bytes


def busy_s(root: Path = ROOT) -> float | None:
    """Seconds that the cores this process may use have worked since the start, for whomever.

    Time that a hypervisor took away ("steal") counts as work. None where the kernel does not tell.
    """
    allowed = {f"cpu{number}" for number in os.sched_getaffinity(0)}
    try:
        lines = (root / "proc/stat").read_text("ascii").splitlines()
    except OSError:
        return None
    ticks = None
    for name, *words in (line.split() for line in lines if line.startswith("cpu")):
        if name in allowed:
            user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, words[:8])
            ticks = (ticks or 0) + user + nice + system + irq + softirq + steal
    return None if ticks is None else ticks / os.sysconf("SC_CLK_TCK")
