"""A bounded queue and a thread in front of an output, so that a slow or absent one never holds up the tracker."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

from edge.console.countdown import countdown
from edge.errors import OutputError
from edge.events import Event, Observed
from edge.sinks.output import LossError, Output

logger = logging.getLogger(__name__)

# About half a minute of one camera.
CAPACITY = 1024
STOP_S = 5.0  # the longest wait for an output to finish
_OTHERS_S = 1.0  # of it, for those that finish last
_RETRY_S = 1.0
_IDLE_S = 600.0  # nothing comes for so long, and the output may tidy up
_CALM_S = 10.0  # without a loss, until an output is said to be well again


class Queued:
    """`output` behind a queue of `capacity` events; `name` is what logs and metrics call it.

    `dropped` counts events that were lost: put on a full queue, where frames go before other events and the oldest
    first, or lost by the output, perhaps after it took them. `trouble` is what the output says, "" while it takes
    everything.
    """

    def __init__(self, name: str, output: Output, capacity: int = CAPACITY):
        self.name = name
        self._capacity = capacity
        self.written = self.dropped = 0
        self.trouble = ""
        self._output = output
        self._events: deque[Event] = deque()
        self._changed = threading.Condition()
        self._closing = self._has_started = False
        self._lossy_s = float("-inf")
        self._after: Sequence[Queued] = ()
        self._thread = threading.Thread(target=self._run, name=f"output {name}", daemon=True)

    @property
    def is_finished(self) -> bool:
        """Whether nothing is written any more."""
        return not self._thread.is_alive()

    def start(self, after: Sequence["Queued"] = ()) -> None:
        """Begin to write, in a thread that first waits up to `STOP_S` for the ends of those in `after`."""
        self._after = after
        self._thread.start()

    def put(self, event: Event) -> None:
        """Leave an event; never waits for the output."""
        with self._changed:
            if len(self._events) >= self._capacity:
                self._drop_one()
            self._events.append(event)
            self._changed.notify()

    def finish(self) -> None:
        """Let the thread write what is left and finish the output; does not wait for it."""
        with self._changed:
            self._closing = True
            self._changed.notify()

    def close(self, timeout_s: float) -> bool:
        """Write what is left and finish the output; False where that takes longer than `timeout_s`."""
        self.finish()
        if self.is_finished:
            return True
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            logger.warning("output %s does not finish; %d events are lost", self.name, len(self._events))
            return False
        return True

    def _drop_one(self) -> None:
        oldest_frame = next((i for i, event in enumerate(self._events) if isinstance(event, Observed)), 0)
        del self._events[oldest_frame]
        self.dropped += 1
        if self.dropped == 1:
            full = f"its queue ({self._capacity} events) is full"
            logger.warning("output %s is too slow: %s, frames are lost", self.name, full)

    def _run(self) -> None:
        for output, left_s in zip(self._after, countdown(STOP_S), strict=False):
            output.close(left_s)
        self._after = ()
        self._attempt(self._start, 0)
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._events or self._closing, _IDLE_S)
                events = list(self._events)
                self._events.clear()
                is_over = self._closing and not events
            if is_over:
                break
            self._attempt(partial(self._write, events), len(events))
        trouble, _ = self._guarded(self._output.close)
        if trouble and trouble != self.trouble:
            logger.warning("output %s: at its end: %s", self.name, trouble)

    def _start(self) -> None:
        self._output.start()
        self._has_started = True

    def _write(self, events: Sequence[Event]) -> None:
        if not self._has_started:  # as on a disk that was full
            self._start()
        self._output.write(events)

    def _attempt(self, act: Callable[[], None], count: int) -> None:
        """Do it with so many events, and remember what is wrong."""
        trouble, lost = self._guarded(act)
        is_broken = lost is None
        lost = count if lost is None else lost
        now_s = time.monotonic()
        if trouble and not is_broken:
            self._lossy_s = now_s
        elif not trouble and now_s - self._lossy_s < _CALM_S:
            trouble = self.trouble  # a link that is a little too slow is not news with every frame
        if trouble and not self.trouble:
            logger.warning("output %s: %s", self.name, trouble)
        if self.trouble and not trouble:
            logger.info("output %s writes again; %d events were lost so far", self.name, self.dropped)
        self.trouble = trouble
        self.written += max(0, count - lost)
        self.dropped += lost
        if not is_broken:
            return
        with self._changed:  # a broken output is not asked again at once
            if not self._closing:
                self._changed.wait_for(lambda: self._closing, _RETRY_S)

    def _guarded(self, act: Callable[[], None]) -> tuple[str, int | None]:
        """What is wrong after `act`, "" for nothing, and how many events that cost, None for all."""
        try:
            act()
        except LossError as error:
            return str(error), error.lost
        except OutputError as error:
            return str(error), None
        except Exception as error:
            logger.exception("output %s failed", self.name)
            return f"{type(error).__name__}: {error}", None
        return "", 0


def close_all(first: Sequence[Queued], others: Sequence[Queued]) -> None:
    """Write what is left and finish all outputs, within `STOP_S`: `first` what leaves events in `others`.

    Those of a group finish at the same time, and `first` may not use all of it: a slow output costs no other its end.
    """
    left_s = countdown(STOP_S)
    for outputs, kept_s in ((first, _OTHERS_S if others else 0.0), (others, 0.0)):
        for output in outputs:
            output.finish()
        for output in outputs:
            output.close(max(0.0, next(left_s) - kept_s))
