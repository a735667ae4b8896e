"""The detect interval: on which frames the detector runs. On the others tracks are predicted.

A detector that runs on every N-th frame only leaves a board cool, or free for more cameras. A skipped frame is not a
miss: tracks do not age, since nothing was looked for.
"""

from edge.errors import UsageError
from edge.track.tracker import Tracker

# Predictions are not extrapolated further than this; a slow camera is detected in on every frame.
LONGEST_S = 0.5

_JOINT = "a joint network compares each frame with the one before: detect on every one"


class DetectInterval:
    """Due is every `every`-th frame, and any that comes `LONGEST_S` after the last due one. `every` may be changed."""

    def __init__(self, every: int = 1) -> None:
        self.every = every
        self._skipped = 0
        self._last_s = float("-inf")

    def is_due(self, time_s: float) -> bool:
        """Whether the detector runs on the next frame, taken at `time_s`. Ask once for each frame."""
        if self._skipped + 1 < self.every and time_s - self._last_s < LONGEST_S:
            self._skipped += 1
            return False
        self._skipped, self._last_s = 0, time_s
        return True


def can_skip(tracker: Tracker, is_joint: bool) -> bool:
    """Whether frames may be skipped: not by a tracker that counts frames, nor by a joint network."""
    return tracker.follows_time and not is_joint


def check_interval(every: int, tracker: Tracker, is_joint: bool) -> None:
    """Raise UsageError where `every` is more than 1 and frames may not be skipped."""
    if every == 1:
        return
    if is_joint:
        raise UsageError(_JOINT)
    tracker.check_follows_time()
