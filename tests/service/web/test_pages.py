"""What a running daemon tells over HTTP: health, metrics, status, what its cameras see, and the page in a browser."""

import contextlib
import json
import re
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from benchmarks.field.browser import PROGRAM, Browser
from edge.service.clock import Clock
from edge.service.daemon import Daemon
from edge.service.web.connections import CLIENTS, VIEWERS
from edge.settings import config
from tests.field import PATIENCE_S, make_certificate, wait_for
from tests.service.daemon.setups import camera, lines, of, write_config
from tests.service.web.site import Site
from tests.service.web.small_site import get, needs_openssl, silent_clients, trusting

pytest.importorskip("prometheus_client")
from edge.service.web.pages import PAGE

AREAS = """
[[camera.zone]]
name = "all"
points = [[0, 0], [1, 0], [1, 1], [0, 1]]
[[camera.line]]
name = "middle"
points = [[0.5, 0], [0.5, 1]]
"""
# What a browser would run if it took this for markup.
NASTY = "<img src=x onerror=document.title='taken'>"
needs_browser = pytest.mark.skipif(PROGRAM is None, reason="Chromium is not installed")


@pytest.fixture(scope="module")
def site(tiny_pack: Path, tiny_video: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Cameras "live" with a zone and a line, and "gone", which never answers."""
    path = write_config(
        tmp_path_factory.mktemp("site"),
        tiny_pack,
        camera("live", tiny_video, loop=True, frame_rate=15.0),
        camera("gone", f"rtsp://me:secret@127.0.0.1:1/{NASTY}", stall_s=0.5),
        more="[web]\nport = 0\n",
    )
    path.write_text(path.read_text().replace('[[camera]]\nname = "gone"', AREAS + '[[camera]]\nname = "gone"'))
    site = Site(path)

    def is_settled() -> bool:
        live, gone = site.daemon.snapshot.cameras
        return live.tracked > 15 and gone.state == "offline"

    wait_for(is_settled, "no frames")
    yield site
    site.close()


def test_health(site: Site) -> None:
    health = json.loads(site.get("/healthz"))
    assert health["state"] == "running"
    assert health["cameras"]["live"] == {"state": "online", "trouble": ""}
    assert health["cameras"]["gone"]["state"] == "offline"


def test_a_loop_that_stands_still_is_not_healthy(tiny_pack: Path, tiny_video: Path, tmp_path: Path) -> None:
    path = write_config(tmp_path, tiny_pack, camera("a", tiny_video, loop=True), more="[web]\nport = 0\n")
    later_s = 0.0
    daemon = Daemon(config.load(path), Clock(mono=lambda: time.monotonic() + later_s))
    later_s = 60.0
    with pytest.raises(urllib.error.HTTPError, match="503") as caught:
        urllib.request.urlopen(f"http://127.0.0.1:{daemon.port}/healthz", timeout=PATIENCE_S)
    assert json.load(caught.value)["state"] == "stuck"
    caught.value.close()
    daemon.close()


def test_metrics(site: Site) -> None:
    text = site.get("/metrics").decode()
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert float(values['nanotrack_frames_total{camera="live",outcome="tracked"}']) > 4
    assert values['nanotrack_camera_up{camera="live"}'] == "1.0"
    assert values['nanotrack_camera_up{camera="gone"}'] == "0.0"
    assert float(values['nanotrack_stage_seconds_count{stage="infer"}']) > 4
    assert values['nanotrack_sink_dropped_total{sink="jsonl"}'] == "0.0"
    assert float(values['nanotrack_zone_people{camera="live",class="person",zone="all"}']) >= 1
    assert (
        float(values['nanotrack_line_crossings_total{camera="live",class="person",direction="in",line="middle"}']) >= 0
    )
    assert float(values['nanotrack_identities_total{camera="live",class="person"}']) >= 1
    for times, label in (("stage", 'stage="track"'), ("frame_age", 'camera="live"'), ("read", 'camera="live"')):
        pattern = rf'nanotrack_{times}_seconds_bucket{{(?=.*{label}).*le="(.+?)".*}} (.+)'
        counts = {bound: float(count) for bound, count in re.findall(pattern, text)}
        assert len(counts) > 5
        assert sorted(counts.values()) == list(counts.values())
        assert 4 < counts["+Inf"] == float(values[f"nanotrack_{times}_seconds_count{{{label}}}"])
    assert float(values["process_resident_memory_bytes"]) > 1e7
    assert values['nanotrack_detect_every{camera="live"}'] == "1.0"
    (backend,) = [line for line in text.splitlines() if line.startswith("nanotrack_backend_info{")]
    for label in ('network="detector"', 'pack="tiny.pack"', 'rung="onnxruntime-fp32"', 'variant="fp32"'):
        assert label in backend
    assert re.search(r'version="\d+\.\d+', backend)
    assert "secret" not in text


def test_status(site: Site) -> None:
    wait_for(lambda: NASTY in site.status()["cameras"][1]["reason"], "it is not told why")
    status = site.status()
    live, gone = status["cameras"]
    assert (live["name"], live["state"], live["size"], live["corrupt"]) == ("live", "online", [128, 128], 0)
    assert 0 < live["fps"] <= 20
    assert 0 < live["age_ms"]["p50"] <= live["age_ms"]["p99"]
    assert live["zones"]["all"] >= 1
    assert set(live["lines"]["middle"]) == {"in", "out"}
    assert (gone["state"], gone["fps"], gone["age_ms"]) == ("offline", 0.0, None)
    (network,) = status["networks"]
    assert (network["network"], network["rung"], network["variant"]) == ("detector", "onnxruntime-fp32", "fp32")
    assert {stage["name"] for stage in status["stages"]} >= {"preprocess", "infer", "decode+nms"}
    kinds = {event["event"] for event in status["events"]}
    assert {"camera", "zone"} <= kinds
    assert "secret" not in json.dumps(status)


def test_however_many_ask_the_status_is_put_together_now_and_then(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    from edge.service.web import status

    calls = 0
    real = status.status

    def counted(*state: Any) -> dict[str, Any]:
        nonlocal calls
        calls += 1
        return real(*state)

    monkeypatch.setattr(status, "status", counted)
    began_s = time.monotonic()
    while calls < 3:
        site.status()
    assert calls <= 1 + (time.monotonic() - began_s) / 0.5


@pytest.mark.parametrize(
    "path",
    [
        "/camera/none.mjpeg",
        "/camera/../page.html",
        "/camera/live",
        "/camera/live.mjpeg/",
        "/camera/live.png",
        "/camera/LIVE.jpg",
        "/camera/.jpg",
        "/page/index.html",
        "/page/none.js",
        "/page/../pages.py",
        "/page/%2e%2e/pages.py",
        "/snapshots/2026-11-30/live-120000.000-1.jpg",
        "/snapshots/2026-11-30/..%2f..%2fnanotrack.toml",
        "//",
        "/status.json/",
        "/camera/live.jpg%00",
    ],
)
def test_what_is_not_there_is_not_found(site: Site, path: str) -> None:
    with socket.create_connection(("127.0.0.1", site.port), timeout=PATIENCE_S) as client:
        client.sendall(get(path))
        assert client.recv(100).startswith(b"HTTP/1.1 404 ")


def picture_of(jpeg: bytes) -> Any:
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)


def test_one_picture(site: Site) -> None:
    assert picture_of(site.get("/camera/live.jpg")).shape == (128, 128, 3)
    wait_for(lambda: site.stream("live").view._watchers == 0, "it is still drawn for somebody")


def test_a_camera_that_is_not_there_has_no_newest_picture(site: Site) -> None:
    with pytest.raises(urllib.error.HTTPError, match="503") as caught:
        site.get("/camera/gone.jpg")
    assert b"the camera is offline: there is no newest picture" in caught.value.read()


def test_the_parts_of_a_stream_are_whole_pictures(site: Site) -> None:
    with urllib.request.urlopen(f"{site.address}/camera/live.mjpeg", timeout=PATIENCE_S) as answer:
        assert answer.headers["Content-Type"] == "multipart/x-mixed-replace; boundary=picture"
        for _ in range(5):
            assert next_picture(answer).shape == (128, 128, 3)
    wait_for(lambda: site.stream("live").view._watchers == 0, "it is still drawn for somebody")


def test_viewers_that_read_nothing_hold_up_neither_tracking_nor_others(site: Site) -> None:
    stream = site.stream("live")

    def viewer() -> socket.socket:
        client = socket.create_connection(("127.0.0.1", site.port), timeout=PATIENCE_S)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sendall(get("/camera/live.mjpeg"))
        return client

    with contextlib.ExitStack() as stack:
        for _ in range(VIEWERS - 1):
            stack.enter_context(viewer())
        wait_for(lambda: stream.view._watchers == VIEWERS - 1, "not all may watch")
        before = stream.tracked
        assert picture_of(site.get("/camera/live.jpg")) is not None
        assert site.status()["cameras"][0]["state"] == "online"
        wait_for(lambda: stream.tracked > before + 15, "tracking is held up")
        wait_for(lambda: stream.throughput.ages_ms(100)[0] < 1000, "frames come late")
    wait_for(lambda: stream.view._watchers == 0, "it is still drawn for somebody")
    assert CLIENTS > VIEWERS


def next_picture(answer: Any) -> Any:
    """The next part of a stream, which must be a whole one."""
    assert answer.readline() == b"--picture\r\n"
    assert answer.readline() == b"Content-Type: image/jpeg\r\n"
    length = int(re.fullmatch(rb"Content-Length: (\d+)\r\n", answer.readline())[1])  # type: ignore[index]
    assert answer.readline() == b"\r\n"
    picture = picture_of(answer.read(length))
    assert answer.readline() == b"\r\n"
    return picture


@needs_openssl
def test_over_tls_the_view_goes_on_and_three_thousand_silent_clients_cost_no_line(
    tiny_pack: Path, tiny_video: Path, tmp_path: Path
) -> None:
    certificate, key = make_certificate(tmp_path)
    more = f'[web]\nport = 0\ncertificate = "{certificate}"\nkey = "{key}"\n'
    path = write_config(tmp_path, tiny_pack, camera("live", tiny_video, loop=True, frame_rate=15.0), more=more)
    site = Site(path)
    address, context = f"https://127.0.0.1:{site.port}", trusting(certificate)
    try:
        wait_for(lambda: site.stream("live").tracked > 0, "no frames")
        with urllib.request.urlopen(f"{address}/camera/live.mjpeg", timeout=PATIENCE_S, context=context) as answer:
            pictures = [next_picture(answer) for _ in range(25)]
        assert len({picture.tobytes() for picture in pictures}) > 10
        with silent_clients(site.port):
            before = site.stream("live").tracked
            for _ in range(5):
                with urllib.request.urlopen(f"{address}/healthz", timeout=PATIENCE_S, context=context) as answer:
                    assert json.load(answer)["state"] == "running"
            wait_for(lambda: site.stream("live").tracked > before + 30, "tracking is held up")
        assert [output.dropped for output in site.daemon.snapshot.outputs] == [0]
    finally:
        site.close()
    frames = of(lines(tmp_path), "live", "frame")
    assert len(frames) == site.stream("live").tracked


def test_nothing_but_the_pages_own_scripts_and_style_may_act(site: Site) -> None:
    with urllib.request.urlopen(site.address, timeout=PATIENCE_S) as answer:
        policy, body = answer.headers["Content-Security-Policy"], answer.read()
    for rule in ("default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"):
        assert rule in policy
    assert "unsafe" not in policy
    assert re.findall(rb"<script(?! type=\"module\" src=\"/page/)|<style", body) == []
    for path in PAGE.iterdir():
        text = site.get(f"/page/{path.name}" if path.suffix != ".html" else "/")
        assert text == path.read_bytes()
        assert not re.search(rb"\son\w+=|style=|innerHTML|insertAdjacentHTML|document\.write|eval\(", text)
        addresses = re.findall(rb"(?:src|href)=\"([^\"]*)|url\(|https?://[^\s'`]+", text)
        assert all(address.startswith((b"data:", b"/", b"#")) or not address for address in addresses)


# In a real browser

CARD = "[...document.querySelectorAll('article')].find((card) => card.querySelector('h2').textContent === '{}')"
# A number that changes with the picture.
SUM = """(() => {
  const image = LIVE.querySelector("img"), canvas = document.createElement("canvas");
  canvas.width = image.naturalWidth; canvas.height = image.naturalHeight;
  const pen = canvas.getContext("2d");
  pen.drawImage(image, 0, 0);
  const values = pen.getImageData(0, 0, canvas.width, canvas.height).data;
  return values.reduce((sum, value) => (31 * sum + value) % 1e9, 7);
})()""".replace("LIVE", CARD.format("live"))
LIVE, GONE = CARD.format("live"), CARD.format("gone")


@needs_browser
@pytest.mark.parametrize("phone", [False, True])
def test_the_page_shows_what_the_cameras_see(site: Site, phone: bool, tmp_path: Path) -> None:
    width, height = (390, 844) if phone else (1440, 900)
    with Browser(width, height, phone=phone) as browser:
        browser.open(site.address)
        browser.wait_for(f"{LIVE}?.querySelector('img').naturalWidth === 128")
        first = browser.evaluate(SUM)
        browser.wait_for(f"{SUM} !== {first}")  # it moves
        assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth")
        text = browser.evaluate("document.body.innerText")
        for part in ("running", "tiny.pack", "onnxruntime-fp32", "latency p50", "latency p99", "dropped", "all"):
            assert part in text
        assert re.search(r"\d+ in, \d+ out", text)
        assert re.search(r"entered all|left all", text)
        # A lost camera says so, for how long, and why; what comes from outside stays text.
        lost = browser.evaluate(f"{GONE}.querySelector('.veil').innerText")
        assert re.match(r"Camera lost for \d+ s\n", lost)
        assert NASTY in lost
        assert browser.evaluate("document.title") == "nanotrack"
        assert not browser.evaluate(f"{GONE}.querySelector('.veil').hidden")
        assert browser.evaluate(f"{LIVE}.querySelector('.veil').hidden")
        browser.screenshot(tmp_path / "page.png")
        assert np.std(picture_of((tmp_path / "page.png").read_bytes())) > 20
        assert browser.complaints == []
    wait_for(
        lambda: site.stream("live").view._watchers == 0, "it is still drawn for somebody"
    )  # who leaves is not drawn for


@needs_browser
def test_a_camera_that_goes_and_comes_back(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = site.stream("live")
    with Browser() as browser:
        browser.open(site.address)
        browser.wait_for(f"{LIVE}?.querySelector('img').naturalWidth === 128")
        with monkeypatch.context() as patch:
            patch.setattr(stream, "step", lambda detectors: False)  # as if no picture came
            patch.setattr(stream.capture, "good_s", -1e9)
            patch.setattr(type(stream.capture), "_take", lambda self, image, time_s: time.sleep(0.01))
            stream.capture.good_s = -1e9
            lost = browser.wait_for(f"!{LIVE}.querySelector('.veil').hidden && {LIVE}.querySelector('.veil').innerText")
            assert lost.startswith("Camera lost for ")
            stream.capture.good_s = time.monotonic()
        browser.wait_for(f"{LIVE}.querySelector('.veil').hidden")
        first = browser.evaluate(SUM)
        browser.wait_for(f"{SUM} !== {first}")
        assert browser.complaints == []


@needs_browser
def test_the_page_says_that_the_daemon_is_gone(tiny_pack: Path, tiny_video: Path, tmp_path: Path) -> None:
    path = write_config(tmp_path, tiny_pack, camera("live", tiny_video, loop=True), more="[web]\nport = 0\n")
    site = Site(path)
    with Browser() as browser:
        try:
            browser.open(site.address)
            browser.wait_for(f"{LIVE}?.querySelector('img').naturalWidth === 128")
            port = site.port
        finally:
            site.close()
        words = browser.wait_for("document.querySelector('#notice:not([hidden])')?.innerText")
        assert "has not answered for" in words
        path.write_text(path.read_text().replace("port = 0", f"port = {port}"))
        site = Site(path)
        try:
            browser.wait_for("document.querySelector('#notice').hidden")
            browser.wait_for(f"{LIVE}?.querySelector('img').naturalWidth === 128")
            first = browser.evaluate(SUM)
            browser.wait_for(f"{SUM} !== {first}")
        finally:
            site.close()


@needs_browser
def test_a_page_that_was_tampered_with_can_neither_run_scripts_nor_call_elsewhere(site: Site) -> None:
    with Browser() as browser:
        browser.open(site.address)
        browser.wait_for(f"{LIVE} !== undefined")
        browser.evaluate(f"document.body.insertAdjacentHTML('beforeend', {json.dumps(NASTY)})")
        script = "Object.assign(document.createElement('script'), {text: 'window.taken = 1'})"
        browser.evaluate(f"document.body.append({script})")
        answer = browser.evaluate("fetch('http://127.0.0.1:1/').then(() => 'sent', () => 'refused')")
        time.sleep(0.5)
        assert browser.evaluate("[document.title, window.taken]") == ["nanotrack", None]
        assert answer == "refused"
        assert sum("Content Security Policy" in complaint for complaint in browser.complaints) >= 3
