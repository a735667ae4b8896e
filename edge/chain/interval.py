"""The detect interval: on which frames the detector runs. On the others tracks are predicted.

A detector that runs on every N-th frame only leaves a board cool, or free for more cameras. A skipped frame is not a
miss: tracks do not age, since nothing was looked for. `edge.chain.need` decides frame by frame instead.
"""

from typing import Literal

from edge.chain.need import Budget, Need
from edge.errors import UsageError
from edge.track.tracker import Tracker
from edge.types import Frame, Tracks

Every = int | Literal["auto"]

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


class AutoInterval:
    """Due is a frame that `budget` grants a detection, and any that comes `LONGEST_S` after the last due one.

    Streams may share a budget, see `edge.chain.need`. `every` is the least interval in frames and may be changed.
    """

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.every = 1
        self._need, self._claim = Need(), budget.claim()
        self._skipped = 0
        self._due_s = self._frame_s = float("-inf")

    @property
    def mean(self) -> int:
        """Of about how many frames one is due."""
        return max(self.every, round(1 / self.budget.share))

    def is_due(self, frame: Frame, tracks: Tracks) -> bool:
        """Whether the detector runs on `frame`, at whose time `tracks` are predicted. Ask once for each frame."""
        forced = frame.time_s - self._due_s >= LONGEST_S
        held = self._skipped + 1 < self.every
        frame_s = frame.time_s - self._frame_s if self._frame_s > float("-inf") else 0.0
        self._frame_s = frame.time_s
        wish_per_s = self._need.wish_per_s(frame.image, tracks)
        if not self._claim.grants(wish_per_s, frame_s, held=held, forced=forced):
            self._skipped += 1
            return False
        self._skipped, self._due_s = 0, frame.time_s
        self._need.look(frame.image)
        return True

    def learn(self, time_s: float, tracks: Tracks, unsure: int) -> None:
        """Take the tracks of a frame that was detected on; `unsure` detections may become tracks and are none yet."""
        self._need.learn(time_s, tracks, unsure)

    def forget(self) -> None:
        """Begin with other pictures: the first of them is due."""
        self._need, self._claim = Need(), self.budget.claim()
        self._due_s = self._frame_s = float("-inf")


def can_skip(tracker: Tracker, is_joint: bool) -> bool:
    """Whether frames may be skipped: not by a tracker that counts frames, nor by a joint network."""
    return tracker.follows_time and not is_joint


def check_interval(every: Every, tracker: Tracker, is_joint: bool) -> None:
    """Raise UsageError where `every` is not 1 and frames may not be skipped."""
    if every == 1:
        return
    if is_joint:
        raise UsageError(_JOINT)
    tracker.check_follows_time()
