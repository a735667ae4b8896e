"""What the person in front of a long run sees and can do: a progress bar, a way to stop, a summary."""

import signal
import sys
import time
from types import FrameType, TracebackType

import numpy as np

from edge.spans import Spans
from edge.types import Tracks


class StopRequest:
    """A context in which the first Ctrl-C or SIGTERM only sets `exit_code`, so that the frame in hand is finished.

    A second one raises KeyboardInterrupt at once. Main thread only.
    """

    def __init__(self) -> None:
        self.exit_code = 0

    def __enter__(self) -> "StopRequest":
        self._before = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.exit_code:
            raise KeyboardInterrupt
        self.exit_code = 128 + number  # the shell's convention


class Progress:
    """A context with a progress bar on a terminal's standard error, and nothing anywhere else.

    `total` is the expected number of frames, None where it is not known.
    """

    def __init__(self, total: int | None):
        self._bar = None
        if sys.stderr.isatty():
            from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            from edge.console.terminal import Terminal

            self._bar = Bar(
                SpinnerColumn(),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.description}", markup=False),
                TimeRemainingColumn(),
                console=Terminal(stderr=True),
                transient=True,
            )
            self._task = self._bar.add_task("", total=total)

    def __enter__(self) -> "Progress":
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def advance(self, text: str, total: int | None = None) -> None:
        """One frame more; `text` stands beside the bar. `total` is a better guess of how many there will be."""
        if self._bar:
            self._bar.update(self._task, advance=1, description=text, total=total)

    def note(self, text: str) -> None:
        """Let `text` stand beside the bar."""
        if self._bar:
            self._bar.update(self._task, description=text)


class Summary:
    """Counts of a run, from its making to its last frame."""

    def __init__(self) -> None:
        self.frames = 0
        self._shown = 0
        self._most = 0
        self._identities: set[int] = set()
        self._start_s = self._end_s = time.perf_counter()

    def add(self, tracks: Tracks) -> None:
        """Count a frame and its tracks."""
        self.frames += 1
        self._shown += len(tracks)
        self._most = max(self._most, len(tracks))
        self._identities.update(tracks.ids.tolist())
        self._end_s = time.perf_counter()

    def start(self) -> None:
        """Let the clock run from now: what was loaded before does not count as tracking."""
        self._start_s = self._end_s = time.perf_counter()

    @property
    def brief(self) -> str:
        """What fits beside a progress bar of 80 columns."""
        return f"{len(self._identities)} identities, {self._fps():.1f} FPS"

    @property
    def line(self) -> str:
        """The counts in a few words."""
        most = f"{self._most} {'track' if self._most == 1 else 'tracks'} at most"
        return f"{most}, {self._shown / max(self.frames, 1):.1f} on average, {self.brief}"

    def _fps(self) -> float:
        return self.frames / max(self._end_s - self._start_s, 1e-9)

    def text(self, spans: Spans) -> str:
        """The counts and a table of what each stage took, as lines of plain text."""
        lines = [
            f"{self.frames} {'frame' if self.frames == 1 else 'frames'}: {self.line}",
            f"{'stage':<12} {'mean ms':>8} {'p50':>8} {'p99':>8} {'calls':>7}",
        ]
        for name, span in spans:
            if span.count:
                p50, p99 = np.percentile(span.recent_ms(), (50, 99))
                mean = span.total_ns / span.count / 1e6
                lines.append(f"{name:<12} {mean:8.3f} {p50:8.3f} {p99:8.3f} {span.count:7d}")
        detectors = 1 + sum(name.startswith("infer ") and name[6:].isdecimal() for name, span in spans if span.count)
        if detectors > 1:
            lines.append(
                f"infer 2 and the like: {detectors} frames are detected at the same time, each on a\n  thread of its"
                " own; these times overlap: do not add them up"
            )
        return "\n".join(lines)
