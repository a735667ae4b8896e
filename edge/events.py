"""The events of a stream: frames with their tracks, identities that end, cameras that come and go."""

from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

from edge.types import Float32s, Image, Tracks

EndReason = Literal["lost", "stopped"]
ZoneAction = Literal["enter", "stay", "leave"]
Direction = Literal["in", "out"]
Side = Literal["left", "right", "top", "bottom", "inside"]
AppearanceStage = Literal["known", "end"]
CameraState = Literal["connecting", "online", "degraded", "offline", "stopped"]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where events come from. An identity is (`run`, id): `run` is unique for each tracker's start.

    `classes` are the names of the class numbers.
    """

    run: str
    camera: str
    classes: Sequence[str]


@dataclass(frozen=True, slots=True)
class Moment:
    """`time_s` on a clock that never goes back, `utc_s` since 1970 as a label, None for a recording."""

    time_s: float
    utc_s: float | None


class Files(NamedTuple):
    """The pictures of an event: files below the folders of snapshots and of clips, "" for none.

    They are written a little later; a full disk may prevent it.
    """

    snapshot: str
    clip: str


NO_FILES = Files("", "")


@dataclass(frozen=True, slots=True)
class Observed:
    """A frame and the tracks shown in it. `size` is (width, height), (0, 0) without a picture.

    `ages` are the frames since each identity was first shown, in the order of `tracks`. `image` is the picture for
    outputs that draw, only valid while they write; None from the daemon, which fills its pictures anew at once, but for
    the outputs of snapshots and clips. `files` are the pictures by the identities that they are of, `clip` is the clip
    that the frame is part of.
    """

    origin: Origin
    at: Moment
    number: int
    size: tuple[int, int]
    tracks: Tracks
    ages: Sequence[int]
    image: Image | None = None
    files: Mapping[int, Files] = field(default_factory=dict)
    clip: str = ""


@dataclass(frozen=True, slots=True)
class Lost:
    """An identity that has not been shown for a while, and still may be: the tracker remembers it."""

    origin: Origin
    at: Moment
    id: int


@dataclass(frozen=True, slots=True)
class Found:
    """An identity that was `Lost` and is shown again."""

    origin: Origin
    at: Moment
    id: int


@dataclass(frozen=True, slots=True)
class Ended:
    """An identity that was shown in `frames` frames and never will be again."""

    origin: Origin
    at: Moment
    id: int
    frames: int
    reason: EndReason


@dataclass(frozen=True, slots=True)
class CameraChanged:
    """A camera's new state, and why."""

    origin: Origin
    at: Moment
    state: CameraState
    reason: str


@dataclass(frozen=True, slots=True)
class ClockStepped:
    """The wall clock was set forward by `seconds`, or back where that is negative; `time_s` is not affected."""

    origin: Origin
    at: Moment
    seconds: float


@dataclass(frozen=True, slots=True)
class IntervalChanged:
    """The detect interval is `detect_every` frames from now on, because of `reason`, "" where that is over."""

    origin: Origin
    at: Moment
    detect_every: int
    reason: str


@dataclass(frozen=True, slots=True)
class ZoneChanged:
    """Identity `id` did `action` in a zone with now `count` people; it was there for `dwell_s`.

    "enter" and "leave", and between them "stay", once, where the zone asks for it after so many seconds. The identity
    is of the class `class_name`, of which `class_count` are in the zone. `speed_mps` is how fast it walks, in metres a
    second, None where that is not known.
    """

    origin: Origin
    at: Moment
    zone: str
    id: int
    action: ZoneAction
    dwell_s: float
    count: int
    class_name: str = ""
    class_count: int = 0
    speed_mps: float | None = None
    files: Files = NO_FILES


@dataclass(frozen=True, slots=True)
class LineCrossed:
    """Identity `id` crossed a line in `direction` "in" or "out".

    The totals count from the daemon's start, or with a history from the first start; it is of the class `class_name`,
    to which `class_in` and `class_out` of them belong. `speed_mps` is how fast it walks, in metres a second, None where
    that is not known.
    """

    origin: Origin
    at: Moment
    line: str
    id: int
    direction: Direction
    total_in: int
    total_out: int
    class_name: str = ""
    class_in: int = 0
    class_out: int = 0
    speed_mps: float | None = None
    files: Files = NO_FILES


@dataclass(frozen=True, slots=True)
class FileSaved:
    """A snapshot or clip is on the disk now: `file` is its name, `jpeg` the snapshot itself, empty for a clip.

    `at` and `id` are those of the event that asked for it; a clip may have several and tells no id.
    """

    origin: Origin
    at: Moment
    id: int | None
    file: str
    jpeg: bytes


@dataclass(frozen=True, slots=True)
class Embedded:
    """The appearance of identity `id`: personal data, which only goes to outputs that ask for it.

    `embedding` float32 `[E]` has length 1 and is the mean of `samples` embeddings of the network with sha256 `network`.
    `stage` "known" comes after the first ones, "end" when the identity is lost or has ended, with those since "known";
    None where there are none. `stay` counts from 0 how often the identity had been lost before. It was seen from
    `first` to `last`, then in `box_xyxy` of a picture of `size` (width, height) with detection scores of `quality` on
    average. `entry` and `exit` are the sides of the picture at which it was seen first and last.
    """

    origin: Origin
    at: Moment
    id: int
    stay: int
    stage: AppearanceStage
    class_number: int
    first: Moment
    last: Moment
    box_xyxy: tuple[float, float, float, float]
    size: tuple[int, int]
    entry: Side
    exit: Side
    quality: float
    samples: int
    network: str
    embedding: Float32s | None


Event = (
    Observed
    | Lost
    | Found
    | Ended
    | CameraChanged
    | ClockStepped
    | IntervalChanged
    | ZoneChanged
    | LineCrossed
    | FileSaved
    | Embedded
)


def in_order(event: Event, followers: Sequence[Event]) -> list[Event]:
    """`event` and what follows from it: nothing comes of an identity that is lost or has ended."""
    return [*followers, event] if isinstance(event, Lost | Ended) else [event, *followers]


class Memory(Protocol):
    """Who knows which identities may be shown again: a tracker, an `edge.track.tracker.Tracker`."""

    @property
    def lost_s(self) -> float:
        """For how long an identity may be unseen until it is lost, in seconds."""

    def retained(self, ids: Collection[int], time_s: float) -> AbstractSet[int]:
        """Those of `ids` that a frame at `time_s` or later may show again."""


@dataclass(frozen=True, slots=True)
class UntilTheEnd:
    """The memory of a second pass over a recording: any identity may be shown again until the recording is over."""

    lost_s: float

    def retained(self, ids: Collection[int], time_s: float) -> AbstractSet[int]:
        """All of them."""
        return set(ids)


@dataclass(slots=True)
class _Lifetime:
    first_frame: int
    last_s: float
    frames: int
    is_lost: bool = False


class Lives:
    """The identities of one stream. Each begins in the first frame that shows it and has one end.

    Unseen for `memory.lost_s` it has ended; where `memory` retains it, it is lost until it is found again or no longer
    retained.
    """

    def __init__(self, origin: Origin, memory: Memory):
        self.origin = origin
        self._memory = memory
        self._lives: dict[int, _Lifetime] = {}

    def observe(
        self, number: int, size: tuple[int, int], tracks: Tracks, at: Moment, image: Image | None = None
    ) -> list[Event]:
        """The identities that are found again, the frame, then those that are lost or have ended by then."""
        ages = []
        events: list[Event] = []
        for id_ in tracks.ids.tolist():
            life = self._lives.setdefault(id_, _Lifetime(number, at.time_s, 0))
            life.last_s = at.time_s
            life.frames += 1
            ages.append(number - life.first_frame)
            if life.is_lost:
                life.is_lost = False
                events.append(Found(self.origin, at, id_))
        return [*events, Observed(self.origin, at, number, size, tracks, ages, image), *self.expire(at)]

    def expire(self, at: Moment) -> list[Event]:
        """The identities that are lost or have ended by `at`; for times without frames."""
        limit_s = at.time_s - self._memory.lost_s
        unseen = {id_: life for id_, life in self._lives.items() if life.last_s < limit_s}
        if not unseen:
            return []
        retained = self._memory.retained(unseen, at.time_s)
        events: list[Event] = []
        for id_, life in unseen.items():
            if id_ not in retained:
                events.append(self._end(id_, at, "lost"))
            elif not life.is_lost:
                life.is_lost = True
                events.append(Lost(self.origin, at, id_))
        return events

    def stop(self, at: Moment) -> list[Event]:
        """The end of all that are left."""
        return [self._end(id_, at, "stopped") for id_ in list(self._lives)]

    def _end(self, id_: int, at: Moment, reason: EndReason) -> Ended:
        return Ended(self.origin, at, id_, self._lives.pop(id_).frames, reason)
