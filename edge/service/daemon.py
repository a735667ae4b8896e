"""The tracking daemon: several cameras, networks that serve them in turns, a tracker each, outputs behind queues.

One loop does all tracking. Cameras and outputs have threads of their own and cannot hold it up, detectors where there
are several; only the loop feeds the watchdog, so a loop or detector that hangs is restarted by the service manager.
"""

import logging
import secrets
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from edge import board
from edge.chain.chain import Chain
from edge.chain.detections import Detecting
from edge.chain.need import Budget
from edge.console.countdown import countdown
from edge.console.outgoing import redacted
from edge.errors import DataError, NanoTrackError, UnavailableError
from edge.events import Embedded, Event, Origin
from edge.reid.stage import ReidStage
from edge.service.appearance import Appearances
from edge.service.build import (
    Networks,
    followed,
    interval,
    network_of,
    open_networks,
    require_embeddings,
    suit,
    tracker,
    warm_detectors,
    warm_embedder,
    where_they_run,
)
from edge.service.clock import Clock, ClockSteps
from edge.service.detectors import Detectors
from edge.service.notify import Watchdog, notify
from edge.service.outputs import OUTPUTS, Outputs, open_outputs
from edge.service.pictures import Pictures, privacy_mask
from edge.service.snapshot import Snapshot, camera_snapshot, network_snapshots, output_snapshots, stage_snapshots
from edge.service.status_line import StatusLine, words
from edge.service.stream import Stream
from edge.service.temperature import Temperature
from edge.service.view import View
from edge.service.web.editor import Editor
from edge.service.web.http import Server, require_extra
from edge.service.web.recent_events import RecentEvents
from edge.settings.config import CameraConfig, Config, Web
from edge.sinks.history.query import past_totals
from edge.sinks.hooks import CameraStates, Hooks
from edge.video.capture import STOP_S as CAPTURE_STOP_S
from edge.video.capture import Capture

logger = logging.getLogger(__name__)

# One bad frame is counted and skipped; so many in a row are a network that is broken.
BROKEN_IN_A_ROW = 30
# How long a start or reload waits for each recording: long enough to find out that there is none.
OPEN_S = 0.5
# How long a stop waits for detections in frames at hand.
_DETECT_STOP_S = 2.0
# A reload takes no longer: another network may be opened, tried and warmed up on a slow board.
_RELOAD_S = 300.0
# The loop wakes this often without frames, for the watchdog and for cameras that are gone.
_IDLE_S = 0.25
# The snapshot for the pages is this old at most; putting it together costs as much as tracking some frames.
_SNAPSHOT_S = 0.25


class Daemon:
    """The daemon of `config`, running. `cycle` is one turn of the loop, `reload` takes a new configuration.

    The board's sensors are read under `root`; `networks` are those of `config` where they are open already; `editor`
    changes the configuration's file for the page. Raises NanoTrackError where network, tracker, a recording or an
    output cannot be opened; a camera that does not answer is waited for.
    """

    def __init__(
        self,
        config: Config,
        clock: Clock | None = None,
        root: Path = board.ROOT,
        networks: Networks | None = None,
        editor: Editor | None = None,
    ):
        self.clock = clock or Clock()
        self.broken = self._broken_in_a_row = 0
        self._ready = threading.Event()
        self._watchdog = Watchdog(self.clock.mono)
        self._clock_steps = ClockSteps(self.clock)
        self._status_line = StatusLine(self.clock.mono)
        self._frames = 0
        self.config = config
        self.is_stopping = False
        self._began_s = self.clock.mono()
        self._recent_events = RecentEvents(self.clock.mono)
        # One thread draws the pictures of all cameras; it is started with the first viewer.
        self._drawing = ThreadPoolExecutor(1, thread_name_prefix="view")
        self.temperature = Temperature(config.heat.limit_c, root, self.clock.mono)
        self._was_hot = False
        self.spans, opened, self.embedder = networks or open_networks(config)
        self.detectors = Detectors(opened, self._ready)
        self.budget = Budget(config.model.detect_budget)  # of all cameras with detect_every = "auto" together
        self._server: Server | None = None
        self._is_shown = config.web is not None
        self.streams: list[Stream] = []
        self.cameras: tuple[CameraStates, ...] = ()  # as configured, for outputs
        self.outputs = Outputs()
        self._hooks = Hooks(self._emit, lambda: self.cameras)
        self._gone_captures: list[Capture] = []  # they were asked to end, and may not have ended yet
        try:
            self.outputs.replace((), open_outputs(config, OUTPUTS, self._hooks))
            self.streams = [self._open_stream(config, camera) for camera in config.camera]
            self.cameras = self._camera_states(config)
            self.publish()
            if config.web is not None:
                self._server = self._open_server(config.web, editor)
        except NanoTrackError:
            self.close()
            raise
        self.outputs.start(self.outputs.open)
        self._start(self.streams)
        self.temperature.start()

    @property
    def is_finished(self) -> bool:
        """Whether every source was a recording that has ended."""
        return all(stream.is_finished for stream in self.streams)

    @property
    def hangs(self) -> bool:
        """Whether the thread of a detector, or of a camera or an output that was let go, does not come to an end."""
        is_writing = self.is_stopping and not self.outputs.have_ended
        return is_writing or self.detectors.hangs or not all(capture.join(0) for capture in self._gone_captures)

    def cycle(self) -> None:
        """Track at most one frame of every camera, so that each waits for no more than one frame of each other.

        Raises UnavailableError where the network puts out nonsense for many frames, or fails for good.
        """
        self._ready.wait(_IDLE_S)
        self._ready.clear()
        for stream in sorted(self.streams, key=lambda stream: stream.begun_s):  # who waited longest comes first
            if self._step(stream):
                self._ready.set()  # there may be more where this came from
            stream.watch()
        if step_s := self._clock_steps.taken_s():
            for stream in self.streams:
                stream.note_clock_step(step_s)
        self._watch_temperature()
        self._forget_gone()
        self._status_line.report(self.streams, self._frames)
        if self._is_shown and self.clock.mono() - self.snapshot.cycled_s >= _SNAPSHOT_S:
            self.publish()
        if not self.detectors.hangs:
            self._watchdog.feed()

    def publish(self) -> None:
        """Put a new `snapshot` in place of the last; readers in other threads see one or the other."""
        now_s = self.clock.mono()
        self.snapshot = Snapshot(
            began_s=self._began_s,
            cycled_s=now_s,
            is_stopping=self.is_stopping,
            cameras=tuple(camera_snapshot(stream, now_s) for stream in self.streams),
            outputs=output_snapshots(self.outputs.open.values()),
            stages=stage_snapshots(self.spans),
            networks=network_snapshots(self.detectors.all, self.embedder, Path(self.config.model.pack).name),
            reading=self.temperature.reading,
            too_hot=self.temperature.cause,
            broken=self.broken,
            clock_steps=self._clock_steps.count,
        )

    def reload(self, config: Config) -> None:
        """Go over to `config`: what did not change goes on undisturbed, identities included.

        It waits for no camera and no output, not even for those that hang: what takes the place of one waits by itself.
        Raises NanoTrackError, and everything goes on as before, where something new cannot be opened.
        """
        notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")
        try:
            if config.web != self.config.web:
                logger.warning("[web] is read at the start only; restart to change it")
            with self._watchdog.patient(_RELOAD_S):
                self._replace(config)
            self.publish()
            logger.info("new configuration: cameras %s", ", ".join(camera.name for camera in config.camera))
        finally:
            notify("READY=1")

    def close(self) -> None:
        """End all tracks and finish all outputs, within 10 s even where a camera or an output hangs."""
        notify("STOPPING=1")
        self.is_stopping = True
        self.publish()
        self._end(self.streams)
        self.detectors.close()
        for capture, left_s in zip(self._gone_captures, countdown(CAPTURE_STOP_S), strict=False):
            capture.join(left_s)
        self.outputs.close()
        self.temperature.close()
        if self._server is not None:
            self._server.close()
        self._drawing.shutdown(wait=False, cancel_futures=True)

    def _step(self, stream: Stream) -> bool:
        before = stream.detected
        try:
            tracked = stream.step(self.detectors)
        except DataError as error:
            self.broken += 1
            self._broken_in_a_row += 1
            if self._broken_in_a_row == 1:
                logger.warning("camera %s: a frame is skipped: %s", stream.origin.camera, error)
            if self._broken_in_a_row >= BROKEN_IN_A_ROW:  # a fault of the device, perhaps: a new start may mend it
                raise UnavailableError(f"{error}; so it was {BROKEN_IN_A_ROW} frames in a row") from error
            return True
        if tracked:
            self._frames += 1
        if stream.detected > before:
            self._broken_in_a_row = 0
        return tracked

    def _emit(self, event: Event) -> None:
        if isinstance(event, Embedded):  # personal data: for the broker only, where it is asked for
            if self.config.mqtt is not None and self.config.mqtt.appearance:
                self.outputs.put_to("mqtt", event)
            return
        self._recent_events.note(event)
        self.outputs.put(event)

    def _camera_states(self, config: Config) -> tuple[CameraStates, ...]:
        classes, has_snapshots = followed(config.model), config.snapshots is not None
        return tuple(
            CameraStates(
                stream.origin.camera, stream.state, classes, stream.areas.people, stream.areas.crossings, has_snapshots
            )
            for stream in self.streams
        )

    def _open_stream(self, config: Config, camera: CameraConfig) -> Stream:
        capture = Capture(camera, self._ready, clock=self.clock.mono)
        capture.opened(OPEN_S)  # what takes longer, such as a file system that is away, is waited for without us
        # A run for each tracker: ids start at 1 in every one of them, and (run, id) shall be unique.
        origin = Origin(secrets.token_hex(4), camera.name, self.detectors.first.description.classes)
        names = origin.classes if len(config.model.classes) > 1 else ()
        view = View(camera, names, capture.slot.give_back, self._drawing) if self._is_shown else None
        pictures = Pictures(
            lambda: (self.config.snapshots, self.config.clips),
            self.outputs.put_to,
            privacy_mask(camera),
            self.clock.utc,
        )
        follower, tracking = tracker(config, capture.frame_rate, origin.classes), config.tracking
        reid = ReidStage(self.embedder, follower, tracking.reid, tracking.reid_budget_ms) if self.embedder else None
        chain = Chain(
            Detecting(self.detectors.first.for_stream()),
            follower,
            reid=reid,
            detect_every=interval(config, camera),
            budget=self.budget,
            excluded=[mask.points for mask in camera.mask if mask.kind == "exclude"],
            spans=self.spans,
        )
        past = {} if config.history is None else past_totals(Path(config.history.path), camera.name)
        network = network_of(self.detectors.first, self.embedder)
        return Stream(
            capture,
            chain,
            origin,
            self._emit,
            self.clock,
            view=view,
            pictures=pictures,
            appearances=None if network is None else Appearances(origin, network),
            totals=past,
            followed=followed(config.model),
        )

    def _open_server(self, settings: Web, editor: Editor | None) -> Server:
        require_extra()
        from edge.service.web.api import Api
        from edge.service.web.files import file_routes
        from edge.service.web.pages import Pages

        api = Api(lambda: self.config, editor if settings.edit else None)
        routes = [*api.routes, *file_routes(lambda: self.config)]
        return Server(settings, Pages(lambda: self.snapshot, self._recent_events, self.clock.mono, routes).app)

    def _start(self, streams: Sequence[Stream]) -> None:
        """Begin with what is new, each once what went before it is at its end."""
        where = where_they_run(self.detectors.all, self.embedder)
        for stream in streams:
            logger.info("camera %s: %s -> %s", stream.origin.camera, redacted(stream.capture.camera.source), where)
            stream.capture.start(tuple(self._gone_captures))

    def _end(self, streams: Sequence[Stream]) -> None:
        """Let go of cameras, without waiting for them, except for detections in their last frames."""
        for stream, left_s in zip(streams, countdown(_DETECT_STOP_S), strict=False):
            stream.capture.stop()
            stream.stop(left_s)
            self._gone_captures.append(stream.capture)

    def _forget_gone(self) -> None:
        self._gone_captures = [capture for capture in self._gone_captures if not capture.join(0)]
        self.outputs.forget_gone()

    def _replace(self, config: Config) -> None:
        """Open what is new, and only when all of it is open let go of what is old."""
        old = self.config
        keeps_detectors = config.model == old.model and suit(self.detectors.first, old, len(config.camera))
        detectors = self.detectors
        if not keeps_detectors:
            detectors = Detectors(warm_detectors(config, self.spans), self._ready)
        require_embeddings(config, detectors.first.description.is_joint)
        keeps_trackers = config.model == old.model and config.tracking == old.tracking
        embedder = self.embedder if keeps_trackers else warm_embedder(config, detectors.first, self.spans)
        before = self.detectors, self.embedder, self.budget
        self.detectors, self.embedder = detectors, embedder
        if config.model != old.model:
            self.budget = Budget(config.model.detect_budget)
        kept = {s.origin.camera: s for s in self.streams if keeps_trackers and s.capture.camera in config.camera}
        changed = [name for name in OUTPUTS if getattr(config, name) != getattr(old, name)]
        try:
            fresh = {c.name: self._open_stream(config, c) for c in config.camera if c.name not in kept}
            outputs = open_outputs(config, changed, self._hooks)
        except NanoTrackError:
            self.detectors, self.embedder, self.budget = before
            raise
        gone = [stream for stream in self.streams if stream not in kept.values()]
        self._end(gone)  # the ends of its identities are for the outputs that know of their beginnings
        if config.history == old.history:  # none may have the last crossings yet, or ever
            for stream in gone:
                if stream.origin.camera in fresh:
                    fresh[stream.origin.camera].areas.go_on_from(stream.areas.crossings)
        if not keeps_detectors:
            before[0].close()
            for stream in kept.values():
                stream.chain.detect_with(Detecting(detectors.first.for_stream()))
        self.outputs.replace(changed, outputs)
        self.streams = [kept.get(c.name) or fresh[c.name] for c in config.camera]
        self.cameras = self._camera_states(config)
        self.config = config
        self.outputs.start(outputs)
        self._start(list(fresh.values()))
        self.temperature.limit_c = config.heat.limit_c

    def _watch_temperature(self) -> None:
        """Detect on fewer frames while the board is too hot."""
        cause, hot_every = self.temperature.cause, self.config.heat.detect_every
        for stream in self.streams:
            every = interval(self.config, stream.capture.camera)
            own = 1 if every == "auto" else every
            stream.change_interval(max(own, hot_every) if cause else own, cause)
        if bool(cause) != self._was_hot:
            self._was_hot = bool(cause)
            if cause:
                logger.warning(
                    "too hot: %s; detecting on one frame in %d, where the tracking method can predict the others",
                    cause,
                    hot_every,
                )
            else:
                logger.info("cool again: detecting on as many frames as before")

    @property
    def port(self) -> int | None:
        """Where the web server listens, None without one."""
        return None if self._server is None else self._server.port

    @property
    def status(self) -> str:
        """The cameras in a few words."""
        return words(self.streams)
