"""The fleet's page in a real browser: order of cameras and people, ways, counts, and that a phone shows all of it."""

from typing import Any

import pytest

from benchmarks.field.browser import PROGRAM, Browser
from edge.settings.config import Web
from tests.field import wait_for

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="Chromium is not installed")
pytest.importorskip("starlette")

CAMERAS = ["lot2/yard", "lot10/gate", "till/a-camera-with-a-long-name"]


def camera(name: str, state: str, *people: int) -> dict[str, Any]:
    return {"name": name, "state": state, "reason": "", "people": [{"global_id": person} for person in people]}


def board(name: str, *cameras: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "state": "online", "clock_offset_s": 0.02, "cameras": list(cameras)}


def person(number: int, minute: int, *way: str, is_there: bool) -> dict[str, Any]:
    at = f"2026-11-30T12:{minute:02d}:00.000Z"
    way_there = [{"camera": name, "first": at} for name in way]
    return {
        "global_id": number, "camera": way[-1], "is_there": is_there, "since": at, "last": at, "way": way_there
    }  # fmt: skip


REPORT = {
    "state": "running",
    "trouble": "",
    "boards": [
        board("lot10", camera("gate", "degraded", 8)),
        board("lot2", camera("yard", "online", 7)),
        board("till", camera("a-camera-with-a-long-name", "online")),
    ],
    "people": [
        person(8, 5, *8 * CAMERAS[1:], CAMERAS[1], is_there=True),
        person(7, 4, CAMERAS[0], is_there=True),
        person(5, 1, CAMERAS[0], is_there=False),
        person(6, 3, CAMERAS[0], CAMERAS[2], is_there=False),
    ],
    "ways": [{"start": CAMERAS[0], "end": CAMERAS[2], "count": 3, "median_s": 12.5, "least_s": 9.0}],
    "today": {"people": 8, "by_camera": {CAMERAS[0]: 4}},
    "counts": {"events": 9, "duplicates": 0, "identities": 8, "revised": 1},
    "ignored": {"no JSON": 2},
}


@pytest.mark.parametrize("is_phone", [False, True])
def test_all_of_it_is_shown_in_order_and_fits(is_phone: bool) -> None:
    from edge.fleet.pages import Pages
    from edge.service.web.http import Server

    server = Server(Web(port=0), Pages(lambda: REPORT).app)
    try:
        with Browser(390 if is_phone else 1440, 900, phone=is_phone, dark=is_phone) as browser:
            browser.open(f"http://127.0.0.1:{server.port}/")
            browser.wait_for("document.querySelectorAll('#people tr').length === 4")
            texts = "[...document.querySelectorAll('{}')].map(each => each.innerText)".format
            assert browser.evaluate(texts(".card h3 span:first-child")) == CAMERAS
            assert browser.evaluate(texts("#people td:first-child")) == ["#7", "#8", "#6", "#5"]
            assert browser.evaluate(texts("#online, #now, #today")) == ["2", "8", "2 of 3"]
            (way,) = browser.evaluate(texts("#people tr:nth-child(3) .muted"))
            assert way == "lot2/yard →"
            assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth")
            # The tables scroll by themselves, and who is where needs no scrolling.
            assert browser.evaluate("(box => box.scrollWidth <= box.clientWidth)(document.querySelector('.scroll'))")
            browser.evaluate("document.querySelector('a[href=\"#messages\"]').click()")
            wait_for(lambda: browser.evaluate("location.hash") == "#messages", "the link leads nowhere")
            assert browser.complaints == []
    finally:
        server.close()
