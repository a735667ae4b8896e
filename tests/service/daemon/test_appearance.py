"""The daemon goes by appearance where its configuration asks for it and the pack can."""

import base64
import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge import modelpack
from edge.cli import main
from edge.errors import UsageError
from edge.service.daemon import Daemon
from edge.settings import config
from tests import tiny
from tests.field import PATIENCE_S, Broker, needs_mosquitto
from tests.service.daemon.setups import camera, cycle_until, lines, of, write_config
from tests.sinks.schema import lines_of

EMA = '[tracking]\nmethod = "bytetrack"\nappearance = "ema"\n'


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pack with an appearance network."""
    return tiny.write_pack(tmp_path_factory.mktemp("packs") / "reid.pack", reid=True)


def shares(path: Path) -> list[float]:
    """Of all embeddings that could be computed, how many are, by camera, until the recordings end."""
    daemon = Daemon(config.load(path))
    cycle_until(daemon, lambda: daemon.is_finished)
    daemon.close()
    return [stream.chain.reid.counter.share for stream in daemon.streams if stream.chain.reid is not None]


@pytest.mark.parametrize(("reid", "least", "most"), [("always", 1, 1), ("auto", 0.01, 0.3), ("never", 0, 0)])
def test_embeddings_are_computed_as_the_policy_says(
    pack: Path, tiny_video: Path, tmp_path: Path, reid: str, least: float, most: float
) -> None:
    cameras = [camera("a", tiny_video), camera("b", tiny_video)]
    found = shares(write_config(tmp_path, pack, *cameras, more=f'{EMA}reid = "{reid}"\n'))
    assert len(found) == 2
    assert [least <= share <= most for share in found] == [True, True], found


@pytest.mark.parametrize("method", ["nanotrack", "bytetrack", "sparsetrack", "qdtrack"])
def test_methods_see_what_they_see_outside_of_the_daemon(
    pack: Path, tiny_video: Path, tmp_path: Path, method: str
) -> None:
    """The fifth method wants a joint network: tests/service/daemon/test_joint.py."""
    path = write_config(tmp_path, pack, camera("a", tiny_video), more=f'[tracking]\nmethod = "{method}"\n')
    assert main(["check", "--config", str(path)]) == 0
    daemon = Daemon(config.load(path))
    cycle_until(daemon, lambda: daemon.is_finished)
    daemon.close()
    alone = tmp_path / "alone.jsonl"
    flags = ["--model", str(pack), "--tracking-method", method, "--jsonl", str(alone)]
    assert main(["track", "--path", str(tiny_video), *flags]) == 0
    outside = [line["tracks"] for line in lines_of(alone) if "frame" in line]
    assert [line["tracks"] for line in of(lines(tmp_path), "a", "frame")] == outside
    assert [len(tracks) > 2 for tracks in outside] == [True] * 30


def test_without_being_asked_for_appearance_costs_nothing(pack: Path, tiny_video: Path, tmp_path: Path) -> None:
    daemon = Daemon(config.load(write_config(tmp_path, pack, camera("a", tiny_video))))
    daemon.close()
    assert daemon.embedder is None
    assert [network.network for network in daemon.snapshot.networks] == ["detector"]


def test_cameras_share_one_appearance_network_and_a_reload_can_turn_it_off(
    pack: Path, tiny_video: Path, tmp_path: Path
) -> None:
    cameras = [camera(name, tiny_video, loop=True) for name in ("a", "b")]
    daemon = Daemon(config.load(write_config(tmp_path, pack, *cameras, more=EMA)))
    assert [network.network for network in daemon.snapshot.networks] == ["detector", "reid"]
    assert {id(stream.chain.reid.embedder) for stream in daemon.streams if stream.chain.reid} == {id(daemon.embedder)}
    daemon.reload(config.load(write_config(tmp_path, pack, *cameras)))
    assert daemon.embedder is None
    assert all(stream.chain.reid is None for stream in daemon.streams)
    daemon.close()


def test_a_pack_without_an_appearance_network_is_refused_by_check_and_by_serve(
    tiny_pack: Path, tiny_video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_config(tmp_path, tiny_pack, camera("a", tiny_video), more=EMA)
    assert main(["check", "--config", str(path)]) == 78
    assert "tracking: " in (said := capsys.readouterr().err)
    assert "no appearance network" in said
    with pytest.raises(UsageError, match="has no appearance network"):
        Daemon(config.load(path))


@needs_mosquitto
def test_embeddings_go_to_the_broker_alone_and_only_where_asked_for(
    pack: Path, tiny_video: Path, tmp_path: Path
) -> None:
    paho = pytest.importorskip("paho.mqtt.client")
    broker = Broker(tmp_path)
    heard: list[tuple[str, dict[str, Any]]] = []
    listening = threading.Event()
    client = paho.Client(paho.CallbackAPIVersion.VERSION2)
    client.on_message = lambda client, data, message: heard.append((message.topic, json.loads(message.payload)))
    client.on_subscribe = lambda *rest: listening.set()
    client.connect("127.0.0.1", broker.port)
    client.subscribe("board/+/appearance", qos=1)
    client.loop_start()
    assert listening.wait(PATIENCE_S)
    try:
        for asked in (False, True):
            mqtt = f'[mqtt]\nhost = "127.0.0.1"\nport = {broker.port}\nprefix = "board"\n'
            mqtt += f"appearance = {str(asked).lower()}\n"
            more = EMA.replace("[tracking]\n", '[tracking]\nreid = "always"\n') + mqtt
            daemon = Daemon(config.load(write_config(tmp_path, pack, camera("a", tiny_video, loop=True), more=more)))
            cycle_until(daemon, lambda daemon=daemon: daemon.streams[0].tracked > 20)  # type: ignore[misc]
            if asked:
                cycle_until(daemon, lambda: any(event["stage"] == "known" for _, event in heard))
            daemon.close()
            assert asked or not heard
    finally:
        client.loop_stop()
        client.disconnect()
        broker.kill()
    topic, event = next((topic, event) for topic, event in heard if event["stage"] == "known")
    assert topic == "board/a/appearance"
    vector = np.frombuffer(base64.b64decode(event["embedding"]), "<f2").astype(np.float32)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=2e-3)
    reid = modelpack.read(pack).reid
    assert reid is not None
    assert (len(vector), event["network"]) == (reid.embedding, reid.source.sha256)
    assert event["event_id"] == f"{event['run']}-{event['id']}-{event['stay']}-known"
    assert event["first_utc"] <= event["last_utc"] == event["t_utc"]
    assert not [line for line in lines_of(tmp_path / "tracks.jsonl") if line.get("event") == "appearance"]


def test_embeddings_for_the_broker_that_nothing_computes_are_a_mistake(
    pack: Path, tiny_video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mqtt = '[mqtt]\nhost = "127.0.0.1"\nappearance = true\n'
    path = write_config(tmp_path, pack, camera("a", tiny_video), more=mqtt)
    assert main(["check", "--config", str(path)]) == 78
    assert 'nothing computes embeddings; set appearance = "ema"' in capsys.readouterr().err
    with pytest.raises(UsageError, match="nothing computes embeddings"):
        Daemon(config.load(path))
