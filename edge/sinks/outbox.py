"""Messages on their way to a broker over a link of any speed: bounded in bytes and in age, the newest kept.

The client library would queue without bound. So it only ever gets as much as fits in a small window, and the rest waits
here: a state or a frame that has waited for a while gives way to a newer one of its kind, and of too many events the
oldest go. A frame or an event that goes without having been handed over is counted as lost.
"""

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field

logger = logging.getLogger(__name__)

# What the library may hold: on a link of 4 kB a second two seconds of messages.
WINDOW_BYTES = 8 << 10
# A short burst waits; after so long only the newest state of a topic and the newest frame of a camera are of interest.
BURST_S = 0.5
FRAMES_BYTES = 64 << 10
FRAME_AGE_S = 5.0
# Events of a broker's outage: an hour with three a second.
EVENTS_BYTES = 4 << 20
EVENT_AGE_S = 3600.0
# The newest picture of each of some cameras.
PICTURES_BYTES = 4 << 20
PICTURE_AGE_S = 60.0
_IDLE_S = 1.0


@dataclass(frozen=True, slots=True)
class Message:
    """`text` for `topic`; `is_event` is sent until the broker has it (QoS 1), anything else once (QoS 0).

    Of messages with the same `key` the newest is of interest, "" where each is.
    """

    topic: str
    text: str | bytes
    key: str = ""
    is_event: bool = False
    retain: bool = False
    since_s: float = field(default_factory=time.monotonic)

    @property
    def size(self) -> int:
        """Its bytes, about."""
        return len(self.topic) + len(self.text)


class _Lane:
    """Messages of one kind in order, at most `most_bytes` of them."""

    def __init__(self, most_bytes: float, age_s: float):
        self._most_bytes, self._age_s = most_bytes, age_s
        self._messages: deque[Message] = deque()
        self._of_key: Counter[str] = Counter()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._messages)

    def put(self, message: Message) -> int:
        """Append it; how many of the oldest had to go."""
        self._messages.append(message)
        self._of_key[message.key] += 1
        self.bytes += message.size
        gone = 0
        while self.bytes > self._most_bytes and len(self) > 1:
            self.take()
            gone += 1
        return gone

    def take(self) -> Message:
        """The oldest."""
        message = self._messages.popleft()
        self.bytes -= message.size
        self._of_key[message.key] -= 1
        if not self._of_key[message.key]:
            del self._of_key[message.key]
        return message

    def drop_old(self, now_s: float) -> int:
        """Drop what is too old, or waits for a while and has a newer one behind it; how many those are."""
        gone = 0
        while self._messages:
            oldest = self._messages[0]
            has_newer = bool(oldest.key) and self._of_key[oldest.key] > 1
            if now_s - oldest.since_s <= (BURST_S if has_newer else self._age_s):
                break
            self.take()
            gone += 1
        return gone

    def clear(self) -> int:
        """Drop all; how many those are."""
        gone = len(self)
        self._messages.clear()
        self._of_key.clear()
        self.bytes = 0
        return gone


class Outbox:
    """Hands messages to `publish`, in a thread of its own: states first, then events in order, pictures, frames.

    `publish` gives back the number by which the library tells `acknowledged` that the message has left, None where it
    was not taken. Only events wait while there is no connection.
    """

    def __init__(self, publish: Callable[[Message], int | None]):
        self._publish = publish
        self._changed = threading.Condition()
        self._states = _Lane(float("inf"), float("inf"))  # bounded by the number of topics
        self._events = _Lane(EVENTS_BYTES, EVENT_AGE_S)
        self._pictures = _Lane(PICTURES_BYTES, PICTURE_AGE_S)
        self._frames = _Lane(FRAMES_BYTES, FRAME_AGE_S)
        self._window: dict[int, Message] = {}
        self._acknowledged_early: set[int] = set()
        self._breaks = 0  # of connections
        self._is_sending = self._is_connected = self._is_closed = False
        self._lost = 0
        self._thread = threading.Thread(target=self._run, name="mqtt outbox", daemon=True)

    def start(self) -> None:
        """Begin to hand over."""
        self._thread.start()

    def put_state(self, topic: str, text: str) -> None:
        """A retained state; without a connection nothing happens, since all are put again with the next one."""
        with self._changed:
            if self._is_connected:
                self._states.put(Message(topic, text, topic, retain=True))
                self._changed.notify_all()

    def put_event(self, topic: str, text: str) -> None:
        """An event that must not be lost: behind those before it."""
        with self._changed:
            self._lost += self._events.put(Message(topic, text, is_event=True))
            self._changed.notify_all()

    def put_picture(self, topic: str, picture: bytes) -> None:
        """A retained picture; without a connection nothing happens, since it is put again with the next one."""
        with self._changed:
            if self._is_connected:
                self._pictures.put(Message(topic, picture, topic, retain=True))
                self._changed.notify_all()

    def put_frame(self, topic: str, text: str, key: str) -> None:
        """A message that only matters while it is new; lost without a connection."""
        with self._changed:
            self._lost += self._frames.put(Message(topic, text, key)) if self._is_connected else 1
            self._changed.notify_all()

    def connected(self) -> None:
        """The broker takes messages."""
        with self._changed:
            self._is_connected = True
            self._changed.notify_all()

    def disconnected(self) -> None:
        """The broker is away: frames are lost, also those handed over; the library sends events again by itself."""
        with self._changed:
            self._is_connected = False
            self._breaks += 1
            gone = {number: message for number, message in self._window.items() if not message.is_event}
            self._lost += self._frames.clear() + sum(not message.retain for message in gone.values())
            self._states.clear()
            self._pictures.clear()
            for number in gone:
                del self._window[number]
            self._changed.notify_all()

    def acknowledged(self, number: int) -> None:
        """The message with this number has left the library: written, or for an event taken by the broker."""
        with self._changed:
            if self._window.pop(number, None) is None and self._is_sending:
                self._acknowledged_early.add(number)
            self._changed.notify_all()

    def take_lost(self) -> int:
        """How many messages were lost since the last call."""
        with self._changed:
            lost, self._lost = self._lost, 0
        return lost

    def drain(self, timeout_s: float) -> bool:
        """Wait until everything has left; whether it has."""
        with self._changed:
            return self._changed.wait_for(self._is_empty, timeout_s)

    def close(self) -> None:
        """Hand over nothing more."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    def _is_empty(self) -> bool:
        waiting = self._states or self._events or self._pictures or self._frames
        return not (waiting or self._window or self._is_sending)

    def _run(self) -> None:
        while (message := self._wait_for_next()) is not None:
            number: int | None = None
            breaks = self._breaks
            try:  # without the lock: the library acknowledges while it holds a lock that it needs to publish
                number = self._publish(message)
            except Exception:
                logger.exception("MQTT: a message on %s could not be sent", message.topic)
            with self._changed:
                self._is_sending = False
                is_known = number in self._acknowledged_early
                is_gone = breaks != self._breaks and not message.is_event  # with the connection that it was given to
                if number is None or (is_gone and not is_known):
                    self._lost += not message.retain
                elif not is_known:
                    self._window[number] = message
                self._acknowledged_early.clear()
                self._changed.notify_all()

    def _wait_for_next(self) -> Message | None:
        with self._changed:
            while not self._is_closed:
                message = self._next()
                if message is not None:
                    self._is_sending = True
                    return message
                self._changed.wait(_IDLE_S)
        return None

    def _next(self) -> Message | None:
        """What to hand over now; None while nothing waits, or nothing may be handed over."""
        now_s = time.monotonic()
        self._states.drop_old(now_s)
        self._pictures.drop_old(now_s)
        gone = self._events.drop_old(now_s) + self._frames.drop_old(now_s)
        self._lost += gone
        if gone:
            self._changed.notify_all()
        if not self._is_connected or sum(message.size for message in self._window.values()) >= WINDOW_BYTES:
            return None
        lane = next((lane for lane in (self._states, self._events, self._pictures, self._frames) if lane), None)
        return None if lane is None else lane.take()
