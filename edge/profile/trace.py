"""A timeline for Perfetto (ui.perfetto.dev) and chrome://tracing, from what the spans kept anyway.

The format is Chrome's Trace Event Format: complete events ("X") in microseconds, one track a thread.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from edge.profile.report import write_text
from edge.spans import Spans


@dataclass(frozen=True)
class Event:
    """One run of a stage: when it started, on whichever clock, and how long it took, in nanoseconds."""

    stage: str
    thread: str
    start_ns: int
    duration_ns: int


def events(spans: Spans) -> list[Event]:
    """Everything that the spans still remember, by start; the longer first where two start together."""
    found = [
        Event(name, span.thread, start_ns, duration_ns)
        for name, span in spans
        for start_ns, duration_ns in zip(*(column.tolist() for column in span.recent_ns()), strict=True)
    ]
    return sorted(found, key=lambda event: (event.start_ns, -event.duration_ns))


def write(found: list[Event], path: Path, title: str) -> None:
    """Write a trace file that begins at 0. Raises OutputError."""
    first_ns = min((event.start_ns for event in found), default=0)
    threads = {name: number for number, name in enumerate(dict.fromkeys(event.thread for event in found), 1)}
    lines: list[dict[str, object]] = [{"ph": "M", "name": "process_name", "pid": 1, "args": {"name": title}}]
    lines += [
        {"ph": "M", "name": "thread_name", "pid": 1, "tid": number, "args": {"name": name}}
        for name, number in threads.items()
    ]
    lines += [
        {
            "ph": "X",
            "name": event.stage,
            "pid": 1,
            "tid": threads[event.thread],
            "ts": (event.start_ns - first_ns) / 1000,
            "dur": event.duration_ns / 1000,
        }
        for event in found
    ]
    write_text(path, '{"traceEvents":[\n' + ",\n".join(json.dumps(line) for line in lines) + "\n]}\n")
