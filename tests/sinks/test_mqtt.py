"""Events on a real broker, which is killed and comes back."""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.errors import NotFoundError
from edge.events import CameraChanged, Direction, Ended, FileSaved, LineCrossed, Moment, Observed, Origin, ZoneChanged
from edge.settings.config import Mqtt
from edge.sinks.hooks import CameraStates
from edge.sinks.mqtt import MqttOutput
from edge.sinks.output import LossError
from edge.sinks.queued import Queued
from edge.sinks.topics import topic_level
from tests.field import PATIENCE_S, Broker, needs_mosquitto, wait_for
from tests.sinks.tracks import tracks

paho = pytest.importorskip("paho.mqtt.client")

ORIGIN = Origin("r1", "door", ["person", "cat"])
AT = Moment(2.0, 1_790_000_000.0)


def seen(number: int, *ids: int, age: int = 0) -> Observed:
    return Observed(ORIGIN, AT, number, (128, 96), tracks(*ids), [age] * len(ids))


class Listener:
    """Everything that is published: `messages` in order, `last` by topic.

    With a `name` the broker keeps its subscription, and what has QoS 1, while it is away.
    """

    def __init__(self, port: int, topics: str = "nanotrack/#", name: str = "") -> None:
        self.messages: list[tuple[str, str]] = []
        self._ready = threading.Event()
        self._client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=name, clean_session=not name)
        self._client.on_connect = lambda client, *rest: client.subscribe(topics, qos=1)
        self._client.on_subscribe = lambda *rest: self._ready.set()
        self._client.on_message = self._on_message
        self._client.reconnect_delay_set(0.1, 0.2)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert self._ready.wait(PATIENCE_S)

    def _on_message(self, client: Any, data: Any, message: Any) -> None:
        topic = message.topic.removeprefix("nanotrack/")
        if topic != "retained":  # what the output keeps for itself
            self.messages.append((topic, message.payload.decode("latin-1" if topic.endswith("snapshot") else "utf-8")))

    @property
    def last(self) -> dict[str, str]:
        return dict(self.messages)

    def on(self, topic: str) -> list[str]:
        return [text for name, text in self.messages if name == topic]

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    broker = Broker(tmp_path)
    yield broker
    broker.kill()


@pytest.fixture
def listener(broker: Broker) -> Iterator[Listener]:
    listener = Listener(broker.port)
    yield listener
    listener.close()


@pytest.fixture(autouse=True)
def _quick_reconnects(monkeypatch: pytest.MonkeyPatch) -> None:
    # Slower than the listeners, who must be there again when what was kept is sent.
    monkeypatch.setattr("edge.sinks.mqtt._RETRY_S", (1, 1))


def connected(broker: Broker, listener: Listener, **settings: Any) -> MqttOutput:
    output = MqttOutput(Mqtt("127.0.0.1", broker.port, **settings))
    output.start()
    wait_for(lambda: listener.last.get("status") == "online", "not online")
    return output


@needs_mosquitto
def test_everything_has_its_topic(broker: Broker, listener: Listener) -> None:
    output = connected(broker, listener)
    output.write([CameraChanged(ORIGIN, AT, "online", ""), seen(1, 4, 7), seen(2, 4, age=1), seen(3, 4, age=2)])
    output.write([Ended(ORIGIN, AT, 4, 3, "lost"), CameraChanged(ORIGIN, AT, "offline", "no answer")])
    output.close()
    wait_for(lambda: listener.last.get("status") == "stopped", "no goodbye")
    assert listener.on("status") == ["online", "stopped"]
    assert listener.on("door/status") == ["online", "offline"]
    assert [json.loads(text)["frame"] for text in listener.on("door/tracks")] == [1, 2, 3]
    assert listener.on("door/count/person") == ["2", "1", "0"]
    events = [json.loads(text) for text in listener.on("door/events")]
    assert [(event["event"], event.get("id")) for event in events] == [
        ("camera", None),
        ("new", 4),
        ("new", 7),
        ("end", 4),
        ("camera", None),
    ]
    assert {event["run"] for event in events} == {"r1"}


@needs_mosquitto
def test_identities_are_told_of_again_now_and_then(broker: Broker, listener: Listener) -> None:
    output = connected(broker, listener, update_s=1.0)
    for number in range(1, 25):  # 8 frames a second; who is shown from the 7th on has its own time
        shown = tracks(*([4, 7] if number > 6 else [4]), left=float(number))
        at = Moment(number / 8, None)
        output.write([Observed(ORIGIN, at, number, (128, 96), shown, [number - 1, number - 7][: len(shown)])])
    output.close()
    wait_for(lambda: listener.last.get("status") == "stopped", "no goodbye")
    events = [json.loads(text) for text in listener.on("door/events")]
    assert [(event["event"], event["id"], event["t_mono_ns"] / 1e9) for event in events] == [
        ("new", 4, 0.125),
        ("new", 7, 0.875),
        ("update", 4, 1.125),
        ("update", 7, 1.875),
        ("update", 4, 2.125),
        ("update", 7, 2.875),
    ]
    update = events[4]
    assert (update["before"], update["xyxy"], update["age"]) == ([9, 20.25, 24, 60.5], [17, 20.25, 32, 60.5], 16)


@needs_mosquitto
def test_without_an_interval_identities_are_told_of_once(broker: Broker, listener: Listener) -> None:
    output = connected(broker, listener, update_s=0.0)
    for second in range(10):
        output.write([Observed(ORIGIN, Moment(100.0 * second, None), 1 + second, (128, 96), tracks(4), [second])])
    output.close()
    wait_for(lambda: listener.last.get("status") == "stopped", "no goodbye")
    assert [json.loads(text)["event"] for text in listener.on("door/events")] == ["new"]


@needs_mosquitto
def test_a_start_that_was_lost_on_the_way_is_told_later(broker: Broker, listener: Listener) -> None:
    output = connected(broker, listener)
    output.write([seen(9, 4, age=8), Ended(ORIGIN, AT, 4, 9, "lost")])
    output.close()
    wait_for(lambda: listener.last.get("status") == "stopped", "no goodbye")
    assert [json.loads(text)["event"] for text in listener.on("door/events")] == ["new", "end"]


@needs_mosquitto
def test_why_a_camera_is_not_online_stays_as_long_as_it_is_not(broker: Broker, listener: Listener) -> None:
    output = connected(broker, listener)
    output.write([seen(1, 4), CameraChanged(ORIGIN, AT, "degraded", "no picture comes")])
    wait_for(lambda: listener.last.get("door/reason") == "no picture comes", "no reason")
    assert (listener.last["door/status"], listener.last["door/count/person"]) == ("degraded", "1")
    output.write([CameraChanged(ORIGIN, AT, "online", "")])
    wait_for(lambda: listener.last["door/reason"] == "", "the reason stays")
    late = Listener(broker.port)
    wait_for(lambda: len(late.last) == 3, "states are missing")
    assert late.last == {"status": "online", "door/status": "online", "door/count/person": "1"}
    late.close()
    output.close()


@needs_mosquitto
def test_home_assistant_is_told_before_the_first_state_and_once(broker: Broker, listener: Listener) -> None:
    output = connected(broker, listener, home_assistant=True)
    assistant = Listener(broker.port, "homeassistant/#")
    output.write([CameraChanged(ORIGIN, AT, "online", ""), seen(1, 4), seen(2), seen(3, 4)])
    output.write([ZoneChanged(ORIGIN, AT, "till", 4, "enter", 0.0, 3), CameraChanged(ORIGIN, AT, "stopped", "")])
    output.close()
    wait_for(lambda: listener.last.get("status") == "stopped", "no goodbye")
    wait_for(lambda: len(assistant.messages) >= 5, "not told")
    assert [topic for topic, _ in assistant.messages] == [
        "homeassistant/binary_sensor/nanotrack_door_status/config",
        "homeassistant/sensor/nanotrack_door_count_person/config",
        "homeassistant/binary_sensor/nanotrack_door_count_person_occupancy/config",
        "homeassistant/sensor/nanotrack_door_zone_till/config",
        "homeassistant/binary_sensor/nanotrack_door_zone_till_occupancy/config",
    ]
    for _, text in assistant.messages:
        assert json.loads(text)["state_topic"].removeprefix("nanotrack/") in listener.last
    late = Listener(broker.port, "homeassistant/#")
    wait_for(lambda: len(late.messages) == 5, "not retained")
    for each in (assistant, late):
        each.close()


@needs_mosquitto
def test_home_assistant_is_not_told_unless_asked_for(broker: Broker, listener: Listener) -> None:
    assistant = Listener(broker.port, "homeassistant/#")
    output = connected(broker, listener)
    output.write([CameraChanged(ORIGIN, AT, "online", "")])
    output.close()
    wait_for(lambda: listener.last.get("status") == "stopped", "no goodbye")
    assert assistant.messages == []
    assistant.close()


@needs_mosquitto
def test_zones_and_lines_are_numbers_on_topics_of_their_own(broker: Broker, listener: Listener) -> None:
    output = connected(broker, listener)
    output.write([ZoneChanged(ORIGIN, AT, "till", 4, "enter", 0.0, 3), LineCrossed(ORIGIN, AT, "way", 4, "out", 5, 2)])
    output.close()
    wait_for(lambda: listener.last.get("status") == "stopped", "no goodbye")
    numbers = {topic: text for topic, text in listener.last.items() if "/zone/" in topic or "/line/" in topic}
    assert numbers == {"door/zone/till": "3", "door/line/way/in": "5", "door/line/way/out": "2"}
    assert [json.loads(text)["event"] for text in listener.on("door/events")] == ["zone", "line"]


@needs_mosquitto
def test_states_are_retained_for_those_who_come_later(broker: Broker, listener: Listener) -> None:
    output = connected(broker, listener)
    output.write([CameraChanged(ORIGIN, AT, "online", ""), seen(1, 4)])
    wait_for(lambda: "door/count/person" in listener.last, "no count")
    late = Listener(broker.port)
    wait_for(lambda: len(late.last) == 3, "states are missing")
    assert late.last == {"status": "online", "door/status": "online", "door/count/person": "1"}
    late.close()
    output.close()


@needs_mosquitto
def test_a_broker_that_is_killed_hears_every_event_of_its_absence(tmp_path: Path) -> None:
    broker = Broker(tmp_path, f"allow_anonymous true\nuser root\npersistence true\npersistence_location {tmp_path}/")
    listener = Listener(broker.port, name="listener")
    output = connected(broker, listener)
    output.write([CameraChanged(ORIGIN, AT, "online", ""), seen(1, 4)])
    wait_for(lambda: len(listener.on("door/events")) == 2, "no events")
    before = set(listener.on("door/events"))
    broker.remember()  # whichever of the two is back first, what is sent to the listener waits for it
    broker.kill()
    wait_for(lambda: not output._client.is_connected(), "the loss is not noticed")
    with pytest.raises(LossError, match="events are kept, frames are lost") as caught:
        output.write([seen(2, 4, age=1), seen(3, 8, 9), Ended(ORIGIN, AT, 4, 2, "lost")])
    assert caught.value.lost == 2
    listener.messages.clear()
    broker.start()

    def heard() -> list[str]:
        """The new events, each once: QoS 1 is at least once, and the broker may have died before it said thanks."""
        return [text for text in dict.fromkeys(listener.on("door/events")) if text not in before]

    wait_for(lambda: len(heard()) == 3, "events are missing")
    wait_for(lambda: len({"status", "door/status", "door/count/person"} & set(listener.last)) == 3, "states missing")
    assert [json.loads(text)["event"] for text in heard()] == ["new", "new", "end"]
    wait_for(lambda: (listener.last["status"], listener.last["door/count/person"]) == ("online", "2"), "old states")
    output.close()
    listener.close()
    broker.kill()


@needs_mosquitto
def test_the_last_will_speaks_for_a_process_that_died(broker: Broker, listener: Listener) -> None:
    output = connected(broker, listener)
    output._client.socket().shutdown(socket.SHUT_RDWR)  # as the kernel does for a process that was killed
    output._client.loop_stop()
    wait_for(lambda: listener.last["status"] == "offline", "no last will")


@needs_mosquitto
def test_a_password_that_is_refused_is_said(tmp_path: Path) -> None:
    broker = Broker(tmp_path, "allow_anonymous false")
    (tmp_path / "mqtt").write_text("me:wrong")
    (tmp_path / "mqtt").chmod(0o600)
    output = MqttOutput(Mqtt("127.0.0.1", broker.port, credentials=str(tmp_path / "mqtt")))
    output.start()

    def refused() -> bool:
        with pytest.raises(LossError) as caught:
            output.write([seen(1)])
        return "it refuses the connection: " in str(caught.value) and "wrong" not in str(caught.value)

    wait_for(refused, "nothing is said")
    output.close()
    broker.kill()


def test_a_broker_that_was_never_there_costs_frames_and_no_time() -> None:
    queued = Queued("mqtt", MqttOutput(Mqtt("127.0.0.1", 1)))
    queued.start()
    started_s = time.monotonic()
    for number in range(100):
        queued.put(seen(number, 1))
    assert time.monotonic() - started_s < PATIENCE_S / 2  # it waits for nobody
    assert queued.close(PATIENCE_S)
    assert queued.dropped == 100
    assert "127.0.0.1:1" in queued.trouble


class SlowLink:
    """A proxy to a broker that passes `rate` bytes a second, and keeps little of what it was given."""

    def __init__(self, port: int, rate: int) -> None:
        self._rate, self._broker = rate, port
        self._sockets: list[socket.socket] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        self.port: int = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        for each in (self._server, *self._sockets):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            client, _ = self._server.accept()
            broker = socket.create_connection(("127.0.0.1", self._broker))
            self._sockets += [client, broker]
            threading.Thread(target=self._pass, args=(broker, client, None), daemon=True).start()
            self._pass(client, broker, self._rate)

    def _pass(self, source: socket.socket, sink: socket.socket, rate: int | None) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(512):
                sink.sendall(data)
                time.sleep(len(data) / rate if rate else 0)


@needs_mosquitto
def test_a_slow_link_gets_the_newest_frames_and_all_events(broker: Broker, listener: Listener) -> None:
    link = SlowLink(broker.port, rate=20_000)
    queued = Queued("mqtt", MqttOutput(Mqtt("127.0.0.1", link.port, update_s=0.0)))
    queued.start()
    wait_for(lambda: listener.last.get("status") == "online", "not online")
    shown = list(range(1, 21))
    last = 400
    for number in range(1, last + 1):  # 1.7 kB each, 680 kB in all
        queued.put(seen(number, *shown))
        if number % 100 == 0:
            queued.put(ZoneChanged(ORIGIN, AT, "till", number, "enter", 0.0, number))
        time.sleep(0.002)
    wait_for(lambda: listener.on("door/zone/till")[-1:] == [str(last)], "the newest state does not arrive")
    frames = "door/tracks"
    wait_for(lambda: [json.loads(text)["frame"] for text in listener.on(frames)][-1:] == [last], "the newest is lost")
    after = len(listener.on(frames))
    assert after < last / 2
    wait_for(lambda: len(listener.on("door/events")) == len(shown) + 4, "events are missing")
    queued.put(Ended(ORIGIN, AT, 1, 3, "lost"))
    wait_for(lambda: len(listener.on("door/events")) == len(shown) + 5, "the last event is missing")
    wait_for(lambda: queued.dropped == last - len(listener.on(frames)), "what was dropped is not counted")
    assert "the link is too slow" in queued.trouble
    queued.close(10)
    link.close()


@needs_mosquitto
def test_names_of_classes_are_one_level_of_a_topic(broker: Broker, listener: Listener) -> None:
    origin = Origin("r1", "door", ["person #1", "a/b+c", "100%"])
    shown = tracks(1, 2, 3)
    shown.classes[:] = [0, 1, 2]
    output = connected(broker, listener, home_assistant=True)
    output.write([Observed(origin, AT, 1, (128, 96), shown, [0, 0, 0])])
    output.close()
    wait_for(lambda: listener.last.get("status") == "stopped", "no goodbye")
    counts = {topic for topic in listener.last if topic.startswith("door/count/")}
    assert counts == {"door/count/person %231", "door/count/a%2Fb%2Bc", "door/count/100%25"}


@pytest.mark.parametrize("name", ["", "\x00", "a\udcffb", "#", "+/#", "\x1b[2J"])
def test_any_name_is_a_level_that_a_broker_takes(name: str) -> None:
    level = topic_level(name)
    assert level
    assert not set(level) & set("+#/\x00")
    level.encode("utf-8")


def test_a_certificate_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"ca\.pem: expected the broker's CA certificate"):
        MqttOutput(Mqtt("h", tls=True, ca_file=str(tmp_path / "ca.pem")))


def states(
    name: str = "door", zones: tuple[str, ...] = ("till",), classes: tuple[str, ...] = ("person",), **more: Any
) -> CameraStates:
    """A camera with zones and the line "way", which 7 people have crossed."""
    ways: tuple[Direction, ...] = ("in", "out")
    lines = {("way", way, class_): 7 * (way == "in" and class_ == "person") for way in ways for class_ in classes}
    people = {(zone, class_): 0 for zone in zones for class_ in classes}
    return CameraStates(name, "connecting", classes, people, lines, more.get("has_snapshots", False))


def configured(broker: Broker, listener: Listener, *cameras: CameraStates, **settings: Any) -> MqttOutput:
    output = MqttOutput(Mqtt("127.0.0.1", broker.port, **settings), lambda: cameras)
    output.start()
    wait_for(lambda: listener.last.get("status") == "online", "not online")
    return output


def retained(broker: Broker, topics: str = "nanotrack/#") -> dict[str, str]:
    """What the broker tells somebody new."""
    late = Listener(broker.port, topics)
    time.sleep(0.3)
    late.close()
    return late.last


def die(output: MqttOutput) -> None:
    """As when the process is killed."""
    output._client.socket().shutdown(socket.SHUT_RDWR)
    output._client.loop_stop()
    output._outbox.close()


@needs_mosquitto
def test_every_state_is_there_before_anything_happens(broker: Broker, listener: Listener) -> None:
    output = configured(broker, listener, states(classes=("person", "car")))
    wait_for(lambda: "door/line/way/out/car" in listener.last, "no states")
    found = retained(broker)
    assert found == {
        "status": "online", "door/status": "connecting", "door/count/person": "0", "door/count/car": "0",
        "door/zone/till": "0", "door/zone/till/person": "0", "door/zone/till/car": "0", "door/line/way/in": "7",
        "door/line/way/out": "0", "door/line/way/in/person": "7", "door/line/way/out/person": "0",
        "door/line/way/in/car": "0", "door/line/way/out/car": "0",
    }  # fmt: skip
    output.write([ZoneChanged(ORIGIN, AT, "till", 4, "enter", 0.0, 3, "car", 2)])
    output.write([LineCrossed(ORIGIN, AT, "way", 4, "out", 7, 1, "car", 0, 1)])
    output.close()
    wait_for(lambda: listener.last.get("status") == "stopped", "no goodbye")
    numbers = ("door/zone/till", "door/zone/till/car", "door/zone/till/person", "door/line/way/out/car")
    assert [listener.last[topic] for topic in numbers] == ["3", "2", "0", "1"]


@needs_mosquitto
def test_what_a_killed_process_left_is_put_right_or_removed(broker: Broker, listener: Listener) -> None:
    first = configured(broker, listener, states(zones=("till", "shelf")), states("yard"), home_assistant=True)
    first.write([seen(1, 4), ZoneChanged(ORIGIN, AT, "till", 4, "enter", 0.0, 3)])
    first.write([CameraChanged(ORIGIN, AT, "degraded", "no picture comes")])
    wait_for(lambda: listener.last.get("door/reason") == "no picture comes", "no reason")
    wait_for(lambda: len(retained(broker, "nanotrack/retained")) == 0 and first._is_swept, "no record")
    assistant = Listener(broker.port, "homeassistant/#")
    wait_for(lambda: any("yard" in topic for topic, _ in assistant.messages), "not announced")
    wait_for(lambda: first._outbox.drain(0.1), "not sent")
    die(first)
    wait_for(lambda: listener.last["status"] == "offline", "no last will")
    second = configured(broker, listener, states(), home_assistant=True)
    wait_for(lambda: retained(broker).get("door/zone/till") == "0", "the old count stays")
    wait_for(lambda: not any("yard" in topic or "shelf" in topic for topic in retained(broker)), "the old zone stays")
    found = retained(broker)
    assert (found["door/count/person"], found["door/status"]) == ("0", "connecting")
    assert "door/reason" not in found
    wait_for(lambda: not any("yard" in topic for topic in retained(broker, "homeassistant/#")), "still announced")
    announced = retained(broker, "homeassistant/#")
    assert not any("shelf" in topic for topic in announced)
    assert len([topic for topic in announced if "till" in topic]) == 2
    assistant.close()
    second.close()


@needs_mosquitto
def test_what_a_reload_takes_away_disappears_and_the_rest_keeps_its_numbers(broker: Broker, listener: Listener) -> None:
    now: list[tuple[CameraStates, ...]] = [(states(zones=("till", "shelf"), has_snapshots=True), states("yard"))]
    output = MqttOutput(Mqtt("127.0.0.1", broker.port, home_assistant=True), lambda: now[0])
    output.start()
    wait_for(lambda: "yard/line/way/out" in listener.last, "no states")
    output.write([seen(1, 4), ZoneChanged(ORIGIN, AT, "till", 4, "enter", 0.0, 3)])
    output.write([FileSaved(ORIGIN, AT, 4, "a.jpg", b"\xff\xd8picture")])
    wait_for(lambda: "door/snapshot" in retained(broker), "no picture")
    now[0] = (states(),)
    gone = Origin("r2", "yard", ["person"])
    late = FileSaved(ORIGIN, AT, 7, "late.jpg", b"\xff\xd8picture")  # it was being drawn during the reload
    output.write([CameraChanged(gone, AT, "stopped", ""), late, seen(2, 4, 7, age=1)])
    wait_for(lambda: listener.last.get("door/count/person") == "2", "no count")
    found = {**retained(broker), **retained(broker, "homeassistant/#")}
    assert not any(word in topic for topic in found for word in ("yard", "shelf", "snapshot"))
    assert found["door/zone/till"] == "3"
    output.close()


@needs_mosquitto
def test_the_newest_picture_is_an_image_on_a_topic_of_its_own(broker: Broker, listener: Listener) -> None:
    output = configured(broker, listener, states(has_snapshots=True), home_assistant=True)
    jpeg = bytes(range(256)) * 500
    output.write([FileSaved(ORIGIN, AT, 4, "a.jpg", b"first"), FileSaved(ORIGIN, AT, 7, "b.jpg", jpeg)])
    output.write([FileSaved(ORIGIN, AT, None, "c.webm", b"")])
    wait_for(lambda: listener.last.get("door/snapshot", "").encode("latin-1") == jpeg, "no picture")
    assert retained(broker)["door/snapshot"].encode("latin-1") == jpeg
    output.close()
    wait_for(lambda: listener.last.get("status") == "stopped", "no goodbye")
    events = [json.loads(text) for text in listener.on("door/events")]
    assert [(event["event"], event["file"]) for event in events] == [
        ("file", "a.jpg"), ("file", "b.jpg"), ("file", "c.webm"),
    ]  # fmt: skip
    (text,) = [text for topic, text in retained(broker, "homeassistant/#").items() if "/image/" in topic]
    assert json.loads(text)["image_topic"] == "nanotrack/door/snapshot"


@needs_mosquitto
@pytest.mark.parametrize("record", ["", "no JSON", "{}", "3", '[1, null, "nanotrack/x", "a/#", "b"]', "[" * 100_000])
def test_a_record_that_is_none_is_harmless(broker: Broker, listener: Listener, record: str) -> None:
    other = paho.Client(paho.CallbackAPIVersion.VERSION2)
    other.connect("127.0.0.1", broker.port)
    other.loop_start()
    other.publish("nanotrack/retained", record, qos=1, retain=True).wait_for_publish(PATIENCE_S)
    output = configured(broker, listener, states())
    wait_for(lambda: output._is_swept, "it is not read")
    wait_for(lambda: retained(broker).get("door/zone/till") == "0", "no states")
    output.close()
    other.disconnect()
    other.loop_stop()
