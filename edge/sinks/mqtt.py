"""Events to an MQTT broker, which may be away for any time.

PREFIX/status                   online, offline (last will) or stopped; retained
PREFIX/CAMERA/status            online, degraded, offline or stopped; retained
PREFIX/CAMERA/reason            why it is not online; retained while there is one
PREFIX/CAMERA/tracks            the frames of the JSON lines, QoS 0: lost while the broker is away
PREFIX/CAMERA/events            new identities, and all that is no frame, QoS 1: kept while the broker is away;
                                where identities are, now and then ("update"), QoS 0
PREFIX/CAMERA/count/CLASS       how many are shown now, on change; retained
PREFIX/CAMERA/zone/ZONE         how many are there; retained
PREFIX/CAMERA/line/LINE/in, out crossings since the start; retained

Where it is asked for, Home Assistant is told of every state under `homeassistant/`, see `edge.sinks.discovery`.
"""

import logging
import secrets
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from edge.errors import NotFoundError, UnavailableError
from edge.events import CameraChanged, Ended, Event, LineCrossed, Observed, ZoneChanged
from edge.settings import credentials
from edge.settings.config import Mqtt
from edge.sinks.discovery import entity_of
from edge.sinks.output import LossError
from edge.sinks.presence import Presence
from edge.sinks.wire import line_of

if TYPE_CHECKING:
    import paho.mqtt.client as paho

logger = logging.getLogger(__name__)

# Events of a broker's outage: an hour with three a second.
_KEPT_EVENTS = 10_000
_RETRY_S = (1, 30)
_GOODBYE_S = 2.0


class MqttOutput:
    """An `Output` to a broker. Raises UnavailableError without paho-mqtt, NotFoundError for a missing secret."""

    def __init__(self, settings: Mqtt):
        self._settings = settings
        self._counts: dict[str, Counter[str]] = {}
        self._presence = Presence(settings.update_s)
        self._retained: dict[str, str] = {}  # by whole topics
        self._lock = threading.Lock()
        self._trouble = "no connection yet"
        self._client = self._make_client()

    def start(self) -> None:
        """See `Output.start`. Whether anybody answers does not matter."""
        self._client.connect_async(self._settings.host, self._settings.port, keepalive=30)
        self._client.loop_start()

    def write(self, events: Sequence[Event]) -> None:
        """See `Output.write`. Raises LossError for what the broker will never see."""
        lost = sum(not self._publish(event) for event in events)
        if lost:
            where = f"{self._settings.host}:{self._settings.port}"
            raise LossError(f"broker {where}: {self._trouble or 'too slow'}; events are kept, frames are lost", lost)

    def close(self) -> None:
        """Say goodbye, so that the last will is not needed. See `Output.close`."""
        farewell = self._client.publish(self._topic("status"), "stopped", qos=1, retain=True)
        if self._client.is_connected():
            farewell.wait_for_publish(_GOODBYE_S)
        self._client.disconnect()
        self._client.loop_stop()

    def _make_client(self) -> "paho.Client":
        try:
            import paho.mqtt.client as paho
        except ImportError as error:
            raise UnavailableError(
                "MQTT needs paho-mqtt; install it with pip install 'nanotrack-edge[mqtt]'"
            ) from error
        settings = self._settings
        client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=f"nanotrack-{secrets.token_hex(4)}")
        if settings.credentials is not None:
            client.username_pw_set(*credentials.read(settings.credentials))
        if settings.tls:
            try:
                client.tls_set_context(ssl.create_default_context(cafile=settings.ca_file))
            except (OSError, ssl.SSLError) as error:
                raise NotFoundError(f"{settings.ca_file}: expected the broker's CA certificate: {error}") from error
        client.will_set(self._topic("status"), "offline", qos=1, retain=True)
        client.reconnect_delay_set(*_RETRY_S)
        client.max_queued_messages_set(_KEPT_EVENTS)
        client.on_socket_open = _send_at_once
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_connect_fail = self._on_connect_fail
        return client

    def _publish(self, event: Event) -> bool:
        """Whether the event is sent, or kept to be sent."""
        camera, text = event.origin.camera, line_of(event).rstrip("\n")
        if isinstance(event, Observed):
            names = [event.origin.classes[number] for number in event.tracks.classes.tolist()]
            self._count(camera, Counter(names))
            found = self._presence.observe(event)
            kept = [self._send(f"{camera}/events", line, qos=1) for line in found.new]
            sent = [self._send(f"{camera}/events", line, qos=0) for line in found.updates]
            return all([*kept, *sent, self._send(f"{camera}/tracks", text, qos=0)])
        if isinstance(event, Ended):
            self._presence.forget(event)
        if isinstance(event, CameraChanged):
            self._retain(f"{camera}/status", event.state)
            self._retain(f"{camera}/reason", event.reason)
            if event.state in ("offline", "stopped"):
                self._count(camera, Counter())
        if isinstance(event, ZoneChanged):
            self._retain(f"{camera}/zone/{event.zone}", str(event.count))
        if isinstance(event, LineCrossed):
            self._retain(f"{camera}/line/{event.line}/in", str(event.total_in))
            self._retain(f"{camera}/line/{event.line}/out", str(event.total_out))
        return self._send(f"{camera}/events", text, qos=1)

    def _send(self, topic: str, text: str, qos: int) -> bool:
        if qos == 0 and not self._client.is_connected():
            return False  # from the connection until the broker lets us in, paho would take what never arrives
        result = self._client.publish(self._topic(topic), text, qos=qos)
        # paho keeps what has QoS 1 while there is no connection (4), and refuses more than it may keep (15).
        return result.rc == 0 or (qos > 0 and result.rc == 4)

    def _count(self, camera: str, counts: Counter[str]) -> None:
        known = self._counts.setdefault(camera, Counter())
        for name in {*known, *counts}:
            if known[name] != counts[name] or name not in known:
                known[name] = counts[name]
                self._retain(f"{camera}/count/{name}", str(counts[name]))

    def _retain(self, topic: str, text: str) -> None:
        """Publish a state; a broker that comes back is told again."""
        messages = [(self._topic(topic), text)]
        if self._settings.home_assistant and self._topic(topic) not in self._retained:
            entity = entity_of(self._settings.prefix, topic)
            messages = [entity, *messages] if entity else messages
        with self._lock:  # also while it is sent: what `_on_connect` tells must not come later, and be older
            for whole_topic, message in messages:
                self._retained[whole_topic] = message
                self._client.publish(whole_topic, message, retain=True)

    def _topic(self, rest: str) -> str:
        return f"{self._settings.prefix}/{rest}"

    def _on_connect(self, client: "paho.Client", data: Any, flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            self._trouble = f"refuses us: {reason}"
            return
        self._trouble = ""
        client.publish(self._topic("status"), "online", qos=1, retain=True)
        with self._lock:
            for topic, text in self._retained.items():
                client.publish(topic, text, retain=True)

    def _on_disconnect(self, client: "paho.Client", data: Any, flags: Any, reason: Any, properties: Any) -> None:
        self._trouble = self._trouble or f"went away: {reason}"

    def _on_connect_fail(self, client: "paho.Client", data: Any) -> None:
        self._trouble = "does not answer"


def _send_at_once(client: "paho.Client", data: Any, connection: Any) -> None:
    """A line must not wait for the broker to acknowledge the one before, which takes it 40 ms."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
