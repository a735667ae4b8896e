"""How far the clocks of boards are off, by the clock of this machine."""

from collections import deque

from edge.sinks.outbox import EVENT_AGE_S

# A board's clock is judged by so many of its newest messages ...
MESSAGES = 64
# ... and set right where it is off by more than messages take on their way.
LEAST_S = 1.0
# A clock that seems to be late may be an outage whose messages come all at once: it is late where messages that came
# over so many seconds agree within `LEAST_S`.
SPAN_S = 20.0


class Clocks:
    """What must be added to the times of each board, seconds.

    A message comes some time after it was written, in an outage much later, but never before. So the shortest time that
    one seemed to take is nearly the difference of the clocks.
    """

    def __init__(self) -> None:
        self._messages: dict[str, deque[tuple[float, float]]] = {}  # when received, and how long it seemed to take

    def note(self, board: str, said_s: float, received_s: float) -> None:
        """A message that `board` wrote at `said_s`, on its own clock, was received at `received_s` on ours."""
        messages, took_s = self._messages.setdefault(board, deque(maxlen=MESSAGES)), received_s - said_s
        if messages and took_s > min(each_s for _, each_s in messages) + EVENT_AGE_S:
            messages.clear()  # no board sends anything so late: its clock was set back
        messages.append((received_s, took_s))

    def offset_s(self, board: str) -> float:
        """What to add to the times of `board`; 0 where that is little, or not sure."""
        estimate_s = self.estimate_s(board)
        if estimate_s is None or abs(estimate_s) <= LEAST_S:
            return 0.0
        agreeing_s = [at_s for at_s, took_s in self._messages[board] if took_s <= estimate_s + LEAST_S]
        is_sure = estimate_s < 0 or max(agreeing_s) - min(agreeing_s) >= SPAN_S
        return estimate_s if is_sure else 0.0

    def estimate_s(self, board: str) -> float | None:
        """By how much our clock is before that of `board`, as near as it is known; None before the first message."""
        messages = self._messages.get(board)
        return min(took_s for _, took_s in messages) if messages else None
