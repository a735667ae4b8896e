"""Where a chain's detections come from: a detector that is given the pictures, or a recording of detections."""

from collections.abc import Sequence
from typing import Protocol

from edge.detect.detector import Detector
from edge.detect.joint import JointDetector
from edge.types import Detections, Frame, Tracks


class DetectionSource(Protocol):
    """Detections of the frames of one stream. `classes` are the names of the class numbers.

    `is_joint`: each frame is compared with the one before, so none may be skipped.
    """

    @property
    def classes(self) -> Sequence[str]: ...

    @property
    def is_joint(self) -> bool: ...

    def __call__(self, frame: Frame) -> Detections:
        """The detections of `frame`, as fresh arrays. Raises DataError where a network puts out NaN."""

    def feedback(self, tracks: Tracks) -> None:
        """Take the tracks that were made of the newest detections."""

    def reset(self) -> None:
        """Forget the frame before: the next one does not follow it."""


class Detecting:
    """The detections that `detector`, a network with all around it, finds in the pictures. See `DetectionSource`."""

    def __init__(self, detector: Detector | JointDetector):
        self.classes: Sequence[str] = detector.description.classes
        self.is_joint = detector.description.is_joint
        self.feedback, self.reset = detector.feedback, detector.reset
        self._detector = detector

    def __call__(self, frame: Frame) -> Detections:
        """See `DetectionSource`."""
        return self._detector(frame.image)


class Recorded:
    """Recorded detections: item i of `by_frame` belongs to frame i + 1, later frames have none. See `DetectionSource`.

    Detections below score `floor` are left out.
    """

    classes: Sequence[str] = ("person",)
    is_joint = False

    def __init__(self, by_frame: Sequence[Detections], floor: float = 0.0):
        self._by_frame = by_frame
        self._floor = floor

    def __call__(self, frame: Frame) -> Detections:
        """The detections of `frame`, found by its number."""
        if frame.number > len(self._by_frame):
            return Detections.empty()
        found = self._by_frame[frame.number - 1]
        return found.where(found.scores >= self._floor)

    def feedback(self, tracks: Tracks) -> None:
        """Nothing: what is recorded does not depend on tracks."""

    def reset(self) -> None:
        """Nothing: a recording has no frame before."""
