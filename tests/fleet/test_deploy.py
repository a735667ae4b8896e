"""The files that come with the package, as the programs see them that they are for."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

import edge
from edge.fleet import settings
from edge.fleet.pages import Pages
from tests.field import MOSQUITTO, Broker, free_port, needs_mosquitto

FOLDER = Path(edge.__file__).with_name("deploy") / "fleet"
needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")


def test_the_commented_configuration_is_one_and_shows_the_defaults(tmp_path: Path) -> None:
    text = (FOLDER / "fleet.toml").read_text()
    as_it_is = settings.load(FOLDER / "fleet.toml")
    kept = {"credentials", "certificate", "key", "ca_file", "tls"}
    shown = []
    for line in text.splitlines():
        found = re.match(r"# (\w+) = ", line)
        shown.append(
            line[2:] if found and found[1] not in kept | {"start", "end", "least_s", "most_s", "cameras"} else line
        )
    path = tmp_path / "fleet.toml"
    path.write_text("\n".join(shown))
    assert path.read_text() != text
    assert settings.load(path) == as_it_is
    uncommented = re.sub(r"(?m)^# (\[\[\w+\]\]|(?:start|end|least_s|most_s|cameras) = )", r"\1", text)
    path.write_text(uncommented)
    full = settings.load(path)
    assert (full.transit[0].most_s, full.overlap[0].cameras) == (120.0, ("till/door", "till/hall"))


@needs_systemd
def test_systemd_finds_nothing_to_say_about_the_unit(tmp_path: Path) -> None:
    unit = FOLDER / "nanotrack-fleet.service"
    copy = tmp_path / unit.name
    copy.write_text(re.sub(r"(?m)^ExecStart=\S+", "ExecStart=/bin/true", unit.read_text()))
    command = ["systemd-analyze", "verify", "--recursive-errors=no", "--man=no", str(copy)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.stdout + done.stderr == ""


def broker_files(folder: Path) -> None:
    """A certificate, a password of each and the list of who may what."""
    certificate = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    certificate += ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    certificate += ["-keyout", str(folder / "server.key"), "-out", str(folder / "server.pem")]
    subprocess.run(certificate, check=True, capture_output=True)
    (folder / "passwords").touch(mode=0o600)
    for user in ("fleet", "till", "yard"):
        command = ["mosquitto_passwd", "-b", str(folder / "passwords"), user, f"{user} secret"]
        subprocess.run(command, check=True, capture_output=True)
    shutil.copy(FOLDER / "acl", folder / "acl")
    (folder / "acl").chmod(0o600)


@needs_mosquitto
@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_mosquitto_starts_with_the_configuration_and_keeps_boards_apart(tmp_path: Path) -> None:
    paho = pytest.importorskip("paho.mqtt.client")
    broker_files(tmp_path)
    tls_port = free_port()
    text = (FOLDER / "mosquitto.conf").read_text()
    text = text.replace("/mosquitto/config/", f"{tmp_path}/").replace("/mosquitto/data/", f"{tmp_path}/")
    text = text.replace("listener 8883", f"listener {tls_port} 127.0.0.1").replace("listener 1883 127.0.0.1\n", "")
    broker = Broker(tmp_path, text + "\nuser root\n")
    heard: list[str] = []

    def client(user: str) -> Any:
        made = paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        made.username_pw_set(user, f"{user} secret")
        made.tls_set(str(tmp_path / "server.pem"))
        made.on_message = lambda client, data, message: heard.append(message.topic)
        made.connect("127.0.0.1", tls_port)
        made.loop_start()
        return made

    fleet, till = client("fleet"), client("till")
    try:
        _, mid = fleet.subscribe("site/#", qos=1)
        for topic in ("site/yard/cam/appearance", "site/fleet/identities", "site/till/cam/appearance"):
            till.publish(topic, "x", qos=1).wait_for_publish(30)
        fleet.publish("site/fleet/people", "1", qos=1).wait_for_publish(30)
        for _ in range(600):
            if "site/fleet/people" in heard:
                break
            fleet.publish("site/fleet/people", "1", qos=1).wait_for_publish(30)
        assert set(heard) == {"site/till/cam/appearance", "site/fleet/people"}
        assert mid
    finally:
        for each in (fleet, till):
            each.disconnect()
            each.loop_stop()
        broker.kill()


@needs_mosquitto
def test_mosquitto_takes_the_bridge(tmp_path: Path) -> None:
    assert MOSQUITTO is not None
    text = (FOLDER / "bridge.conf").read_text().replace("listener 1883 127.0.0.1", "")
    text = text.replace("/var/lib/mosquitto/", f"{tmp_path}/").replace("broker.example:8883", "127.0.0.1:1")
    ca = tmp_path / "ca.pem"
    ca.write_text("")
    broker = Broker(tmp_path, text.replace("/etc/mosquitto/ca.pem", str(ca)) + "\nuser root\n")
    assert broker.process.poll() is None
    broker.kill()


def test_the_compose_file_names_files_that_are_there() -> None:
    compose = yaml.safe_load((FOLDER / "compose.yaml").read_text())
    assert set(compose["services"]) == {"mosquitto", "fleet", "prometheus", "grafana"}
    made_by_the_user = {"passwords", "server.pem", "server.key"}
    for service in compose["services"].values():
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            if source.startswith("./"):
                assert (FOLDER / source).is_file() or source[2:] in made_by_the_user
            else:
                assert source in compose["volumes"]
        assert set(service.get("secrets", ())) <= set(compose["secrets"])
    for name in ("grafana-datasource.yml", "grafana-dashboards.yml", "prometheus.yml"):
        assert yaml.safe_load((FOLDER / name).read_text())


@needs_promtool
def test_prometheus_takes_its_configuration() -> None:
    done = subprocess.run(
        ["promtool", "check", "config", str(FOLDER / "prometheus.yml")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_dashboard_asks_for_metrics_that_there_are() -> None:
    report = {
        "state": "running",
        "trouble": "",
        "counts": {"events": 3, "duplicates": 0, "identities": 2, "revised": 1},
        "ignored": {"too large": 1},
        "boards": [
            {"name": "till", "state": "online", "clock_offset_s": 0.1, "cameras": [{"name": "door", "people": [1, 2]}]}
        ],
        "today": {"people": 2},
    }
    pages = Pages(lambda: report)
    text = "".join(
        f"{family.name}_total " * (family.type == "counter") + family.name + " " for family in pages.collect()
    )
    dashboard = json.loads((FOLDER / "grafana-fleet.json").read_text())
    asked = {
        name for panel in dashboard["panels"] for name in re.findall(r"nanotrack_\w+", panel["targets"][0]["expr"])
    }
    assert asked
    assert asked <= set(text.split())
