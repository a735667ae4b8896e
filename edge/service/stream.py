"""One camera of the daemon: its capture, its chain, and the events that come of them."""

import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, wait
from functools import partial
from types import MappingProxyType

from edge.chain.chain import Chain
from edge.errors import NanoTrackError
from edge.events import (
    CameraChanged,
    CameraState,
    ClockStepped,
    Direction,
    Ended,
    Event,
    IntervalChanged,
    Lives,
    Lost,
    Moment,
    Observed,
    Origin,
    in_order,
)
from edge.service.appearance import Appearances
from edge.service.clock import Clock
from edge.service.counting.areas import Areas
from edge.service.counting.ground import Ground
from edge.service.detectors import Detectors
from edge.service.pictures import Pictures
from edge.service.tallies import Tallies
from edge.service.throughput import Throughput
from edge.service.view import View
from edge.types import Detections, Frame, Image, Tracks
from edge.video.capture import Capture

logger = logging.getLogger(__name__)

# A frame taken before now may still be on its way; what it shows has not ended.
_IN_FLIGHT_S = 1.0


class Stream:
    """`capture` and `chain` with their events, which go to `emit`. Used by the tracking loop only.

    `tracked` counts frames, `detected` those that were detected on; `begun_s` is when the last was taken. `shown` is
    the number of tracks in the newest, of `size` (width, height); `state` is the camera's, for `reason`, since
    `since_s`; `areas` are its zones and lines; `throughput` has the ages of frames when their tracks were ready.
    `tallies` sums up what happened. `view` draws for the web page, `pictures` names snapshots and clips, `appearances`
    gathers embeddings; None does without. `totals` are the crossings before this start by (line, direction, class),
    `followed` the names of the classes that are followed.
    """

    def __init__(
        self,
        capture: Capture,
        chain: Chain,
        origin: Origin,
        emit: Callable[[Event], None],
        clock: Clock,
        *,
        view: View | None = None,
        pictures: Pictures | None = None,
        appearances: Appearances | None = None,
        totals: Mapping[tuple[str, Direction, str], int] = MappingProxyType({}),
        followed: Sequence[str] = (),
    ):
        self.capture = capture
        self.chain = chain
        self.origin = origin
        self.tracked = self.detected = self.shown = 0
        self.size = (0, 0)
        self.begun_s = float("-inf")
        self._begun: tuple[Frame, Callable[[], Tracks]] | None = None
        self._found: Future[Detections] | None = None  # for the frame that was begun with
        self.throughput = Throughput(clock.mono())
        self.state: CameraState = "connecting"
        self.reason = ""
        self.since_s = clock.mono()
        self.view = view
        self._pictures = pictures
        self._appearances = appearances
        self._lives = Lives(origin, chain.tracker)
        camera = capture.camera
        ground = None if camera.ground is None else Ground(camera.ground.points, camera.ground.metres)
        stays_s = {zone.name: zone.stay_s for zone in camera.zone if zone.stay_s is not None}
        self.areas = Areas(origin, camera.zone, camera.line, totals, followed, stays_s, ground)
        self.tallies = Tallies()
        self._emit = emit
        self._clock = clock
        self._last_s = clock.mono() if capture.is_live else 0.0

    def step(self, detectors: Detectors | None = None) -> bool:
        """Track the newest frame; whether there was one. Raises DataError where the network puts out nonsense.

        The chain detects in it at once, except where there are `detectors` side by side: then a step begins with the
        newest frame where one of them is free, and a later step tracks it.
        """
        side_by_side = detectors if detectors is not None and detectors.are_side_by_side else None
        if self._begun is None and (side_by_side is None or side_by_side.has_room):
            self._begin(side_by_side)
        return self._finish()

    def _begin(self, side_by_side: Detectors | None) -> None:
        """Take the newest frame, if there is one, and have it detected in."""
        frame = self.capture.slot.take()
        if frame is None:
            return
        if not self.tracked and self.capture.frame_rate != self.chain.tracker.frame_rate:
            self.chain.start_at(self.capture.frame_rate)  # a recording that was opened late
        self.begun_s = self._clock.mono()
        if side_by_side is None:
            self._begun = frame, partial(self.chain, frame)
            return
        found = side_by_side.detect(frame.image) if self.chain.is_due(frame) else None
        self._found = found
        self._begun = frame, lambda: self.chain.follow(frame, None if found is None else found.result())

    def _finish(self) -> bool:
        """Track the frame that was begun with, once its detections are there; whether that was so."""
        if self._begun is None or not (self._found is None or self._found.done()):
            return False
        (frame, track), self._begun, self._found = self._begun, None, None
        try:
            tracks = track()
        except NanoTrackError:
            self.capture.slot.give_back(frame.image)
            raise
        height, width = frame.image.shape[:2]
        self.size = width, height
        self.tracked += 1
        self.detected += self.chain.was_detected
        self._last_s = frame.time_s
        self.shown = len(tracks)
        self._change("online", "")
        at = self._moment(frame.time_s)
        if self._appearances is not None:
            for known in self._appearances.observe(tracks, self.chain.detections.embeddings, at, self.size):
                self._emit(known)
        for event in self._lives.observe(frame.number, self.size, tracks, at):
            named = self._publish(event)
            if self._pictures is not None and isinstance(named, Observed):
                self._pictures.take(named, frame.image)
        self._let_go(frame.image, tracks)
        now_s = self._clock.mono()
        self.throughput.note(now_s, now_s - frame.time_s if self.capture.is_live else 0.0)
        return True

    def watch(self) -> None:
        """Notice what happens without frames: a camera that is gone, identities whose time is over."""
        if not self.capture.is_live:
            if self.is_finished and self.capture.trouble:
                self._change("offline", self.capture.trouble)
            return
        now_s = self._clock.mono()
        silence_s, stall_s = now_s - self.capture.good_s, self.capture.camera.stall_s
        usual_s = self.capture.camera.every_s or 0.0
        if silence_s > stall_s:
            self.shown = 0
            self._change("offline", self.capture.trouble or "no picture comes")
            self.chain.forget_picture()
        elif silence_s > (usual_s + stall_s) / 2 and self.state == "online":
            self._change("degraded", self.capture.trouble or "no picture comes")
        if silence_s > _IN_FLIGHT_S and self._has_none:  # while frames come, they tell what has ended
            for event in self._lives.expire(self._moment(now_s - _IN_FLIGHT_S)):
                self._publish(event)

    @property
    def detect_every(self) -> int:
        """Of how many frames one is detected on."""
        return self.chain.detect_every

    def change_interval(self, detect_every: int, reason: str) -> None:
        """Detect on every so many frames from now on, where the chain can skip frames."""
        if self.chain.change_interval(detect_every):
            self._emit(IntervalChanged(self.origin, self._moment(self._latest_s()), detect_every, reason))

    def note_clock_step(self, seconds: float) -> None:
        """The wall clock was set."""
        self._emit(ClockStepped(self.origin, self._moment(self._latest_s()), seconds))

    def stop(self, timeout_s: float = 0.0) -> None:
        """End every identity, after the frame at hand where its detections come in time; nothing comes after this."""
        if self._found is not None:
            wait([self._found], timeout_s)
        with contextlib.suppress(NanoTrackError):
            self._finish()
        at = self._moment(self._latest_s())
        for event in self._lives.stop(at):
            self._publish(event)
        self._change("stopped", "")
        if self.view is not None:
            self.view.close()

    @property
    def is_finished(self) -> bool:
        """Whether a recording was tracked to its end."""
        return self.capture.finished and self._has_none

    @property
    def _has_none(self) -> bool:
        """Whether no frame waits, and none is being detected in."""
        return self._begun is None and self.capture.slot.is_empty

    def _let_go(self, image: Image, tracks: Tracks) -> None:
        """The picture was tracked in: it goes to the view, unless its boxes are predictions, or back to be reused."""
        if self.view is not None and self.chain.was_detected:
            self.view.offer(image, tracks, lambda: self.areas.speeds_mps or {})
        else:
            self.capture.slot.give_back(image)

    def _publish(self, event: Event) -> Event:
        """The event and what follows from it. The event as it was told."""
        followers = self.areas.note(event)
        if self._pictures is not None and isinstance(event, Observed):
            event, followers = self._pictures.named(event, followers)
        if self._appearances is not None and isinstance(event, Lost | Ended):
            followers = [*followers, *self._appearances.end(event)]
        for each in in_order(event, followers):
            self.tallies.note(each)
            self._emit(each)
        return event

    def _change(self, state: CameraState, reason: str) -> None:
        if state == self.state:
            return
        level = logging.WARNING if state == "offline" else logging.INFO
        logger.log(level, "camera %s: %s%s", self.origin.camera, state, f": {reason}" if reason else "")
        self.state, self.reason, self.since_s = state, reason, self._clock.mono()
        event = CameraChanged(self.origin, self._moment(self._latest_s()), state, reason)
        self._emit(event)
        if self._pictures is not None:
            self._pictures.note(event)

    def _latest_s(self) -> float:
        return self._clock.mono() if self.capture.is_live else self._last_s

    def _moment(self, time_s: float) -> Moment:
        """The capture time with its label; a recording has none."""
        if not self.capture.is_live:
            return Moment(time_s, None)
        return Moment(time_s, self._clock.utc() - (self._clock.mono() - time_s))
