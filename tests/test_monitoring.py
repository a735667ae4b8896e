"""The dashboard and the alert rules that come with the package, on a real Prometheus that asks a real daemon."""

import json
import re
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import edge
from tests import tiny
from tests.field import Manager, Served, free_port, wait_for
from tests.service.daemon.setups import camera, write_config

DEPLOY = Path(edge.__file__).with_name("deploy")
RULES = DEPLOY / "prometheus-alerts.yml"
DASHBOARD = json.loads((DEPLOY / "grafana-dashboard.json").read_text())
PROMETHEUS, PROMTOOL = shutil.which("prometheus"), shutil.which("promtool")
AREAS = """
[[camera.zone]]
name = "left"
points = [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]
[[camera.line]]
name = "middle"
points = [[0.5, 0], [0.5, 1]]
"""
# What Grafana puts in place of its variables.
VARIABLES = {"$__rate_interval": "20s", "$__range": "1m", "$instance": ".*", "$camera": ".*"}
needs_prometheus = pytest.mark.skipif(PROMETHEUS is None or PROMTOOL is None, reason="Prometheus is not installed")


def panels() -> list[dict[str, Any]]:
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def test_the_dashboard_hangs_together() -> None:
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    assert {variable["name"] for variable in DASHBOARD["templating"]["list"]} == {"datasource", "instance", "camera"}
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + i, place["y"] + j) for i in range(place["w"]) for j in range(place["h"])}
        assert not cells & taken
        assert place["x"] + place["w"] <= 24
        taken |= cells


def test_every_metric_that_dashboard_and_rules_ask_for_exists() -> None:
    made = set(re.findall(r'"(nanotrack_\w+)"', (Path(edge.__file__).parent / "service/web/metrics.py").read_text()))
    asked = set(re.findall(r"nanotrack_\w+", json.dumps([panel["targets"] for panel in panels()])))
    asked |= set(re.findall(r"nanotrack_\w+", RULES.read_text()))
    assert asked
    assert {re.sub("_(total|bucket|count|sum)$", "", name) for name in asked} <= made


@needs_prometheus
def test_the_rules_are_sound_and_fire_when_they_should(tmp_path: Path) -> None:
    def series(name: str, values: str) -> str:
        return f"      - series: '{name}'\n        values: '{values}'\n"

    def firing(name: str, minutes: int, labels: str = "") -> str:
        found = f'ALERTS{{alertname="{name}",alertstate="firing",severity="warning",{labels}}}'
        samples = f"\n          - labels: '{found}'\n            value: 1\n" if labels else " []\n"
        expression = f'ALERTS{{alertname="{name}",alertstate="firing"}}'
        return f"      - expr: '{expression}'\n        eval_time: {minutes}m\n        exp_samples:{samples}"

    ages = 'nanotrack_frame_age_seconds_bucket{instance="b",camera="c",le="%s"}'
    ages_of = [series(ages % le, values) for le, values in (("0.05", "0+3x40"), ("1.0", "0+3x40"), ("2.0", "0+9x40"))]
    tests = [
        series('nanotrack_camera_up{instance="b",camera="c"}', "1x4 0x40"),
        *ages_of,
        series(ages % "+Inf", "0+9x40"),
        series('nanotrack_sink_dropped_total{instance="b",sink="mqtt"}', "0x10 0+5x30"),
        series('process_start_time_seconds{job="nanotrack",instance="b"}', "1x60"),
    ]
    cases = [
        firing("NanotrackCameraLost", 5),
        firing("NanotrackCameraLost", 8, 'instance="b",camera="c"'),
        firing("NanotrackFramesOld", 2),
        firing("NanotrackFramesOld", 15, 'instance="b",camera="c"'),
        firing("NanotrackOutputLoses", 10),
        firing("NanotrackOutputLoses", 30, 'instance="b",sink="mqtt"'),
        firing("NanotrackRestarts", 30),
    ]
    path = tmp_path / "test.yml"
    path.write_text(
        f"rule_files: [{RULES}]\nevaluation_interval: 1m\ntests:\n  - interval: 1m\n    input_series:\n"
        f"{''.join(tests)}    promql_expr_test:\n{''.join(cases)}"
    )
    checked = subprocess.run([str(PROMTOOL), "check", "rules", str(RULES)], capture_output=True, text=True, timeout=60)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    done = subprocess.run([str(PROMTOOL), "test", "rules", str(path)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


class Prometheus:
    """Prometheus with the rules, asking the daemon on `port` every second."""

    def __init__(self, folder: Path, port: int) -> None:
        self.port = free_port()
        config = folder / "prometheus.yml"
        config.write_text(
            "global: { scrape_interval: 1s, evaluation_interval: 1s }\n"
            f"rule_files: [{RULES}]\nscrape_configs:\n  - job_name: nanotrack\n    static_configs:\n"
            f"      - targets: ['127.0.0.1:{port}']\n"
        )
        flags = [f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}"]
        self.process = subprocess.Popen(
            [str(PROMETHEUS), *flags, f"--web.listen-address=127.0.0.1:{self.port}"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_for(lambda: bool(self.query("up == 1")), "Prometheus sees no daemon")

    def get(self, path: str) -> Any:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/{path}", timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            with error:
                if error.code != 503:  # it is not ready yet
                    raise AssertionError(error.read().decode()) from error
                return {"result": []}
        except urllib.error.URLError:
            return {"result": []}

    def query(self, expression: str) -> list[Any]:
        found: list[Any] = self.get(f"query?query={urllib.parse.quote(expression)}")["result"]
        return found

    def close(self) -> None:
        self.process.terminate()
        self.process.wait()


@pytest.fixture
def prometheus(tiny_pack: Path, tmp_path: Path) -> Iterator[Prometheus]:
    """It asks a daemon with a camera whose people enter and leave a zone, and one that never answers."""
    port, video = free_port(), tiny.write_video(tmp_path / "squares.mp4", frames=60, rate=15.0, size=(192, 128))
    cameras = camera("live", video, loop=True), camera("gone", "rtsp://127.0.0.1:1/x", stall_s=0.5)
    path = write_config(tmp_path, tiny_pack, *cameras, more=f"[web]\nport = {port}\n")
    path.write_text(path.read_text().replace('[[camera]]\nname = "gone"', AREAS + '[[camera]]\nname = "gone"'))
    manager = Manager(tmp_path / "notify")
    served = Served(path, manager)
    served.hear("READY=1")
    prometheus = Prometheus(tmp_path, port)
    yield prometheus
    prometheus.close()
    assert served.stop()[0] == 0
    manager.close()


@pytest.mark.slow
@needs_prometheus
def test_every_query_of_the_dashboard_finds_something(prometheus: Prometheus) -> None:
    wait_for(lambda: bool(prometheus.query("rate(nanotrack_zone_dwell_seconds_count[20s]) > 0")), "nobody leaves")
    wait_for(
        lambda: bool(prometheus.query("histogram_quantile(.5, nanotrack_frame_age_seconds_bucket) > 0")), "no ages"
    )
    for panel in panels():
        for target in panel["targets"]:
            expression = target["expr"]
            for name, value in VARIABLES.items():
                expression = expression.replace(name, value)
            found = prometheus.query(expression)
            if "Empty on a machine" not in panel["description"]:
                assert found, (panel["title"], expression)
            legend = re.findall(r"{{(\w+)}}", target["legendFormat"])
            assert all(name in series["metric"] for series in found for name in legend), panel["title"]
    up = {series["metric"]["camera"]: series["value"][1] for series in prometheus.query("nanotrack_camera_up")}
    assert up == {"live": "1", "gone": "0"}


@pytest.mark.slow
@needs_prometheus
def test_the_rules_run_and_a_lost_camera_is_about_to_be_told(prometheus: Prometheus) -> None:
    def rules() -> dict[str, Any]:
        return {rule["name"]: rule for group in prometheus.get("rules").get("groups", []) for rule in group["rules"]}

    wait_for(lambda: rules() != {} and all(rule["health"] == "ok" for rule in rules().values()), "not evaluated")
    wait_for(lambda: rules()["NanotrackCameraLost"]["state"] == "pending", "nobody misses the camera")
    assert [alert["labels"]["camera"] for alert in rules()["NanotrackCameraLost"]["alerts"]] == ["gone"]
    assert rules()["NanotrackDown"]["state"] == "inactive"
