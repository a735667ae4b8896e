"""A camera's own thread: opens, reads, drops what is no picture, reconnects for ever, and never makes others wait."""

import itertools
import logging
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from edge.console.countdown import countdown
from edge.console.outgoing import redacted
from edge.errors import NanoTrackError
from edge.settings.config import CameraConfig
from edge.spans import Span
from edge.types import Frame, Image
from edge.video.address import is_camera, kind_of
from edge.video.latest import Latest
from edge.video.loop import Looped
from edge.video.open import open_source
from edge.video.opening import Opening
from edge.video.options import Options
from edge.video.paced import Paced
from edge.video.reasons import LoginRefusedError
from edge.video.source import Source

logger = logging.getLogger(__name__)

STOP_S = 2.0  # how long a stop waits for captures to end
_PAUSES_S, _LONGEST_PAUSE_S = (1.0, 2.0, 4.0, 8.0, 16.0), 30.0  # and that one for ever
LOGIN_PAUSE_S = 300.0  # many cameras lock an account for some minutes after 3 to 10 wrong logins
# A picture is no news when all its pixels are equal; every 16th in both directions is enough to see that.
_SAMPLED = 16
_SMALLEST_PX = 16
# What a camera is taken to send; a tracker goes by the times of its frames, and uses the rate for little.
_USUAL_RATE = 30.0


def pauses_s(jitter: Callable[[], float] = random.random) -> Iterator[float]:
    """Seconds to wait before each attempt: 1, 2, 4 .. 30, each shortened by up to half.

    Cameras behind one switch come back together; the jitter spreads the attempts.
    """
    longest_s = itertools.chain(_PAUSES_S, itertools.repeat(_LONGEST_PAUSE_S))
    return (pause_s * (1 - jitter() / 2) for pause_s in longest_s)


def fault_of(image: Image) -> str | None:
    """Why objects cannot be tracked in `image`, None where they can."""
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != "uint8":
        return f"expected uint8 pixels of 3 colours, found {image.dtype} {list(image.shape)}"
    if min(image.shape[:2]) < _SMALLEST_PX:
        return f"expected a picture, found {image.shape[1]}x{image.shape[0]} pixels"
    sample = image[::_SAMPLED, ::_SAMPLED]
    if (sample == sample[0, 0]).all():
        return "every pixel has the same colour"
    return None


def options_of(camera: CameraConfig) -> Options:
    """What is asked of the source of `camera` beside its address."""
    return Options(
        rtsp_transport=camera.rtsp_transport,
        every_s=camera.every_s,
        size=camera.size,
        pixel_format=camera.pixel_format,
        decoder=camera.decoder,
        reduce=camera.reduce,
    )


def open_camera(camera: CameraConfig, clock: Callable[[], float]) -> Source:
    """The source of `camera`; one that loops, or never ends, comes at its own pace. Raises as `open_source`."""

    def open_one() -> Source:
        return open_source(
            camera.source,
            camera.frame_rate,
            credentials=camera.credentials,
            silence_s=camera.stall_s,
            clock=clock,
            options=options_of(camera),
        )

    if not comes_live(camera):
        return open_one()
    source: Source = Looped(open_one) if camera.loop and not is_camera(camera.source) else open_one()
    return source if source.is_live else Paced(source, clock)


def comes_live(camera: CameraConfig) -> bool:
    """Whether frames that come too fast are left out: those of cameras, and of recordings played like one.

    Raises UsageError for an address of the built-in scene with mistakes.
    """
    if kind_of(camera.source) == "demo":
        from edge.demo.scene import Scene

        return camera.loop or Scene.from_url(camera.source).frame_count is None
    return camera.loop or is_camera(camera.source)


class Capture:
    """The pictures of `camera`, read by a thread of its own from `start` to `stop`; `slot` holds the newest.

    For anyone to read: `frames` and `corrupt` count pictures, `connects` successful connections; `good_s` is when the
    last good picture came (before the first: when it started); `trouble` says what is wrong, "" while nothing is;
    `finished` tells that a recording has ended; `reads` measures how long each frame took to come. `frame_rate` is a
    recording's own once it is open, which `opened` waits for. Nothing is opened, or looked for in the file system, by
    other threads than its own.
    """

    def __init__(
        self,
        camera: CameraConfig,
        ready: threading.Event,
        *,
        clock: Callable[[], float] = time.monotonic,
        connect: Callable[[CameraConfig, Callable[[], float]], Source] = open_camera,
    ):
        self.camera = camera
        self.frames = self.corrupt = self.connects = 0
        self.trouble = "not connected yet"
        self.finished = False
        self.reads = Span()
        self.good_s = clock()
        self.is_live = comes_live(camera)
        self.frame_rate = camera.frame_rate or _USUAL_RATE
        self.slot = Latest(ready, waits=not self.is_live)
        self._clock = clock
        self._connect = connect
        self._ready = ready
        self._stop = threading.Event()
        self._after: Sequence[Capture] = ()
        self._thread = threading.Thread(target=self._run, name=f"camera {camera.name}", daemon=True)
        self._opening: Opening[Source] | None = None
        if not is_camera(camera.source):
            self._opening = Opening(lambda: connect(camera, clock))

    def opened(self, timeout_s: float) -> bool:
        """Whether a recording is open, or becomes so in time; a camera is not waited for.

        Raises what opening it raised.
        """
        if self._opening is None:
            return True
        is_open = self._opening.wait(timeout_s)
        if is_open:
            self.frame_rate = self._opening.result().frame_rate
        return is_open

    def start(self, after: Sequence["Capture"] = ()) -> None:
        """Begin to read, in a thread that first waits up to `STOP_S` for those in `after`.

        They have been told to stop; a device that one of them still holds could not be opened.
        """
        self._after = after
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end; `join` waits for it."""
        self._stop.set()
        self.slot.close()

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread to end; whether it did. One that hangs in a driver ends with the process."""
        if self._thread.is_alive():  # else it ended, or was never started
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        for capture, left_s in zip(self._after, countdown(STOP_S), strict=False):
            capture.join(left_s)
        self._after = ()
        pauses = pauses_s()
        while not self._stop.is_set():
            before, pause_s = self.good_s, 0.0
            try:
                self._session()
            except LoginRefusedError as error:
                pause_s = LOGIN_PAUSE_S
                self._note(
                    f"{error}; it is asked again every {LOGIN_PAUSE_S / 60:g} minutes, since cameras lock accounts"
                )
            except NanoTrackError as error:
                self._note(str(error))
            except Exception as error:  # noqa: BLE001  a thread's edge: logged, and the camera is connected anew
                self._note(f"{type(error).__name__}: {error}")
            if not self.is_live:
                break
            if self.good_s != before:
                pauses = pauses_s()
            self._stop.wait(pause_s or next(pauses))
        self.finished = True
        self._ready.set()

    def _session(self) -> None:
        """From one connection to its end."""
        opening, self._opening = self._opening, None
        stream = opening.result() if opening is not None else self._connect(self.camera, self._clock)
        if not is_camera(self.camera.source):
            self.frame_rate = stream.frame_rate
        self.connects += 1
        opened_s = self._clock()
        try:
            while not self._stop.is_set():
                with self.reads:
                    frame = stream.read(self.slot.spare())
                if frame is None:
                    if self.is_live:
                        self._note("the connection broke off")
                    return
                self._take(frame.image, frame.time_s)
                if self._clock() - max(self.good_s, opened_s) > self.camera.stall_s:
                    return
        finally:
            stream.close()

    def _take(self, image: Image, time_s: float) -> None:
        self.frames += 1
        fault = fault_of(image)
        if fault is not None:
            self.corrupt += 1
            self._note(fault)
            self.slot.give_back(image)
            return
        if self.trouble:
            logger.debug("camera %s: %dx%d", self.camera.name, image.shape[1], image.shape[0])
        self.trouble = ""
        self.good_s = self._clock()
        self.slot.put(Frame(image, self.frames, time_s))

    def _note(self, trouble: str) -> None:
        """Remember what is wrong, and log it once."""
        trouble = redacted(trouble)
        if trouble != self.trouble:
            logger.debug("camera %s: %s", self.camera.name, trouble)
        self.trouble = trouble
