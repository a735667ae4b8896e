"""Recorded detections in place of a detector: the pipeline of a replay."""

from collections.abc import Sequence

from edge.reid.stage import ReidStage
from edge.spans import Spans
from edge.track.tracker import Tracker
from edge.types import Detections, Frame, Tracks


class Replay:
    """Recorded detections and a tracker in a row; called like a `Pipeline`.

    Item i of `by_frame` belongs to frame i + 1. Detections below score `floor` are left out. `reid` gives the others
    embeddings, for frames with pictures. Only those of every `detect_every`-th frame are used, as if nobody had looked
    at the others.
    """

    def __init__(
        self,
        by_frame: Sequence[Detections],
        tracker: Tracker,
        *,
        floor: float = 0.0,
        reid: ReidStage | None = None,
        detect_every: int = 1,
        spans: Spans | None = None,
    ):
        self.tracker = tracker
        self.reid = reid
        self.workers = 0  # nothing is detected, see `Pipeline.workers`
        self.classes: tuple[str, ...] = ("person",)
        self.detections = Detections.empty()
        self._by_frame = by_frame
        self._floor = floor
        self.detect_every = detect_every
        self._turns = tracker.turns(detect_every)
        self._track = (spans or Spans())["track"]

    def __call__(self, frame: Frame) -> Tracks:
        """The tracks to show for `frame`, found by its number; `detections` holds what they were made from."""
        if not self._turns.is_due(frame.time_s):
            self.detections = Detections.empty()
            with self._track:
                return self.tracker.predict(frame.time_s)
        found = self._by_frame[frame.number - 1] if frame.number <= len(self._by_frame) else Detections.empty()
        kept = found.scores >= self._floor
        self.detections = found if kept.all() else Detections(found.boxes_xyxy[kept], found.scores[kept])
        if self.reid is not None:
            self.reid(frame.image, self.detections, frame.time_s)
        with self._track:
            return self.tracker.update(self.detections, frame.time_s)
