"""The chain of a frame: its detections, found or recorded, get embeddings, and the tracker makes tracks of them."""

from collections.abc import Sequence

from edge.chain.detections import DetectionSource
from edge.chain.excluded import Exclusion, Polygon
from edge.chain.interval import AutoInterval, DetectInterval, Every, can_skip, check_interval
from edge.chain.need import Budget
from edge.errors import InputError
from edge.reid.stage import ReidStage
from edge.spans import Spans
from edge.track.tracker import Tracker
from edge.types import Detections, Frame, Tracks


class Chain:
    """Detections -> appearance -> tracks, for the frames of one stream in their order, one thread at a time.

    `detect` gives a frame's detections. It is asked on every `detect_every`-th frame only, or with "auto" on those that
    `budget` grants it (None: one of its own); on the others the tracker predicts. `reid` computes embeddings; None: the
    detections keep those they have. Detections with their feet in a polygon of `excluded` are left out, see
    `edge.chain.excluded`. Span `track` times the tracker.
    Raises UsageError for an interval that tracker or detector cannot do.

    Where the size of the pictures changes, tracks end and the tracker starts anew: their boxes are in pixels of another
    picture.

    For anyone to read: `detections` are those of the last frame, empty where it was skipped; `was_detected` tells
    whether it was not; `classes` are the names of the class numbers.
    """

    workers = 0  # threads that detect on the frames that follow, see `edge.chain.overlap`

    def __init__(
        self,
        detect: DetectionSource,
        tracker: Tracker,
        *,
        reid: ReidStage | None = None,
        detect_every: Every = 1,
        budget: Budget | None = None,
        excluded: Sequence[Polygon] = (),
        spans: Spans | None = None,
    ):
        check_interval(detect_every, tracker, detect.is_joint)
        self.tracker = tracker
        self.reid = reid
        self.classes = detect.classes
        self.detections = Detections.empty()
        self.was_detected = False
        self._detect, self._exclusion = detect, Exclusion(excluded)
        self._interval: DetectInterval | AutoInterval
        self._interval = AutoInterval(budget or Budget()) if detect_every == "auto" else DetectInterval(detect_every)
        self._shape: tuple[int, ...] | None = None
        self._track = (spans or Spans())["track"]

    def __call__(self, frame: Frame) -> Tracks:
        """The tracks to show for `frame`.

        Raises DataError for a network that puts out NaN, InputError for a frame that is older than the last or is none.
        """
        if not isinstance(frame, Frame):
            found = type(frame).__name__
            raise InputError(f"frame: expected an edge.Frame or a picture as a NumPy array, found {found}")
        self._note_shape(frame)
        return self.follow(frame, self._detect(frame) if self.is_due(frame) else None)

    @property
    def detect_every(self) -> int:
        """Of how many frames one is detected on; with "auto" about so many."""
        return self._interval.mean if isinstance(self._interval, AutoInterval) else self._interval.every

    def change_interval(self, detect_every: int) -> bool:
        """Detect on every so many frames from now on, where frames may be skipped; whether that is a change.

        With "auto" it is the least interval.
        """
        if detect_every == self._interval.every or not can_skip(self.tracker, self._detect.is_joint):
            return False
        self._interval.every = detect_every
        return True

    def is_due(self, frame: Frame) -> bool:
        """Whether the next frame is to be detected on. Ask once for each."""
        if isinstance(self._interval, AutoInterval):
            return self._interval.is_due(frame, self.tracker.predict(frame.time_s))
        return self._interval.is_due(frame.time_s)

    def follow(self, frame: Frame, detections: Detections | None) -> Tracks:
        """The second half: the tracks to show for `frame`, of which these are the detections, None: it was skipped.

        Raises InputError.
        """
        self._note_shape(frame)
        self.was_detected = detections is not None
        if detections is None:
            self.detections = Detections.empty()
            with self._track:
                return self.tracker.predict(frame.time_s)
        height, width = frame.image.shape[:2]
        detections = self._exclusion(detections, (width, height))
        if self.reid is not None:
            detections = self.reid(frame.image, detections, frame.time_s)
        self.detections = detections
        with self._track:
            tracks = self.tracker.update(detections, frame.time_s)
        if isinstance(self._interval, AutoInterval):
            seen = self.tracker.sightings()
            self._interval.learn(frame.time_s, tracks, len(seen.births) - len(seen.shown))
        self._detect.feedback(tracks)
        return tracks

    def start_at(self, frame_rate: float) -> None:
        """Begin with a stream of so many frames a second."""
        self.tracker.restart(frame_rate)
        self._forget_stream()

    def begin(self, frame_rate: float) -> None:
        """Begin with another recording, as if this chain were new: identities count from 1 again."""
        self.tracker.restart(frame_rate)
        self.tracker.reset()
        self._detect.reset()
        if isinstance(self._interval, AutoInterval):
            self._interval = AutoInterval(Budget(self._interval.budget.share))
        else:
            self._interval = DetectInterval(self._interval.every)
        self._shape = None

    def detect_with(self, detect: DetectionSource) -> None:
        """Go on with detections from elsewhere, where the same are found."""
        self._detect = detect

    def forget_picture(self) -> None:
        """The next picture does not follow the last one: a joint network must not compare them."""
        self._detect.reset()

    def _note_shape(self, frame: Frame) -> None:
        if frame.image.shape == self._shape:
            return
        if self._shape is not None:
            self.tracker.restart()
            self._forget_stream()
            self._detect.reset()
        self._shape = frame.image.shape

    def _forget_stream(self) -> None:
        if isinstance(self._interval, AutoInterval):
            self._interval.forget()
