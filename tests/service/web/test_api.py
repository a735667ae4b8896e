"""What the page asks for in JSON: the history, and zones and lines that somebody draws."""

import json
import urllib.error
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.settings import config
from edge.sinks.history.database import open_to_write
from edge.video.opencv import cv2
from tests.field import Manager, Served, free_port, wait_for
from tests.service.daemon.setups import camera, write_config
from tests.service.web.site import Client, Site

pytest.importorskip("starlette")
from edge.service.web import api

TRIANGLE = [[0.1, 0.1], [0.9, 0.1], [0.5, 0.9]]
DAY_S = 24 * 3600
NOON_S = datetime.fromisoformat("2025-06-10T12:00").timestamp()


def area(name: object = "till", **more: object) -> dict[str, object]:
    return {"camera": "live", "kind": "zone", "name": name, "points": TRIANGLE, **more}


def write_history(path: Path) -> None:
    """Two days of two cameras."""
    database = open_to_write(path)
    noon = int(NOON_S // 60)
    with database:
        for minute in (noon, noon + 1, noon + 60, noon - 24 * 60):
            for name in ("live", "yard"):
                database.execute("INSERT INTO cameras VALUES (?, ?, 60)", (minute, name))
                database.execute("INSERT INTO people VALUES (?, ?, 'person', 3, 120, 4)", (minute, name))
            database.execute("INSERT INTO crossings VALUES (?, 'live', 'gate', 'person', 'in', 5)", (minute,))
            database.execute("INSERT INTO zones VALUES (?, 'live', 'till', 'person', 2, 1, 30, 30, 2)", (minute,))
        for minute, column in ((noon, 10), (noon + 60, 40)):
            database.execute("INSERT INTO feet VALUES (?, 'live', ?, 13, 600)", (minute, column))
    database.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("site")


@pytest.fixture(scope="module")
def site(tiny_pack: Path, tiny_video: Path, folder: Path) -> Iterator[Site]:
    write_history(folder / "history.db")
    (folder / "web").write_text("me:secret")
    (folder / "web").chmod(0o600)
    more = f'[history]\npath = "{folder}/history.db"\nkeep_days = 3650\n'
    more += f'[web]\nport = 0\ncredentials = "{folder}/web"\nedit = true\n'
    path = write_config(folder, tiny_pack, camera("live", tiny_video, loop=True, frame_rate=15.0), more=more)
    site = Site(path, "me:secret")
    yield site
    site.close()


def history(site: Site, query: str) -> Any:
    return json.loads(site.get(f"/api/history?{query}"))


def refusal(site: Site, query: str, path: str = "/api/history") -> tuple[int, str]:
    with pytest.raises(urllib.error.HTTPError) as caught:
        site.get(f"{path}?{query}")
    with caught.value as error:
        return error.code, json.load(error)["error"]


@pytest.mark.parametrize(
    ("span", "bright"),
    [
        ("since=2025-06-10T12:00&until=2025-06-10T13:00", [10]),
        ("since=2025-06-10T13:00&until=2025-06-10T14:00", [40]),
        ("until=2025-06-11", [10, 40]),
        ("since=2025-06-09&until=2025-06-10", []),
    ],
)
def test_a_heat_map_is_bright_where_people_stood_in_these_hours(site: Site, span: str, bright: list[int]) -> None:
    picture = cv2.imdecode(np.frombuffer(site.get(f"/api/heatmap?camera=live&{span}"), np.uint8), cv2.IMREAD_GRAYSCALE)
    assert picture is not None
    height, width = picture.shape
    row = picture[round(13.5 / 27 * height)]
    for column in (10, 25, 40):
        assert (row[round((column + 0.5) / 48 * width)] > 150) == (column in bright)


def test_a_heat_map_is_of_one_camera_that_there_is(site: Site) -> None:
    for query in ("", "camera=yard"):
        status, reason = refusal(site, query, "/api/heatmap")
        assert (status, reason.partition(",")[0]) == (404, "camera: expected live")


def test_sums_by_hour_of_one_camera(site: Site) -> None:
    found = history(site, "camera=live&since=2025-06-10T00:00&until=2025-06-11")
    assert found["by"] == "hour"
    assert found["people"] == [
        {"time": "2025-06-10T12:00", "camera": "live", "class": "person", "identities": 6}
        | {"mean_people": 2.0, "most_people": 4},
        {"time": "2025-06-10T13:00", "camera": "live", "class": "person", "identities": 3}
        | {"mean_people": 2.0, "most_people": 4},
    ]
    assert [row["count"] for row in found["crossings"]] == [10, 5]
    assert [(row["entered"], row["left"], row["mean_dwell_s"]) for row in found["zones"]] == [
        (4, 2, 30.0),
        (2, 1, 30.0),
    ]


def test_sums_by_day_and_minute_of_all_cameras(site: Site) -> None:
    days = history(site, f"by=day&since={NOON_S - 2 * DAY_S}&until={NOON_S + DAY_S}")
    assert [(row["time"], row["camera"], row["identities"]) for row in days["people"]] == [
        (day, name, count) for day, count in (("2025-06-09", 3), ("2025-06-10", 9)) for name in ("live", "yard")
    ]
    minutes = history(site, "by=minute&since=2025-06-10T12:01&until=2025-06-10T12:02")
    assert [row["time"] for row in minutes["crossings"]] == ["2025-06-10T12:01"]


def test_without_since_it_is_the_last_hour_day_or_month(site: Site) -> None:
    assert {row["time"] for row in history(site, "until=2025-06-10T13:00")["crossings"]} == {"2025-06-10T12:00"}
    assert len(history(site, "by=day&until=2025-06-12")["crossings"]) == 2
    assert history(site, "by=minute&until=2025-06-10T12:00")["crossings"] == []


def test_questions_that_make_no_sense_are_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    assert refusal(site, "by=week") == (400, "by: expected minute or hour or day, found 'week'")
    status, text = refusal(site, "since=yesterday")
    assert (status, text) == (400, "since: expected a time, such as 2026-11-30T08:00, found 'yesterday'")
    assert refusal(site, "since=" + 400 * "9")[0] == 400
    monkeypatch.setattr(api, "MOST_ROWS", 1)
    assert "expected at most 1 rows" in refusal(site, "since=2025-06-09")[1]


def test_the_daemons_own_history_is_in_it(site: Site) -> None:
    wait_for(lambda: bool(history(site, "camera=live&by=minute")["people"]), "nothing of now")


def test_a_zone_that_was_drawn_is_checked_as_the_configuration_is(site: Site) -> None:
    toml = '[[camera.zone]]\nname = "till"\npoints = [[0.1, 0.1], [0.9, 0.1], [0.5, 0.9]]\n'
    assert site.post("/api/check", area()) == (200, {"toml": toml, "mistakes": []})
    _, found = site.post("/api/check", area("The Till", camera="none", points=TRIANGLE[:2]))
    assert found["mistakes"] == [
        "camera: expected live, found 'none'",
        "name: expected up to 32 small letters, digits, - and _, found 'The Till'",
        "points: expected at least 3, found 2",
    ]
    _, found = site.post("/api/check", area(kind="line"))
    assert found["mistakes"] == ["points: expected 2 values, found 3"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"[", 400),
        (b"[]", 400),
        (b"[" * 10_000, 400),
        (b'{"camera": "live"}', 400),
        (area(kind="camera"), 400),
        (area(kind=[]), 400),
        (area(name=7), 400),
        (area(name="\ud800"), 400),
        (area(points=[["a", "b"]]), 400),
        (area(points=[[10**400, 0]]), 400),
        (area(points=[[0.5, 0.5]] * 101), 400),
        (b" " * 20_000, 413),
    ],
)
def test_what_is_no_zone_is_refused(site: Site, body: object, status: int) -> None:
    found, answer = site.post("/api/check", body)
    assert found == status
    assert "expected" in answer["error"]


def session(site: Client) -> Any:
    return json.loads(site.get("/api/session"))


def test_what_changes_something_needs_login_origin_and_token(site: Site, folder: Path) -> None:
    before = (folder / "nanotrack.toml").read_bytes()
    own, token = {"Origin": site.address}, {"X_CSRF_Token": session(site)["token"]}
    for headers, status in (
        ({}, 403),
        (token, 403),
        (own, 403),
        ({**own, "X_CSRF_Token": "guess"}, 403),
        ({**token, "Origin": "http://evil.example"}, 403),
        ({**token, "Origin": "null"}, 403),
        ({**token, **own, "Sec_Fetch_Site": "cross-site"}, 403),
        ({**token, **own, "Authorization": "Basic bWU6d3Jvbmc="}, 401),
    ):
        assert site.post("/api/save", area(), **headers)[0] == status
    assert site.post("/api/save", area("The Till"), **own, **token)[0] == 422
    assert (folder / "nanotrack.toml").read_bytes() == before


def test_a_zone_that_is_saved_stands_in_the_file_and_counts(site: Site, folder: Path) -> None:
    own = {"Origin": site.address, "X_CSRF_Token": session(site)["token"]}
    before = (folder / "nanotrack.toml").read_text()
    status, answer = site.post("/api/save", area("floor"), **own)
    assert (status, answer["saved"]) == (200, True)
    assert (folder / "nanotrack.toml").read_text() == before.replace("[jsonl]", f"\n{answer['toml']}[jsonl]")
    assert [zone.name for zone in config.load(folder / "nanotrack.toml").camera[0].zone] == ["floor"]
    wait_for(lambda: "floor" in site.status()["cameras"][0]["zones"], "it was not taken over")


def test_without_permission_nothing_is_written(tiny_pack: Path, tiny_video: Path, tmp_path: Path) -> None:
    path = write_config(tmp_path, tiny_pack, camera("live", tiny_video, loop=True), more="[web]\nport = 0\n")
    before = path.read_bytes()
    site = Site(path)
    try:
        assert session(site) == {"history": False, "edit": False, "obstacle": "", "token": None}
        status, answer = site.post("/api/save", area(), Origin=site.address, X_CSRF_Token="")
        assert (status, answer["error"]) == (403, "the page may not change the configuration: [web] edit is false")
        assert path.read_bytes() == before
        assert refusal(site, "by=day")[0] == 404
    finally:
        site.close()


def test_who_may_edit_has_to_log_in(tmp_path: Path, tiny_pack: Path) -> None:
    path = write_config(tmp_path, tiny_pack, camera("live", "demo://"), more="[web]\nedit = true\n")
    (mistake,) = config.read(path).mistakes
    assert mistake.text.startswith("web: edit: expected credentials beside it")


def test_a_reload_does_not_allow_what_was_not_allowed_at_the_start(
    tiny_pack: Path, tiny_video: Path, tmp_path: Path
) -> None:
    path = write_config(tmp_path, tiny_pack, camera("live", tiny_video, loop=True), more="[web]\nport = 0\n")
    site = Site(path)
    try:
        (tmp_path / "web").write_text("me:secret")
        (tmp_path / "web").chmod(0o600)
        path.write_text(path.read_text() + f'credentials = "{tmp_path}/web"\nedit = true\n')
        site.ask_for_reload()
        wait_for(lambda: site.daemon.config.web == config.load(path).web, "no reload")
        assert session(site)["edit"] is False
        assert site.post("/api/save", area(), Origin=site.address, X_CSRF_Token="")[0] == 403
    finally:
        site.close()


def test_nanotrack_serve_takes_over_what_is_saved(tiny_pack: Path, tiny_video: Path, tmp_path: Path) -> None:
    (tmp_path / "web").write_text("me:secret")
    (tmp_path / "web").chmod(0o600)
    port = free_port()
    more = f'[web]\nport = {port}\ncredentials = "{tmp_path}/web"\nedit = true\n'
    path = write_config(tmp_path, tiny_pack, camera("live", tiny_video, loop=True, frame_rate=15.0), more=more)
    manager = Manager(tmp_path / "notify")
    served = Served(path, manager)
    try:
        served.hear("READY=1")
        client = Client(f"http://127.0.0.1:{port}", "me:secret")
        headers = {"Origin": client.address, "X_CSRF_Token": session(client)["token"]}
        assert client.post("/api/save", area("floor"), **headers)[0] == 200
        served.hear("RELOADING=1")
        wait_for(lambda: "floor" in client.status()["cameras"][0]["zones"], "it was not taken over")
        assert served.stop()[0] == 0
    finally:
        served.kill()
        manager.close()
