"""The fleet as a process on a real broker with logins: what it publishes, what survives kill -9 of every part."""

import contextlib
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.endurance.walkers import Said, Walkers
from edge.cli import main
from edge.settings.config import Mqtt
from edge.sinks.mqtt import MqttOutput
from tests.field import PATIENCE_S, Broker, free_port, needs_mosquitto, wait_for
from tests.fleet.test_message import embedded

paho = pytest.importorskip("paho.mqtt.client")
pytestmark = needs_mosquitto

LOGINS = {"fleet": "who is where", "till": "I am a board", "watch": "only looking"}


def broker_with_logins(folder: Path) -> Broker:
    """mosquitto that knows `LOGINS`, lets each board write below its own name only, and remembers at once."""
    passwords = folder / "passwords"
    passwords.touch(mode=0o600)
    for user, password in LOGINS.items():
        subprocess.run(["mosquitto_passwd", "-b", str(passwords), user, password], check=True, capture_output=True)
    acl = folder / "acl"
    acl.write_text("user fleet\ntopic readwrite #\nuser watch\ntopic readwrite #\npattern write site/%u/#\n")
    acl.chmod(0o600)
    more = [
        "allow_anonymous false",
        f"password_file {passwords}",
        f"acl_file {acl}",
        "user root",
        "persistence true",
        f"persistence_location {folder}/",
        "autosave_on_changes true",
        "autosave_interval 1",
        "max_queued_messages 0",
    ]
    return Broker(folder, "\n".join(more))


class Client:
    """A client of the broker that hears `topics` and may publish; `heard` are topics and texts in order."""

    def __init__(self, port: int, user: str, topics: str = "") -> None:
        self.heard: list[tuple[str, str]] = []
        ready = threading.Event()
        self._client = paho.Client(
            paho.CallbackAPIVersion.VERSION2, client_id=f"test-{user}-{topics}", clean_session=not topics
        )
        self._client.username_pw_set(user, LOGINS[user])
        self._client.on_message = lambda client, data, message: self.heard.append(
            (message.topic, message.payload.decode())
        )
        self._client.reconnect_delay_set(1, 1)

        def on_connect(client: Any, *rest: Any) -> None:
            if topics:
                client.subscribe(topics, qos=1)
            else:
                ready.set()

        self._client.on_connect = on_connect
        self._client.on_subscribe = lambda *rest: ready.set()
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert ready.wait(PATIENCE_S)

    def publish(self, topic: str, payload: bytes, retain: bool = False) -> None:
        self._client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(PATIENCE_S)

    def on(self, topic: str) -> list[str]:
        return [text for name, text in self.heard if name == topic]

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


class Process:
    """`nanotrack fleet` in `folder`, with a page; `kill` is kill -9."""

    def __init__(self, folder: Path, broker_port: int, more: str = "") -> None:
        self.port = free_port()
        self.path = folder / "fleet.db"
        secret = folder / "secret"
        secret.touch(mode=0o600)
        secret.write_text(f"fleet:{LOGINS['fleet']}")
        self.config = folder / "fleet.toml"
        self.config.write_text(
            f'[mqtt]\nhost = "127.0.0.1"\nport = {broker_port}\ncredentials = "{secret}"\nhome_assistant = true\n'
            f'[state]\npath = "{self.path}"\n[association]\nwindow_s = 2.0\n[web]\nport = {self.port}\n{more}'
        )
        self.log = folder / "fleet.log"
        self.start()

    def start(self) -> None:
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "edge.cli", "fleet", "--config", str(self.config)], stderr=log, env=os.environ
            )
        wait_for(lambda: self.status().get("state") == "running", f"the fleet does not run: {self.log.read_text()}")

    def status(self) -> dict[str, Any]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/status.json", timeout=5) as answer:
                return dict(json.loads(answer.read()))
        except OSError:
            return {}

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def counts(self) -> dict[str, int]:
        with sqlite3.connect(f"file:{self.path}?mode=ro", uri=True) as database:
            return dict(database.execute("SELECT name, count FROM counts"))


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    broker = broker_with_logins(tmp_path)
    yield broker
    broker.kill()


@pytest.fixture
def fleet(broker: Broker, tmp_path: Path) -> Iterator[Process]:
    process = Process(tmp_path, broker.port)
    yield process
    process.kill()


def messages(count: int, seed: int = 0) -> list[Said]:
    """What boards say of people in the last minutes, until now."""
    now_s = time.time()
    said = list(Walkers(2, 2, 0.3, seed=seed).messages(now_s - 200, now_s - 100))
    return [each for each in said if each.time_s < now_s][:count]


def test_a_board_of_ours_is_seen_and_answered(broker: Broker, fleet: Process, tmp_path: Path) -> None:
    watch = Client(broker.port, "watch", "#")
    secret = tmp_path / "board"
    secret.touch(mode=0o600)
    secret.write_text(f"till:{LOGINS['till']}")
    board = MqttOutput(Mqtt("127.0.0.1", broker.port, prefix="site/till", credentials=str(secret), appearance=True))
    board.start()
    wait_for(lambda: "online" in watch.on("site/till/status"), "the board is not online")
    board.write([embedded()])
    wait_for(lambda: bool(watch.on("site/fleet/identities")), "no identity")
    told = json.loads(watch.on("site/fleet/identities")[0])
    assert (told["board"], told["camera"], told["run"], told["id"], told["stay"]) == ("till", "door", "r1", 4, 1)
    assert (told["global_id"], told["before"]) == (1, None)
    wait_for(lambda: bool(watch.on("site/fleet/till/door/people")), "nobody is told to be there")
    here = json.loads(watch.on("site/fleet/till/door/people")[-1])
    assert (here["count"], [person["global_id"] for person in here["people"]]) == (1, [1])
    assert watch.on("site/fleet/people")[-1] == "1"
    topic = "homeassistant/sensor/site_fleet_till_door/config"
    wait_for(lambda: bool(watch.on(topic)), "Home Assistant is not told")
    assert json.loads(watch.on(topic)[0])["json_attributes_topic"] == "site/fleet/till/door/people"
    wait_for(lambda: bool(fleet.status()["boards"]), "not on the page")
    (shown,) = fleet.status()["boards"]
    assert (shown["name"], shown["state"], shown["cameras"][0]["name"]) == ("till", "online", "door")

    def cameras() -> list[str]:
        return [camera["name"] for camera in fleet.status()["boards"][0]["cameras"]]

    for text, there in (("online", ["door", "yard"]), ("", ["door"])):  # a camera that comes, and is taken out again
        watch.publish("site/till/yard/status", text.encode(), retain=True)
        wait_for(lambda there=there: cameras() == there, f"the page has {cameras()}")  # type: ignore[misc]
    board.write([embedded(stage="end", embedding=None)])
    wait_for(lambda: watch.on("site/fleet/people")[-1] == "0", "still there")
    board.close()
    fleet.process.send_signal(signal.SIGTERM)
    assert fleet.process.wait(PATIENCE_S) == 0
    wait_for(lambda: watch.on("site/fleet/status")[-1] == "stopped", "no goodbye")
    watch.close()


def test_the_broker_lets_no_board_speak_for_another(broker: Broker, fleet: Process) -> None:
    watch = Client(broker.port, "watch", "site/#")
    good = messages(1)[0]
    camera = good.topic.split("/")[2]
    for topic in (f"site/other/{camera}/appearance", "site/fleet/identities", f"site/till/{camera}/appearance"):
        board = Client(broker.port, "till")
        with contextlib.suppress(RuntimeError):  # some brokers hang up on who may not
            board.publish(topic, good.payload)
        board.close()
    wait_for(lambda: bool(watch.on("site/fleet/identities")), "no identity")
    assert [json.loads(text)["board"] for text in watch.on("site/fleet/identities")] == ["till"]
    assert not watch.on(f"site/other/{camera}/appearance")
    watch.close()


@pytest.mark.slow
def test_nothing_is_lost_or_doubled_when_the_fleet_is_killed(broker: Broker, fleet: Process) -> None:
    watch = Client(broker.port, "watch", "site/fleet/#")
    said = messages(60)
    for number, each in enumerate(said):
        if number in (15, 40):
            fleet.kill()
        watch.publish(each.topic, each.payload)
        if number in (25, 45):
            fleet.start()
    stays = {json.loads(each.payload)["id"] for each in said if b'"known"' in each.payload}
    wait_for(lambda: fleet.counts().get("events", 0) + fleet.counts().get("ends alone", 0) >= len(said), "lost")
    assert fleet.counts()["events"] == len(said)

    def told() -> dict[int, list[dict[str, Any]]]:
        found: dict[int, dict[str, dict[str, Any]]] = {}
        for text in watch.on("site/fleet/identities"):
            event = json.loads(text)
            found.setdefault(event["id"], {})[event["event_id"]] = event
        return {id_: list(events.values()) for id_, events in found.items()}

    wait_for(lambda: stays <= set(told()), "an identity was never told")
    assert all([event["before"] for event in events].count(None) == 1 for events in told().values())
    with sqlite3.connect(f"file:{fleet.path}?mode=ro", uri=True) as database:
        rows = database.execute("SELECT count(*), count(DISTINCT id), min(person) FROM tracklets").fetchone()
    assert rows[0] == rows[1]
    assert rows[2] >= 1
    watch.close()


@pytest.mark.parametrize("command", [["fleet", "--check"], ["check"]])
def test_check_finds_every_mistake(command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "fleet.toml"
    command += ["--config", str(path)]
    (tmp_path / "file").touch()
    path.write_text(
        '[mqtt]\nhost = "127.0.0.1"\ncredentials = "/nowhere/secret"\n[state]\n'
        f'path = "{tmp_path}/file/fleet.db"\n[web]\naddress = "127.0.0.1"\ncredentials = "/nowhere/web"\n'
        "[association]\nwindow = 3\n"
    )
    assert main(command) == 78
    said = capsys.readouterr().err
    assert "4 to correct" in said
    for line, part in (
        (3, "mqtt: /nowhere/secret"),
        (5, f"state.path: fleet state {tmp_path}/file/fleet.db"),
        (8, "web: /nowhere/web"),
        (10, "association.window: unknown key"),
    ):
        assert re.search(rf"^  {path}:{line}:\d+: {part}", said, re.MULTILINE), said
    path.write_text(f'[mqtt]\nhost = "127.0.0.1"\n[state]\npath = "{tmp_path}/fleet.db"\n')
    assert main(command) == 0
    assert capsys.readouterr().out == f"{path}: ready to serve site\n"
    assert not (tmp_path / "fleet.db").exists()


def test_check_is_ready_exactly_when_the_fleet_would_start(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Another program's database, another program at the port; a folder that the fleet makes is no mistake."""
    path, port = tmp_path / "fleet.toml", free_port()
    path.write_text(
        f'[mqtt]\nhost = "127.0.0.1"\n[state]\npath = "{tmp_path}/made/later/fleet.db"\n[web]\nport = {port}\n'
    )
    assert main(["check", "--config", str(path)]) == 0
    foreign = tmp_path / "foreign.db"
    with contextlib.closing(sqlite3.connect(foreign)) as database:
        database.execute("CREATE TABLE a (b)")
    path.write_text(f'[mqtt]\nhost = "127.0.0.1"\n[state]\npath = "{foreign}"\n[web]\nport = {port}\n')
    with socket.create_server(("127.0.0.1", port)):
        for command, code in ((["check"], 78), (["fleet", "--check"], 78), (["fleet"], 78)):
            capsys.readouterr()
            assert main([*command, "--config", str(path)]) == code
            said = capsys.readouterr().err
            assert "2 to correct" in said
            assert "database of another program" in said
            assert "another program does" in said
