"""A whole daemon, a broker and Home Assistant itself: what its owner sees there, also after the daemon was killed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import tiny
from tests.field import PATIENCE_S, Broker, Manager, Served, needs_mosquitto, wait_for
from tests.service.daemon.setups import camera, write_config
from tests.sinks.home_assistant import HomeAssistant, needs_home_assistant

ZONE = '[[camera.zone]]\nname = "left"\npoints = [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]\n'
LINE = '[[camera.line]]\nname = "gate"\npoints = [[0.5, 0], [0.5, 1]]\n'
ALWAYS = {
    "binary_sensor.shop_connection",
    "sensor.shop_person_count",
    "binary_sensor.shop_person_occupancy",
    "sensor.shop_line_gate_in",
    "sensor.shop_line_gate_out",
}
OF_ZONE = {"sensor.shop_zone_left", "binary_sensor.shop_zone_left_occupancy"}


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    broker = Broker(tmp_path)
    yield broker
    broker.kill()


@pytest.fixture
def home(tmp_path: Path, broker: Broker) -> Iterator[HomeAssistant]:
    home = HomeAssistant(tmp_path / "home", broker.port)
    yield home
    home.close()


def configured(folder: Path, pack: Path, port: int, areas: str, more: str = "") -> Path:
    video = tiny.write_video(folder / "squares.mp4", frames=60, rate=15.0, size=(192, 128))
    mqtt = f'[mqtt]\nhost = "127.0.0.1"\nport = {port}\nhome_assistant = true\n'
    path = write_config(folder, pack, camera("shop", video, loop=True), more=mqtt + more)
    path.write_text(path.read_text().replace("[jsonl]", areas + "[jsonl]"))
    return path


@pytest.mark.slow
@needs_mosquitto
@needs_home_assistant
def test_what_the_daemon_sees_is_in_home_assistant(
    tiny_pack: Path, tmp_path: Path, broker: Broker, home: HomeAssistant
) -> None:
    pictures = tmp_path / "pictures"
    snapshots = f'[snapshots]\nfolder = "{pictures}"\non = ["new", "zone"]\nfree_mib = 0\n'
    manager = Manager(tmp_path / "notify")
    served = Served(configured(tmp_path, tiny_pack, broker.port, ZONE + LINE, snapshots), manager)
    try:
        served.hear("READY=1", 4 * PATIENCE_S)
        everything = ALWAYS | OF_ZONE | {"image.shop_snapshot"}
        wait_for(lambda: everything <= home.entities("shop").keys(), "not all entities appear")
        # One device, with all of them.
        device = "device_id('sensor.shop_person_count')"
        assert home.render(f"{{{{ device_attr({device}, 'manufacturer') }}}}") == "nanotrack-edge"
        assert everything == set(home.render(f"{{{{ device_entities({device}) | join(' ') }}}}").split())
        # Counts and occupancy, the connection, the picture.
        wait_for(lambda: home.entities("shop")["binary_sensor.shop_connection"] == "on", "not connected")
        wait_for(
            lambda: home.entities("shop")["binary_sensor.shop_zone_left_occupancy"] == "on", "nobody is in the zone"
        )
        wait_for(lambda: float(home.entities("shop")["sensor.shop_person_count"]) >= 1, "nobody is counted")
        assert home.entities("shop")["sensor.shop_line_gate_in"].isdigit()
        wait_for(lambda: home.entities("shop")["image.shop_snapshot"] not in ("unknown", "unavailable"), "no picture")
        jpeg = home.ask("/api/image_proxy/image.shop_snapshot")
        wait_for(lambda: jpeg in [path.read_bytes() for path in pictures.glob("*/*.jpg")], "it is another picture")
        # Killed: nothing is believed any more.
        served.kill()
        wait_for(lambda: set(home.entities("shop").values()) == {"unavailable"}, "it is not noticed")
        # Back without the zone and the pictures: they are gone, and the rest is there again.
        served = Served(configured(tmp_path, tiny_pack, broker.port, LINE), manager)
        served.hear("READY=1", 4 * PATIENCE_S)
        wait_for(lambda: home.entities("shop").get("binary_sensor.shop_connection") == "on", "not connected again")
        wait_for(lambda: home.entities("shop").keys() == ALWAYS, "what is not configured stays")
        wait_for(lambda: float(home.entities("shop")["sensor.shop_person_count"]) >= 1, "nobody is counted")
        assert served.stop()[0] == 0
        wait_for(lambda: set(home.entities("shop").values()) == {"unavailable"}, "it is not noticed")
    finally:
        served.kill()
        manager.close()
