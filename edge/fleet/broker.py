"""The connection to the broker: a session that it keeps, acknowledgements only for what is stored.

The broker keeps the subscription and what has QoS 1 while the fleet is away (a persistent session). A message is
acknowledged when its effects are committed, so one that a crash interrupts comes again.
"""

import logging
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from edge.fleet.fleet import Message
from edge.fleet.message import MOST_BYTES
from edge.fleet.settings import Broker
from edge.sinks.mqtt import require_paho, secure

if TYPE_CHECKING:
    import paho.mqtt.client as paho

logger = logging.getLogger(__name__)

# The broker sends so many events before it waits for acknowledgements.
RECEIVE_MAXIMUM = 512
# Of states only the newest of a topic counts; of more topics than that no notice is taken.
MOST_STATES = 20_000
_STATE_BYTES = 4096
_CLOSE_S = 2.0


class Received(NamedTuple):
    """An event with what its acknowledgement needs."""

    message: Message
    mid: int
    qos: int


class Connection:
    """The broker of `settings`, in threads of its own.

    `states` are the retained messages of boards and cameras by topic below the prefix: connections and reasons.
    Raises UnavailableError without paho-mqtt, NotFoundError for a missing secret or certificate.
    """

    def __init__(self, settings: Broker):
        self._settings = settings
        self.states: dict[str, str] = {}
        self.trouble = "no connection yet"
        self._received: deque[Received] = deque()
        self._sending: dict[int, paho.MQTTMessageInfo] = {}  # by the outbox's numbers
        self._retained: dict[str, str] = {}
        self._changed = threading.Condition()
        self._client = self._make_client()

    def start(self) -> None:
        """Connect, and again whenever the connection is lost."""
        self._client.connect_async(self._settings.host, self._settings.port, keepalive=30)
        self._client.loop_start()

    def close(self) -> None:
        """Say goodbye; the session stays with the broker."""
        if self._client.is_connected():
            goodbye = self._client.publish(self._topic("status"), "stopped", qos=1, retain=True)
            goodbye.wait_for_publish(_CLOSE_S)
        self._client.disconnect()
        self._client.loop_stop()

    def wait(self, timeout_s: float) -> list[Received]:
        """What was received, at the latest after `timeout_s`."""
        with self._changed:
            if not self._received:
                self._changed.wait(timeout_s)
            received = list(self._received)
            self._received.clear()
        return received

    def acknowledge(self, received: list[Received]) -> None:
        """Tell the broker that these are stored."""
        for each in received:
            self._client.ack(each.mid, each.qos)

    def send(self, number: int, topic: str, payload: str) -> bool:
        """Hand over the outbox's message `number`, with QoS 1; False while it cannot be sent."""
        if not self._client.is_connected():
            return False
        result = self._client.publish(topic, payload, qos=1)
        if result.rc != 0:
            return False
        self._sending[number] = result
        return True

    def take_sent(self) -> list[int]:
        """The numbers of those that the broker has."""
        sent = [number for number, result in self._sending.items() if result.is_published()]
        for number in sent:
            del self._sending[number]
        return sent

    @property
    def sending(self) -> int:
        """How many were handed over and are not acknowledged."""
        return len(self._sending)

    def retain(self, rest: str, text: str) -> None:
        """Publish a state on PREFIX/fleet/`rest`, where it changed; a broker that comes back gets it again."""
        self.retain_on(self._topic(rest), text)

    def retain_on(self, topic: str, text: str) -> None:
        """The same for a whole topic."""
        if self._retained.get(topic) != text:
            self._retained[topic] = text
            if self._client.is_connected():
                self._client.publish(topic, text, qos=0, retain=True)

    def _topic(self, rest: str) -> str:
        return f"{self._settings.prefix}/fleet/{rest}"

    def _make_client(self) -> "paho.Client":
        require_paho("fleet")
        import paho.mqtt.client as paho

        settings = self._settings
        client = paho.Client(
            paho.CallbackAPIVersion.VERSION2,
            client_id=f"nanotrack-{settings.name}",
            clean_session=False,
            manual_ack=True,
        )
        secure(client, settings)
        client.will_set(self._topic("status"), "offline", qos=1, retain=True)
        client.reconnect_delay_set(1, 30)
        client.max_inflight_messages_set(RECEIVE_MAXIMUM)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_connect_fail = self._on_connect_fail
        client.on_message = self._on_message
        return client

    def _on_connect(self, client: "paho.Client", data: Any, flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            self.trouble = f"the broker refuses the connection: {reason}"
            return
        self.trouble = ""
        prefix = self._settings.prefix
        states = ("+/status", "+/+/status", "+/+/reason")
        self.states = {}  # the broker tells them all again
        client.subscribe([(f"{prefix}/+/+/appearance", 1), *((f"{prefix}/{state}", 0) for state in states)])
        client.publish(self._topic("status"), "online", qos=1, retain=True)
        for topic, text in list(self._retained.items()):
            client.publish(topic, text, qos=0, retain=True)

    def _on_disconnect(self, client: "paho.Client", data: Any, flags: Any, reason: Any, properties: Any) -> None:
        self.trouble = self.trouble or f"the connection was lost: {reason}"

    def _on_connect_fail(self, client: "paho.Client", data: Any) -> None:
        self.trouble = "the broker does not answer"

    def _on_message(self, client: "paho.Client", data: Any, message: Any) -> None:
        topic = message.topic
        if not topic.endswith("/appearance"):
            rest = topic.removeprefix(f"{self._settings.prefix}/")
            known = rest in self.states or len(self.states) < MOST_STATES
            if not message.payload:  # a board has taken it off the broker
                self.states.pop(rest, None)
            elif known and len(message.payload) <= _STATE_BYTES and not rest.startswith("fleet/"):
                self.states[rest] = message.payload.decode("utf-8", "replace")
            client.ack(message.mid, message.qos)
            return
        # Of what is too large only that it came is kept.
        payload = bytes(message.payload[: MOST_BYTES + 1])
        with self._changed:
            self._received.append(Received(Message(topic, payload, time.time()), message.mid, message.qos))
            self._changed.notify()
