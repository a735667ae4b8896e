"""The page in a real browser: a camera large, zones drawn over it, charts, filters, keyboard, screen reader."""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from benchmarks.field.browser import PROGRAM, Browser
from edge.sinks.history.database import open_to_write
from tests.field import wait_for
from tests.service.daemon.setups import camera, write_config
from tests.service.web.site import Site

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="Chromium is not installed")
pytest.importorskip("starlette")

CARD = "document.querySelector('#cameras .picture')"
ZONE = '[[camera.zone]]\nname = "all"\npoints = [[0, 0], [1, 0], [1, 1], [0, 1]]\n'
GROUND = "[camera.ground]\npoints = [[0, 0], [1, 0], [1, 1], [0, 1]]\nmetres = [[0, 0], [4, 0], [4, 3], [0, 3]]\n"
KEYS = {"Enter": 13, "Escape": 27, "Backspace": 8, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("site")


@pytest.fixture(scope="module")
def site(tiny_pack: Path, tiny_video: Path, folder: Path) -> Iterator[Site]:
    """Cameras "live" with a zone and "second"; a history of two hours, snapshots, and permission to edit."""
    database = open_to_write(folder / "history.db")
    minute = int(time.time() // 60) - 120
    with database:
        database.execute("INSERT INTO cameras VALUES (?, 'live', 60)", (minute,))
        database.execute("INSERT INTO people VALUES (?, 'live', 'person', 3, 120, 4)", (minute,))
        database.execute("INSERT INTO crossings VALUES (?, 'live', 'gate', 'person', 'in', 70)", (minute,))
    database.close()
    (folder / "web").write_text("me:secret")
    (folder / "web").chmod(0o600)
    more = f'[history]\npath = "{folder}/history.db"\n[snapshots]\nfolder = "{folder}/shots"\nfree_mib = 0\n'
    more += f'[web]\nport = 0\ncredentials = "{folder}/web"\nedit = true\n'
    cameras = [camera(name, tiny_video, loop=True, frame_rate=8.0) for name in ("live", "second")]
    path = write_config(folder, tiny_pack, *cameras, more=more)
    path.write_text(
        path.read_text().replace('[[camera]]\nname = "second"', ZONE + GROUND + '[[camera]]\nname = "second"')
    )
    site = Site(path, "me:secret")
    wait_for(lambda: all(camera.tracked for camera in site.daemon.snapshot.cameras), "no frames")
    yield site
    site.close()


@pytest.fixture
def browser(site: Site) -> Iterator[Browser]:
    with Browser() as browser:
        browser.open(f"http://me:secret@127.0.0.1:{site.port}/")
        browser.wait_for(f"{CARD}?.querySelector('img').naturalWidth === 128")
        yield browser
        # A snapshot may be asked for before it is written; then it is asked for again.
        assert [complaint for complaint in browser.complaints if "/snapshots/" not in complaint] == []


def press(browser: Browser, key: str) -> None:
    code = KEYS.get(key, 0)
    for kind in ("keyDown", "keyUp"):
        text = {"text": "\r"} if key == "Enter" and kind == "keyDown" else {}
        browser.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **text)


def click(browser: Browser, x: float, y: float) -> None:
    """Click into the drawing area, at these shares of it."""
    box = browser.evaluate("(({x, y, width, height}) => [x, y, width, height])($('canvas').getBoundingClientRect())")
    at = {"x": box[0] + x * box[2], "y": box[1] + y * box[3]}
    for kind in ("mousePressed", "mouseReleased"):
        browser.call("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **at)


def type_name(browser: Browser, name: str) -> None:
    browser.evaluate("$('drawing').elements.name.select()")
    browser.call("Input.insertText", text=name)


def use_short_names(browser: Browser) -> None:
    browser.evaluate("window.$ = (id) => document.getElementById(id)")


def draws(browser: Browser) -> None:
    """Open the first camera large, ready to draw."""
    use_short_names(browser)
    browser.evaluate(f"{CARD}.click()")
    browser.evaluate("$('draw').click()")
    browser.wait_for("!$('canvas').hasAttribute('hidden') && $('canvas').clientWidth > 0")


def test_a_click_shows_a_camera_large_and_escape_goes_back(browser: Browser) -> None:
    use_short_names(browser)
    small = browser.evaluate(f"{CARD}.querySelector('img').clientWidth")
    browser.evaluate(f"{CARD}.focus()")
    press(browser, "Enter")
    browser.wait_for("$('large').open && $('large-image').naturalWidth === 128")
    assert browser.evaluate("$('large-title').textContent") == "live"
    assert browser.evaluate("$('large-image').clientWidth") > small
    assert browser.evaluate("$('large').getBoundingClientRect().bottom <= innerHeight")
    assert not browser.evaluate(f"{CARD}.querySelector('img').hasAttribute('src')")  # nobody sees it there
    press(browser, "Escape")
    browser.wait_for("!$('large').open")
    assert browser.evaluate(f"document.activeElement === {CARD}")
    browser.wait_for(f"{CARD}.querySelector('img').naturalWidth === 128")


def test_until_a_picture_comes_its_place_says_so_and_shows_no_broken_one(site: Site) -> None:
    hidden = "getComputedStyle({}).visibility === 'hidden'"
    with Browser() as browser:
        browser.call("Network.enable")
        browser.call("Network.setBlockedURLs", urls=["*.mjpeg*"])
        browser.open(f"http://me:secret@127.0.0.1:{site.port}/")
        browser.wait_for(f"{CARD}?.innerText === 'Waiting for a picture'")
        assert browser.evaluate(hidden.format(f"{CARD}.querySelector('img')"))
        use_short_names(browser)
        browser.evaluate(f"{CARD}.click()")
        browser.wait_for("$('stage').innerText === 'Waiting for a picture'")
        assert browser.evaluate(hidden.format("$('large-image')"))
        browser.call("Network.setBlockedURLs", urls=[])
        browser.wait_for("$('large-image').naturalWidth === 128 && $('stage').innerText === ''")
        assert not browser.evaluate(hidden.format("$('large-image')"))
        browser.evaluate("$('large').close()")
        browser.wait_for(f"{CARD}.querySelector('img').naturalWidth === 128 && {CARD}.innerText === ''")
        assert not browser.evaluate(hidden.format(f"{CARD}.querySelector('img')"))


def test_speeds_are_shown_where_the_ground_is_known_and_only_there(browser: Browser, site: Site) -> None:
    wait_for(lambda: bool(site.status()["cameras"][0]["speeds_mps"]), "nobody has a speed")
    assert site.status()["cameras"][1]["speeds_mps"] is None
    facts = "[...document.querySelectorAll('#cameras .facts')].map((each) => each.textContent)"
    browser.wait_for(f"/mean speed\\d\\.\\d m\\/s/.test({facts}[0])")
    assert "mean speed" not in browser.evaluate(f"{facts}[1]")


def test_a_zone_is_drawn_checked_saved_and_counts(browser: Browser, site: Site, folder: Path) -> None:
    draws(browser)
    there = browser.evaluate("JSON.stringify($('canvas').getBoundingClientRect())")
    for point in ((0.2, 0.2), (0.8, 0.2), (0.8, 0.8)):
        click(browser, *point)
    browser.wait_for("$('said').textContent.startsWith('name: expected up to 32 small letters')")
    assert browser.evaluate("$('save').disabled")
    type_name(browser, "floor")
    browser.wait_for("!$('save').disabled")
    assert (
        browser.evaluate("JSON.stringify($('canvas').getBoundingClientRect())") == there
    )  # it does not move meanwhile
    table = tomllib.loads(browser.evaluate("$('toml').textContent"))["camera"]["zone"][0]
    assert table["name"] == "floor"
    assert np.allclose(table["points"], [[0.2, 0.2], [0.8, 0.2], [0.8, 0.8]], atol=0.01)
    browser.evaluate("$('save').click()")
    browser.wait_for("$('said').textContent.startsWith('Saved: floor')")
    written = tomllib.loads((folder / "nanotrack.toml").read_text())["camera"][0]["zone"]
    assert written[1] == table
    wait_for(lambda: "floor" in site.status()["cameras"][0]["zones"], "it was not taken over")


def test_a_line_is_drawn_with_the_keyboard_alone(browser: Browser) -> None:
    draws(browser)
    assert browser.evaluate("document.activeElement === $('canvas')")
    browser.evaluate("$('drawing').elements.kind[1].click()")
    browser.evaluate("$('canvas').focus()")
    for key in ("ArrowLeft", "ArrowLeft", "Enter", "ArrowDown", "Enter", "Backspace", "ArrowDown", "Enter"):
        press(browser, key)
    type_name(browser, "gate")
    browser.wait_for("!$('copy').disabled")
    line = tomllib.loads(browser.evaluate("$('toml').textContent"))["camera"]["line"][0]
    assert line == {"name": "gate", "points": [[0.48, 0.5], [0.48, 0.52]]}


def test_events_are_filtered(browser: Browser, site: Site) -> None:
    use_short_names(browser)
    browser.wait_for("[...$('events').children].some((item) => item.textContent.includes('all'))")
    everything = browser.evaluate("$('events').children.length")

    def choose(field: str, value: str) -> Any:
        browser.evaluate(
            f"(() => {{ const field = $('events-form').elements['{field}']; field.value = {json.dumps(value)};"
            "field.dispatchEvent(new Event('input', {bubbles: true})); })()"
        )
        return browser.evaluate("[...$('events').children].map((item) => item.textContent)")

    assert all("second" in text for text in choose("camera", "second"))
    choose("camera", "")
    assert all("online" in text or "connecting" in text or "stopped" in text for text in choose("kind", "camera"))
    choose("kind", "")
    assert all("all" in text for text in choose("text", "entered ALL"))
    assert choose("text", "no such words") == ["none of this kind"]
    assert len(choose("text", "")) >= min(everything, 2)
    assert browser.evaluate("[...$('events-form').elements.class.options].map((option) => option.value)")[1:] == [
        "person"
    ]


def test_snapshots_are_shown_with_their_events(browser: Browser, site: Site) -> None:
    use_short_names(browser)
    browser.wait_for("[...document.querySelectorAll('#events img')].some((image) => image.naturalWidth > 0)")
    path = browser.evaluate(
        "new URL([...document.querySelectorAll('#events img')].find((i) => i.naturalWidth).src).pathname"
    )
    jpeg = cv2.imdecode(np.frombuffer(site.get(path), np.uint8), cv2.IMREAD_COLOR)
    assert jpeg is not None


def test_the_history_is_charted_by_hours_and_days(browser: Browser) -> None:
    use_short_names(browser)
    browser.wait_for("document.querySelectorAll('#charts figure').length === 3")
    figures = browser.evaluate("[...document.querySelectorAll('#charts figcaption')].map((each) => each.textContent)")
    assert figures[0].startswith("New identities")
    assert "gate in 70" in figures[1]
    bars = "[...document.querySelectorAll('#charts figure:nth-child(2) rect title')].map((each) => each.textContent)"
    (bar,) = browser.evaluate(bars)
    assert bar.endswith("gate in 70")
    assert browser.evaluate("document.querySelectorAll('#charts figure:nth-child(2) table tr').length") >= 25
    browser.evaluate(
        "(() => { const by = $('history-form').elements.by; by.value = 'day';"
        "by.dispatchEvent(new Event('input', {bubbles: true})); })()"
    )
    browser.wait_for("document.querySelectorAll('#charts figure:nth-child(2) table tr').length > 30")
    assert browser.evaluate(bars)[0].endswith("gate in 70")


def test_a_screen_reader_finds_names_for_everything(browser: Browser) -> None:
    draws(browser)
    for _ in range(2):  # the page behind the dialog, too
        nodes = browser.call("Accessibility.getFullAXTree")["nodes"]
        nameless = [
            (node["role"]["value"], node.get("properties"))
            for node in nodes
            if not node["ignored"]
            and node["role"]["value"] in ("button", "combobox", "searchbox", "textbox", "image", "radio", "application")
            and not node.get("name", {}).get("value")
        ]
        assert nameless == []
        roles = {node["role"]["value"] for node in nodes if not node["ignored"]}
        assert "dialog" in roles or {"main", "complementary", "region", "heading", "list"} <= roles
        browser.evaluate("$('large').close()")


@pytest.mark.parametrize("dark", [False, True])
def test_nothing_is_wider_than_the_window_and_text_stands_out(site: Site, dark: bool) -> None:
    with Browser(dark=dark) as browser:
        browser.open(f"http://me:secret@127.0.0.1:{site.port}/")
        browser.wait_for("document.querySelectorAll('#charts figure').length === 3")
        for width in (390, 1024, 1440, 1920):
            size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
            browser.call("Emulation.setDeviceMetricsOverride", **size)
            browser.wait_for(f"innerWidth === {width}")
            assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth")
        ratio = browser.evaluate(
            """(() => {
              const light = (text) => { const [r, g, b] = text.match(/\\d+/g).map((value) => (value / 255) ** 2.2);
                return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
              const ground = light(getComputedStyle(document.querySelector('.card')).backgroundColor);
              const inks = [...document.querySelectorAll('.card dt, .card h2, .card time, .card label, .card .dim')]
                .map((each) => light(getComputedStyle(each).color));
              return Math.min(...inks.map((ink) => (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05)));
            })()"""
        )
        assert ratio >= 4.5  # WCAG 2.2, AA


def test_cameras_that_are_lost_keep_their_share_of_the_connections(site: Site) -> None:
    """Browsers open six to one server: with more streams the page would not hear of the daemon any more."""
    made = """void (window.show = (lost, online) => {
      const camera = (state, i) => ({
        name: `c${i}`, run: `r${i}`, state, since_s: 1, reason: "", size: [200, 9], fps: 1, age_ms: null, tracked: 1,
        detect_every: 1, dropped: 0, corrupt: 0, reconnects: 0, shown: 0, zones: {}, lines: {}, speeds_mps: null});
      page.showCameras([...Array(lost + online).keys()].map((i) => camera(i < lost ? "offline" : "online", i)));
      const modes = [...page.cards.values()].map((it) => it.mode);
      return ["mjpeg", "jpg"].map((mode) => modes.filter((each) => each === mode).length).join();
    })"""
    with Browser() as browser:
        browser.open(f"http://me:secret@127.0.0.1:{site.port}/")
        browser.wait_for(f"{CARD}?.querySelector('img').naturalWidth === 128")
        browser.evaluate("import('/page/cameras.js').then((found) => { window.page = found; })")
        browser.evaluate("void (window.fetch = () => new Promise(() => {}))")  # the daemon is not heard
        browser.evaluate("void Object.defineProperty(HTMLImageElement.prototype, 'src', {set: () => {}})")
        browser.evaluate(made)
        browser.wait_for("show(0, 4) === '4,0'")
        browser.wait_for("show(4, 4) === '4,4'")
