"""A camera's own thread: reads, throws out what is no picture, reconnects for ever, and never makes others wait."""

import itertools
import logging
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from edge.console.countdown import countdown
from edge.console.outgoing import redacted
from edge.errors import NanoTrackError
from edge.settings.config import Camera
from edge.types import Frame, Image
from edge.video.latest import Latest
from edge.video.live import Recording, Stream, is_recording, open_stream

logger = logging.getLogger(__name__)

STOP_S = 2.0  # how long anyone waits for a capture to end
_LONGEST_PAUSE_S = 30.0
# A picture is no news when all its pixels are equal; every 16th in both directions is enough to see that.
_SAMPLED = 16
_SMALLEST_PX = 16
# What a camera is taken to send; a tracker goes by the times of its frames, and uses this for little.
_USUAL_RATE = 30.0


def pauses_s(jitter: Callable[[], float] = random.random) -> Iterator[float]:
    """Seconds to wait before each attempt: 1, 2, 4 .. 30, each shortened by up to half.

    Cameras behind one switch come back together; the jitter keeps their clients from knocking together.
    """
    return (min(2.0**n, _LONGEST_PAUSE_S) * (1 - jitter() / 2) for n in itertools.count())


def fault_of(image: Image) -> str | None:
    """Why `image` is no picture that could be tracked in, None where it is one."""
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != "uint8":
        return f"expected uint8 pixels of 3 colours, found {image.dtype} {list(image.shape)}"
    if min(image.shape[:2]) < _SMALLEST_PX:
        return f"expected a picture, found {image.shape[1]}x{image.shape[0]} pixels"
    sample = image[::_SAMPLED, ::_SAMPLED]
    if (sample == sample[0, 0]).all():
        return "every pixel has the same colour"
    return None


class Capture:
    """The pictures of `camera`, read by a thread of its own from `start` to `stop`; `slot` holds the newest.

    For anyone to read: `frames` and `corrupt` count pictures, `connects` successful connections; `good_s` is when the
    last good picture came (before the first: when it started); `trouble` says what is wrong, "" while nothing is;
    `finished` tells that a recording has ended. A recording is opened at once and raises as `open_source`.
    """

    def __init__(
        self,
        camera: Camera,
        ready: threading.Event,
        *,
        clock: Callable[[], float] = time.monotonic,
        connect: Callable[[Camera, Callable[[], float]], Stream] = open_stream,
    ):
        self.camera = camera
        self.frames = self.corrupt = self.connects = 0
        self.trouble = "not connected yet"
        self.finished = False
        self.good_s = clock()
        self._clock = clock
        self._connect = connect
        self._stream: Stream | None = connect(camera, clock) if is_recording(camera.source) else None
        self.is_live = not isinstance(self._stream, Recording) or self._stream.paced
        own_rate = self._stream.frame_rate if isinstance(self._stream, Recording) else _USUAL_RATE
        self.frame_rate = camera.frame_rate or own_rate
        self.slot = Latest(ready, waits=not self.is_live)
        self._ready = ready
        self._stop = threading.Event()
        self._after: Sequence[Capture] = ()
        self._thread = threading.Thread(target=self._run, name=f"camera {camera.name}", daemon=True)

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
            before = self.good_s
            try:
                self._session()
            except NanoTrackError as error:
                self._note(str(error))
            except Exception as error:  # noqa: BLE001  a thread's edge: logged, and the camera is connected anew
                self._note(f"{type(error).__name__}: {error}")
            if not self.is_live:
                break
            if self.good_s != before:
                pauses = pauses_s()
            self._stop.wait(next(pauses))
        self.finished = True
        self._ready.set()

    def _session(self) -> None:
        """From one connection to its end."""
        stream, self._stream = self._stream or self._connect(self.camera, self._clock), None
        self.connects += 1
        opened_s = self._clock()
        try:
            while not self._stop.is_set():
                picture = stream.read(self.slot.spare())
                if picture is None:
                    if self.is_live:
                        self._note("the connection broke off")
                    return
                self._take(*picture)
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
        """Remember what is wrong; the log hears of it once."""
        trouble = redacted(trouble)
        if trouble != self.trouble:
            logger.debug("camera %s: %s", self.camera.name, trouble)
        self.trouble = trouble
