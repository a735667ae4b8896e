"""What a camera sees, drawn for who watches and for nobody else."""

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import numpy as np
import pytest

from edge.service.view import DEFAULT, RATE, SIZES, View
from edge.settings.config import CameraConfig, Line, Mask, Zone
from edge.types import Image, Tracks

CAMERA = CameraConfig("door", "rtsp://x")
LONGEST_PX = SIZES[DEFAULT].longest_px
SQUARE = Zone("till", ((0.1, 0.1), (0.9, 0.1), (0.9, 0.9), (0.1, 0.9)))
GATE = Line("gate", ((0.2, 0.5), (0.8, 0.5)))


def tracks(*boxes: tuple[float, float, float, float]) -> Tracks:
    count = len(boxes)
    return Tracks(
        np.arange(1, count + 1),
        np.array(boxes, np.float32).reshape(-1, 4),
        np.ones(count, np.float32),
        np.zeros(count, np.int32),
        np.arange(count, dtype=np.int32),
    )


def grey(width: int = 320, height: int = 240) -> Image:
    return np.full((height, width, 3), 90, np.uint8)


def picture_of(jpeg: bytes) -> Image:
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return np.asarray(image, np.uint8)


class Scene:
    """A view with its helpers; `back` are the pictures that came back."""

    def __init__(self, camera: CameraConfig = CAMERA) -> None:
        self.back: list[Image] = []
        self.drawing = ThreadPoolExecutor(1)
        self.view = View(camera, (), self.back.append, self.drawing)

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        async def limited() -> None:
            await asyncio.wait_for(work, 30)

        try:
            asyncio.run(limited())
        finally:
            self.drawing.shutdown()


async def offered(scene: Scene, jpegs: AsyncGenerator[bytes, None], image: Image, shown: Tracks) -> bytes:
    """The next picture of a viewer, once `image` is there."""
    asking = asyncio.ensure_future(anext(jpegs))
    while not asking.done():
        scene.view.offer(image.copy(), shown)
        await asyncio.sleep(0.01)
    return asking.result()


def test_while_nobody_watches_every_picture_comes_straight_back() -> None:
    scene = Scene()
    images = [grey() for _ in range(3)]
    for image in images:
        scene.view.offer(image, tracks())
    assert [id(image) for image in scene.back] == [id(image) for image in images]
    assert scene.drawing._threads == set()


def test_boxes_and_areas_are_where_they_are_in_a_picture_that_is_smaller() -> None:
    scene = Scene(CameraConfig("door", "rtsp://x", zone=(SQUARE,), line=(GATE,)))

    async def watch() -> None:
        jpegs = scene.view.jpegs()
        seen = picture_of(await offered(scene, jpegs, grey(1600, 1200), tracks((400, 700, 600, 1100))))
        assert seen.shape == (LONGEST_PX * 3 // 4, LONGEST_PX, 3)
        changed = np.abs(seen.astype(int) - 90).max(axis=2) > 40
        for x, y in ((200, 400), (300, 500), (250, 550)):  # left, right and lower edge of the box
            assert changed[y - 3 : y + 4, x - 3 : x + 4].any()
        for x, y in ((80, 250), (720, 200), (400, 540)):  # edges of the zone
            assert changed[y - 3 : y + 4, x - 3 : x + 4].any()
        assert changed[297:304, 180:640].any(axis=0).mean() > 0.9  # the line
        assert changed[305:325, 390:410].any()  # and its way in, to the right of who walks to the second point
        assert not changed[420:440, 500:600].any()
        await jpegs.aclose()

    scene.run(watch())


def test_all_who_watch_get_the_same_and_pictures_come_back() -> None:
    scene = Scene()

    async def watch() -> None:
        first, second = scene.view.jpegs(), scene.view.jpegs()
        asking = asyncio.ensure_future(anext(second))
        one = await offered(scene, first, grey(), tracks((10, 10, 60, 200)))
        assert await asking == one
        await first.aclose()
        await second.aclose()

    scene.run(watch())
    scene.view.offer(grey(), tracks())
    kept = [id(image) for image in scene.back]
    assert len(set(kept)) == len(kept) > 1


def chip_height(picture: Image) -> int:
    """How high the label of the one track is: rows that are wholly of its colour left of the text."""
    column = picture[:, picture.shape[1] // 2 + 2].astype(int)
    return int((np.abs(column - 90).max(axis=1) > 40).sum())


def test_each_gets_the_size_that_was_asked_for_with_names_that_can_be_read_in_it() -> None:
    scene = Scene()

    async def watch() -> None:
        views = {size: scene.view.jpegs(size) for size in SIZES}
        others = [asyncio.ensure_future(anext(views[size])) for size in ("medium", "large")]
        small = await offered(scene, views["small"], grey(1600, 900), tracks((800, 400, 1000, 899)))
        medium, large = [
            picture_of(await offered(scene, views[size], grey(1600, 900), tracks((800, 400, 1000, 899))))
            for size in ("medium", "large")
        ]
        await asyncio.gather(*others, return_exceptions=True)
        assert [picture.shape[1] for picture in (picture_of(small), medium, large)] == [480, 800, 1280]
        for picture in (picture_of(small), medium, large):
            assert chip_height(picture) >= 15  # digits of 10 pixels or more, and the rim
        assert len(scene.view._drawn) == 3
        for view in views.values():
            await view.aclose()
        assert not scene.view._drawn

    scene.run(watch())


def chip_width(picture: Image) -> int:
    """How wide the label of the one track is."""
    rows = (np.abs(picture.astype(int) - 90).max(axis=2) > 40).sum(axis=1)
    return int(rows[:130].max())


def test_a_speed_that_is_known_stands_behind_the_number() -> None:
    scene = Scene()

    async def watch() -> None:
        jpegs = scene.view.jpegs()
        widths = []
        for speeds_mps in ({}, {1: 1.4}, {2: 1.4}):
            asking = asyncio.ensure_future(anext(jpegs))
            while not asking.done():
                scene.view.offer(grey(), tracks((100, 140, 160, 230)), lambda known=speeds_mps: known)  # type: ignore[misc]
                await asyncio.sleep(0.01)
            widths.append(chip_width(picture_of(asking.result())))
        await jpegs.aclose()
        assert widths[1] > 3 * widths[0]
        assert widths[2] == widths[0]  # somebody else's

    scene.run(watch())


def test_speeds_are_not_worked_out_for_nobody() -> None:
    def speeds() -> dict[int, float]:
        raise AssertionError("nobody watches")

    Scene().view.offer(grey(), tracks(), speeds)


def test_the_rate_is_bounded_and_a_slow_viewer_gets_the_newest() -> None:
    scene = Scene()
    stop, count = threading.Event(), 0

    def fill() -> None:
        nonlocal count
        while not stop.wait(0.002):  # 500 a second
            count += 1
            scene.view.offer(np.full((64, 64, 3), count % 250, np.uint8), tracks())

    async def watch() -> None:
        quick, slow = scene.view.jpegs(), scene.view.jpegs()
        began_s = time.monotonic()
        for _ in range(8):
            await anext(quick)
        assert time.monotonic() - began_s >= 7 / RATE - 0.02
        await anext(slow)
        for _ in range(8):
            newest = await anext(quick)
        level = int(picture_of(await anext(slow)).mean())
        assert (level - int(picture_of(newest).mean())) % 250 < 120  # as new as anyone's, not what it missed
        await quick.aclose()
        await slow.aclose()

    thread = threading.Thread(target=fill)
    thread.start()
    try:
        scene.run(watch())
    finally:
        stop.set()
        thread.join()


def test_drawing_that_takes_long_is_done_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene()

    def slowly(sizes: list[object], picture: object) -> list[bytes]:
        time.sleep(0.1)
        return [b"x"]

    monkeypatch.setattr(scene.view, "_encoded", slowly)

    async def watch() -> None:
        jpegs = scene.view.jpegs()
        began_s = time.monotonic()
        for _ in range(3):
            await offered(scene, jpegs, grey(), tracks())
        assert time.monotonic() - began_s > 0.8  # two rests of .3 s and more, three drawings of .1 s
        await jpegs.aclose()

    scene.run(watch())


def test_who_comes_later_sees_nothing_of_before() -> None:
    scene = Scene()

    async def watch() -> None:
        jpegs = scene.view.jpegs()
        await offered(scene, jpegs, grey(), tracks((10, 10, 60, 200)))
        await jpegs.aclose()
        jpegs = scene.view.jpegs()
        asking = asyncio.ensure_future(anext(jpegs))
        await asyncio.sleep(0.3)
        assert not asking.done()
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        assert not scene.view._watchers

    scene.run(watch())


def test_a_view_that_is_closed_lets_its_viewers_go() -> None:
    scene = Scene()

    async def watch() -> None:
        waiting = asyncio.ensure_future(anext(scene.view.jpegs(), b"end"))
        await asyncio.sleep(0.05)
        scene.view.close()
        assert await waiting == b"end"

    scene.run(watch())


def test_odd_tracks_are_drawn_without_harm() -> None:
    scene = Scene()
    odd = tracks((-1e6, -1e6, 1e6, 1e6), (5, 5, 6, 6), (1e5, 1e5, 2e5, 2e5))

    async def watch() -> None:
        jpegs = scene.view.jpegs()
        assert picture_of(await offered(scene, jpegs, grey(20, 3000), odd)).shape[0] == LONGEST_PX
        await jpegs.aclose()

    scene.run(watch())


def test_what_nobody_shall_see_is_hidden() -> None:
    right = Mask("privacy", ((0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0)))
    scene = Scene(CameraConfig("door", "rtsp://x", mask=(right, Mask("exclude", SQUARE.points))))
    image = np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8)

    async def watch() -> None:
        jpegs = scene.view.jpegs()
        picture = picture_of(await offered(scene, jpegs, image, tracks()))
        assert picture[:, :150].std() > 2 * picture[:, 170:].std()
        await jpegs.aclose()

    scene.run(watch())
