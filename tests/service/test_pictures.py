"""Which events get a picture, what it is called, and what is hidden in it."""

import dataclasses
from typing import Any, Literal

import numpy as np

from edge.drawing.masks import PrivacyMask
from edge.events import NO_FILES, CameraChanged, Event, LineCrossed, Moment, Observed, ZoneAction, ZoneChanged
from edge.service.pictures import LONGEST_CLIP_S, Pictures
from edge.settings.config import Clips, Snapshots
from edge.sinks.pictures.clips import LONGEST_PX, RATE
from tests.sinks.pictures.frames import NOON_S, ORIGIN, grey, pictured

ALL: tuple[Literal["new", "line", "zone", "stay"], ...] = ("new", "line", "zone", "stay")


class Scene:
    """The pictures of one camera, and what was left for the outputs."""

    def __init__(self, snapshots: Any = None, clips: Any = None, mask: Any = ()) -> None:
        self.settings = snapshots, clips
        self.put: list[tuple[str, Event]] = []
        self.pictures = Pictures(
            lambda: self.settings, lambda *put: self.put.append(put), PrivacyMask(mask), lambda: NOON_S
        )

    def frame(self, time_s: float, *followers: Event, ages: tuple[int, int] = (5, 5)) -> tuple[Observed, list[Event]]:
        frame = dataclasses.replace(pictured(time_s, grey(128)), image=None, ages=ages)
        named, rest = self.pictures.named(frame, followers)
        self.pictures.take(named, grey(128, (1920, 1080)))
        return named, rest

    def left(self, name: str) -> list[Observed]:
        return [event for output, event in self.put if output == name and isinstance(event, Observed)]


def crossed(id_: int = 4) -> LineCrossed:
    return LineCrossed(ORIGIN, Moment(1.0, None), "gate", id_, "in", 1, 0)


def zone(action: ZoneAction, id_: int = 4) -> ZoneChanged:
    return ZoneChanged(ORIGIN, Moment(1.0, None), "till", id_, action, 0.0, 1)


def test_without_settings_nothing_is_named_and_no_picture_taken() -> None:
    scene = Scene()
    named, (event,) = scene.frame(1.0, crossed(), ages=(0, 5))
    assert (named.files, named.clip, event.files) == ({}, "", NO_FILES)  # type: ignore[union-attr]
    assert scene.put == []


def test_events_that_are_asked_for_get_a_picture_and_no_others() -> None:
    scene = Scene(Snapshots("f", on=("line", "stay"), longest_px=640))
    named, events = scene.frame(1.0, zone("enter"), zone("leave"), crossed(7), ages=(0, 5))
    assert [event.files.snapshot for event in events] == ["", "", "2026-09-21/door-141321.000-7.jpg"]  # type: ignore[union-attr]
    assert list(named.files) == [7]
    (left,) = scene.left("snapshots")
    assert left.image is not None
    assert left.image.shape == (360, 640, 3)
    np.testing.assert_allclose(left.tracks.boxes_xyxy, named.tracks.boxes_xyxy / 3, rtol=1e-6)
    assert scene.left("clips") == []


def test_who_is_new_or_stays_gets_one_picture_even_if_two_things_happen_at_once() -> None:
    scene = Scene(Snapshots("f", on=ALL))
    named, events = scene.frame(1.0, zone("stay"), crossed(), ages=(0, 0))
    assert {files.snapshot for files in named.files.values()} == {
        "2026-09-21/door-141321.000-4.jpg", "2026-09-21/door-141321.000-7.jpg",
    }  # fmt: skip
    assert {event.files for event in events} == {named.files[4]}  # type: ignore[union-attr]
    assert len(scene.left("snapshots")) == 1


def test_who_is_not_in_the_picture_any_more_gets_none() -> None:
    named, (event,) = Scene(Snapshots("f", on=ALL)).frame(1.0, crossed(99))
    assert (named.files, event.files) == ({}, NO_FILES)  # type: ignore[union-attr]


def test_a_clip_goes_on_while_more_happens_but_not_for_ever() -> None:
    scene = Scene(clips=Clips("f", after_s=5.0))
    names = {}
    for tenth in range(1000):
        time_s = tenth / 10
        happens = time_s in (1.0, 4.0) or time_s > 20
        named, _ = scene.frame(time_s, *([crossed()] if happens else []))
        names[time_s] = named.clip
    first = names[1.0]
    assert first == "2026-09-21/door-141321.000-4.webm"
    assert names[0.9] == "" == names[9.1]
    assert names[4.0] == names[9.0] == first
    runs = [name for name in dict.fromkeys(names.values()) if name]
    assert len(runs) == 3  # the first, and two of a minute
    lengths = [sum(name == run for name in names.values()) / 10 for run in runs]
    assert max(lengths) <= LONGEST_CLIP_S + 0.2
    assert scene.left("clips")[0].image.shape[1] == LONGEST_PX  # type: ignore[union-attr]


def test_frames_for_clips_come_at_their_rate() -> None:
    scene = Scene(clips=Clips("f"))
    for i in range(300):
        scene.frame(i / 30)
    assert abs(len(scene.left("clips")) - 10 * RATE) <= 2
    times = [frame.at.time_s for frame in scene.left("clips")]
    assert min(np.diff(times)) > 0.4 / RATE


def test_a_camera_that_goes_ends_its_clip() -> None:
    scene = Scene(clips=Clips("f"))
    first, _ = scene.frame(1.0, crossed())
    scene.pictures.note(CameraChanged(ORIGIN, Moment(1.5, None), "offline", ""))
    assert isinstance(scene.put[-1][1], CameraChanged)
    second, _ = scene.frame(2.0, crossed())
    assert first.clip != second.clip


def test_what_nobody_shall_see_is_hidden_before_it_leaves_the_loop() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (360, 640, 3), dtype=np.uint8)
    scene = Scene(Snapshots("f", on=ALL), Clips("f", on=ALL), [[(0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0)]])
    frame = dataclasses.replace(pictured(1.0, grey(128)), image=None, ages=(0, 0))
    scene.pictures.take(scene.pictures.named(frame, [])[0], image)
    for (left,) in (scene.left("snapshots"), scene.left("clips")):
        assert left.image is not None
        assert (left.image[:, :320] == image[:, :320]).all()
        assert left.image[:, 320:].std() < 0.3 * image[:, 320:].std()
    assert image[:, 320:].std() > 70  # the tracker's own picture is as it was
