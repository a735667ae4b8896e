"""Events to an MQTT broker, which may be away for any time or behind a slow link.

PREFIX/status                   online, offline (last will) or stopped; retained
PREFIX/CAMERA/status            online, degraded, offline or stopped; retained
PREFIX/CAMERA/reason            why it is not online; retained while there is one
PREFIX/CAMERA/tracks            frames as in the JSON lines, QoS 0: lost while the broker is away, and where the link is
                                too slow all but the newest
PREFIX/CAMERA/events            all that is no frame, and new identities, QoS 1: kept while the broker is away; where
                                identities are, every few seconds ("update"), QoS 0
PREFIX/CAMERA/appearance        where it is asked for: the embeddings of identities, QoS 1, kept like events
PREFIX/CAMERA/count/CLASS       how many are shown now, on change; retained
PREFIX/CAMERA/zone/ZONE         how many are there; retained
PREFIX/CAMERA/line/LINE/in, out crossings since the start, or since the history began; retained
PREFIX/CAMERA/zone/ZONE/CLASS, PREFIX/CAMERA/line/LINE/in/CLASS, out/CLASS: where several classes are followed
PREFIX/CAMERA/snapshot          the newest snapshot, a JPEG; retained
PREFIX/retained                 all topics that this daemon has retained, as a JSON list; retained

Every state is published at the start, 0 where nothing is known. What the last process left on the broker and this one
does not have, because it was killed or the configuration changed, is removed: `PREFIX/retained` tells what that is.

Where it is asked for, every state is announced to Home Assistant under `homeassistant/`, see `edge.sinks.discovery`.
"""

import json
import logging
import secrets
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from edge.console.outgoing import redacted
from edge.errors import NotFoundError, UnavailableError
from edge.events import CameraChanged, Embedded, Ended, Event, FileSaved, LineCrossed, Observed, ZoneChanged
from edge.settings import credentials
from edge.settings.config import Connection, Mqtt
from edge.settings.survey import Check
from edge.sinks.discovery import entities_of
from edge.sinks.hooks import CameraStates
from edge.sinks.outbox import Message, Outbox
from edge.sinks.output import LossError
from edge.sinks.presence import Presence
from edge.sinks.topics import changed_states, count_topic, first_states, snapshot_topic
from edge.sinks.wire import line_of

if TYPE_CHECKING:
    import paho.mqtt.client as paho

logger = logging.getLogger(__name__)

# What the kernel may hold beside: it would take megabytes, and sends them when they are minutes old.
_UNSENT_BYTES = 4 << 10
_RETRY_S = (1, 30)
_CLOSE_S = 2.0
_TCP_NOTSENT_LOWAT = 25  # of Linux's netinet/tcp.h; Python has no name for it
_RECORD = "retained"


def secure(client: "paho.Client", broker: Connection) -> None:
    """Give the client the login and the TLS that its settings ask for. Raises NotFoundError, ConfigError."""
    if broker.credentials is not None:
        client.username_pw_set(*credentials.read(broker.credentials))
    if broker.tls:
        client.tls_set_context(_trusting(broker.ca_file))


def checks(broker: Connection, extra: str) -> Iterator[Check]:
    """Each raises what keeps a client of `extra` from being made; nothing is sent."""
    yield Check(("mqtt",), "", lambda: require_paho(extra))
    if broker.credentials is not None:
        yield Check(("mqtt",), "credentials", partial(credentials.read, broker.credentials))
    if broker.tls:
        yield Check(("mqtt",), "ca_file", lambda: _trusting(broker.ca_file))


def require_paho(extra: str) -> None:
    """Raise UnavailableError without paho-mqtt, which comes with `extra` of nanotrack-edge."""
    try:
        import paho.mqtt.client  # noqa: F401
    except ImportError as error:
        raise UnavailableError(
            f"MQTT needs paho-mqtt; install it with pip install 'nanotrack-edge[{extra}]'"
        ) from error


def _trusting(ca_file: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise NotFoundError(f"{ca_file}: expected the broker's CA certificate: {error}") from error


class MqttOutput:
    """An `Output` to a broker. Raises UnavailableError without paho-mqtt, NotFoundError for a missing secret.

    `cameras` gives those that are configured now; with none whatever comes is published.
    """

    def __init__(self, settings: Mqtt, cameras: Callable[[], Sequence[CameraStates]] = tuple):
        self._settings, self._cameras = settings, cameras
        self._configured: Sequence[CameraStates] = ()
        self._pictures: dict[str, bytes] = {}  # by whole topics, of which these are configured:
        self._of_pictures: set[str] = set()
        self._marker = secrets.token_hex(8)
        self._is_swept = False  # what the last process left on the broker is known
        self._counts: dict[str, Counter[str]] = {}
        self._presence = Presence(settings.update_s)
        self._retained: dict[str, str] = {}  # by whole topics
        self._lock = threading.Lock()
        self._trouble = "no connection yet"
        self._outbox = Outbox(self._hand_over)
        self._client = self._make_client()

    def start(self) -> None:
        """See `Output.start`. Whether a broker answers does not matter."""
        self._configure()
        self._outbox.start()
        self._client.connect_async(self._settings.host, self._settings.port, keepalive=30)
        self._client.loop_start()

    def write(self, events: Sequence[Event]) -> None:
        """See `Output.write`. Raises LossError for what the broker will never see."""
        self._configure()
        for event in events:
            self._publish(event)
        lost = self._outbox.take_lost()
        if lost:
            where = f"{self._settings.host}:{self._settings.port}"
            trouble = self._trouble or "the link is too slow"
            raise LossError(f"broker {where}: {trouble}; events are kept, frames are lost", lost)

    def close(self) -> None:
        """Publish "stopped", so that the broker does not publish the last will. See `Output.close`."""
        if self._client.is_connected() and not self._outbox.drain(_CLOSE_S):
            logger.warning("MQTT: not all messages could be sent within %g s; the rest is lost", _CLOSE_S)
        self._outbox.close()
        stopped = self._client.publish(self._topic("status"), "stopped", qos=1, retain=True)
        if self._client.is_connected():
            stopped.wait_for_publish(_CLOSE_S)
        self._client.disconnect()
        self._client.loop_stop()

    def _make_client(self) -> "paho.Client":
        require_paho("mqtt")
        import paho.mqtt.client as paho

        settings = self._settings
        client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=f"nanotrack-{secrets.token_hex(4)}")
        secure(client, settings)
        client.will_set(self._topic("status"), "offline", qos=1, retain=True)
        client.reconnect_delay_set(*_RETRY_S)
        client.on_socket_open = _keep_little
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        client.on_connect_fail = self._on_connect_fail
        return client

    def _publish(self, event: Event) -> None:
        camera, text = event.origin.camera, line_of(event).rstrip("\n")
        if isinstance(event, Observed):
            names = [event.origin.classes[number] for number in event.tracks.classes.tolist()]
            self._count(camera, Counter(names))
            found = self._presence.observe(event)
            for _, line in found.new:
                self._outbox.put_event(self._topic(f"{camera}/events"), line)
            for id_, line in found.updates:
                self._outbox.put_frame(self._topic(f"{camera}/events"), line, f"{event.origin.run}/{id_}")
            self._outbox.put_frame(self._topic(f"{camera}/tracks"), text, camera)
            return
        if isinstance(event, Embedded):
            self._outbox.put_event(self._topic(f"{camera}/appearance"), text)
            return
        if isinstance(event, Ended):
            self._presence.forget(event)
        if isinstance(event, CameraChanged):
            self._retain(f"{camera}/status", event.state)
            self._retain(f"{camera}/reason", redacted(event.reason))
            if event.state in ("offline", "stopped"):
                self._count(camera, Counter())
        if isinstance(event, ZoneChanged | LineCrossed):
            for topic, state in changed_states(event).items():
                self._retain(topic, state)
        if isinstance(event, FileSaved) and event.jpeg:
            self._retain_picture(self._topic(snapshot_topic(camera)), event.jpeg)
        self._outbox.put_event(self._topic(f"{camera}/events"), text)

    def _hand_over(self, message: Message) -> int | None:
        """Give a message to the library; its number there, None where it is not taken."""
        result = self._client.publish(message.topic, message.text, qos=int(message.is_event), retain=message.retain)
        # paho keeps what has QoS 1 while there is no connection (4).
        return result.mid if result.rc == 0 or (message.is_event and result.rc == 4) else None

    def _count(self, camera: str, counts: Counter[str]) -> None:
        known = self._counts.setdefault(camera, Counter())
        for name in {*known, *counts}:
            if known[name] != counts[name] or name not in known:
                known[name] = counts[name]
                self._retain(count_topic(camera, name), str(counts[name]))

    def _configure(self) -> None:
        """Publish the states of a new configuration, and remove those that it does not have."""
        cameras = self._cameras()
        if cameras is self._configured:
            return
        self._configured = cameras
        states = {topic: text for camera in cameras for topic, text in first_states(camera).items()}
        pictures = {snapshot_topic(camera.name) for camera in cameras if camera.has_snapshots}
        with self._lock:
            self._of_pictures = {self._topic(topic) for topic in pictures}
            wanted = {self._topic(topic): text for topic, text in states.items()}
            announced = self._announcements([*states, *pictures])
            for topic in [*self._retained.keys() - wanted.keys() - announced.keys()]:
                del self._retained[topic]
                self._outbox.put_state(topic, "")
            for topic in [*self._pictures.keys() - self._of_pictures]:
                del self._pictures[topic]
                self._outbox.put_state(topic, "")
            for topic, text in {**announced, **wanted}.items():
                if topic not in self._retained:
                    self._retained[topic] = text
                    self._outbox.put_state(topic, text)
            self._publish_record()
        names = {camera.name for camera in cameras}
        self._counts = {camera: counts for camera, counts in self._counts.items() if camera in names}

    def _retain(self, topic: str, text: str) -> None:
        """Publish a state; a broker that comes back gets it again. What is not configured has none."""
        whole_topic = self._topic(topic)
        with self._lock:  # or `_on_connect` could put an older state in place of this one
            is_new = whole_topic not in self._retained
            if is_new and self._configured:
                return
            for each, message in {**(self._announcements([topic]) if is_new else {}), whole_topic: text}.items():
                self._retained[each] = message
                self._outbox.put_state(each, message)
            if is_new:
                self._publish_record()

    def _retain_picture(self, topic: str, picture: bytes) -> None:
        with self._lock:
            if self._configured and topic not in self._of_pictures:  # it comes late, after a reload
                return
            is_new = topic not in self._pictures
            self._pictures[topic] = picture
            self._outbox.put_picture(topic, picture)
            if is_new:
                self._publish_record()

    def _announcements(self, topics: Sequence[str]) -> dict[str, str]:
        """What Home Assistant is told of these states, by whole topics."""
        if not self._settings.home_assistant:
            return {}
        return {entity.topic: entity.text for topic in topics for entity in entities_of(self._settings.prefix, topic)}

    def _topic(self, rest: str) -> str:
        return f"{self._settings.prefix}/{rest}"

    def _on_connect(self, client: "paho.Client", data: Any, flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            self._trouble = f"it refuses the connection: {reason}"
            return
        self._trouble = ""
        self._is_swept = False
        logger.info("MQTT: connected to %s:%d", self._settings.host, self._settings.port)
        client.publish(self._topic("status"), "online", qos=1, retain=True)
        # A broker sends what is retained before what is published later: the marker tells that nothing was.
        client.subscribe(self._topic(_RECORD), qos=1)
        client.publish(self._topic(_RECORD), self._marker, qos=1)
        self._outbox.connected()
        with self._lock:
            for topic, text in self._retained.items():
                self._outbox.put_state(topic, text)
            for topic, picture in self._pictures.items():
                self._outbox.put_picture(topic, picture)

    def _on_disconnect(self, client: "paho.Client", data: Any, flags: Any, reason: Any, properties: Any) -> None:
        self._trouble = self._trouble or f"the connection was lost: {reason}"
        self._outbox.disconnected()

    def _on_publish(self, client: "paho.Client", data: Any, number: int, reason: Any, properties: Any) -> None:
        self._outbox.acknowledged(number)

    def _on_message(self, client: "paho.Client", data: Any, message: Any) -> None:
        """The record of what is retained: that of the process before this one, or the marker."""
        text = message.payload.decode("utf-8", "replace")
        with self._lock:
            if text != self._marker:
                ours = {*self._retained, *self._pictures}
                for topic in _listed(text):
                    if topic not in ours and topic.startswith((f"{self._settings.prefix}/", "homeassistant/")):
                        self._outbox.put_state(topic, "")
            elif not self._is_swept:
                self._is_swept = True
                self._publish_record()
                client.unsubscribe(self._topic(_RECORD))

    def _publish_record(self) -> None:
        if self._is_swept:
            topics = sorted(topic for topic, text in self._retained.items() if text)
            self._outbox.put_state(self._topic(_RECORD), json.dumps([*topics, *sorted(self._pictures)]))

    def _on_connect_fail(self, client: "paho.Client", data: Any) -> None:
        self._trouble = "it does not answer"


def _listed(text: str) -> list[str]:
    """The topics of a record; none of something else."""
    try:
        topics = json.loads(text)
    except (ValueError, RecursionError):
        return []
    if not isinstance(topics, list):
        return []
    return [topic for topic in topics if isinstance(topic, str) and not set(topic) & set("+#\0")]


def _keep_little(client: "paho.Client", data: Any, connection: Any) -> None:
    """Send at once, since the broker takes 40 ms to acknowledge, and let little wait in the kernel."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.IPPROTO_TCP, _TCP_NOTSENT_LOWAT, _UNSENT_BYTES)
