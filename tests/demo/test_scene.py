"""The built-in scene: what its address says, that it repeats itself, and that its truth is true."""

import itertools

import numpy as np
import pytest

from edge.demo.camera import between
from edge.demo.scene import Options, Scene, parse
from edge.errors import UsageError
from edge.types import Image

SMALL = "demo://?people=12&seed=5&frames=4&size=480x270&fps=10"


def test_an_address_says_everything() -> None:
    scene = Scene.from_url("demo://?people=7&seed=3&frames=5&size=320x200&fps=12.5&camera=moving")
    assert scene.options == Options(7, 3, 5, (320, 200), 12.5, "moving")
    assert (scene.size, scene.frame_rate, scene.frame_count) == ((320, 200), 12.5, 5)
    assert Scene.from_url("demo://").options == Options()
    assert Scene.from_url("demo://").frame_count is None


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("poeple=3", "unknown option 'poeple'"),
        ("people=3&waiting=4", "waiting=4: expected at most people=3"),
        ("people=0", "from 1 to 200"),
        ("people=2.5", "a whole number"),
        ("seed=x", "seed=x"),
        ("fps=nan", "from 1 to 240"),
        ("size=1280", "WIDTHxHEIGHT"),
        ("size=10x10", "from 64"),
        ("camera=flying", "still or moving"),
    ],
)
def test_mistakes_in_an_address_are_named(query: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        parse(f"demo://?{query}")


def test_a_path_in_an_address_is_refused() -> None:
    with pytest.raises(UsageError, match="after a question mark"):
        parse("demo://people=3")


def test_frames_are_numbered_timed_and_of_the_size_asked_for() -> None:
    frames = [frame for frame, _ in Scene.from_url(SMALL)]
    assert [frame.number for frame in frames] == [1, 2, 3, 4]
    np.testing.assert_allclose([frame.time_s for frame in frames], [0, 0.1, 0.2, 0.3])
    assert all(frame.image.shape == (270, 480, 3) and frame.image.dtype == np.uint8 for frame in frames)


def test_the_same_seed_gives_the_same_bits_and_another_one_does_not() -> None:
    first, again = list(Scene.from_url(SMALL)), list(Scene.from_url(SMALL))
    for (a, truth_a), (b, truth_b) in zip(first, again, strict=True):
        np.testing.assert_array_equal(a.image, b.image)
        np.testing.assert_array_equal(truth_a.boxes_xyxy, truth_b.boxes_xyxy)
        np.testing.assert_array_equal(truth_a.visibility, truth_b.visibility)
    other, _ = next(iter(Scene.from_url(SMALL.replace("seed=5", "seed=6"))))
    assert np.abs(first[0][0].image.astype(int) - other.image).mean() > 5


def test_the_frame_rate_does_not_change_what_happens() -> None:
    slow = list(Scene.from_url("demo://?people=10&seed=2&frames=3&size=320x180&fps=5"))
    fast = list(Scene.from_url("demo://?people=10&seed=2&frames=21&size=320x180&fps=50"))
    for (_, a), (_, b) in zip(slow, fast[::10], strict=True):
        np.testing.assert_array_equal(a.ids, b.ids)
        np.testing.assert_allclose(a.boxes_xyxy, b.boxes_xyxy, atol=1e-3)


@pytest.mark.parametrize("camera", ["still", "moving"])
def test_a_slow_frame_rate_does_not_blur(camera: str) -> None:
    def at_one_second(fps: int) -> Image:
        scene = Scene.from_url(f"demo://?people=20&seed=2&size=640x360&camera={camera}&fps={fps}")
        return next(frame.image for frame, _ in scene if frame.time_s >= 1 - 1e-9)

    np.testing.assert_array_equal(at_one_second(1), at_one_second(30))


def test_truth_is_consistent() -> None:
    for _, truth in Scene.from_url("demo://?people=20&seed=8&frames=5&size=480x270&fps=1"):
        count = len(truth.ids)
        assert count > 5
        assert truth.boxes_xyxy.shape == (count, 4)
        assert truth.boxes_xyxy.dtype == np.float32
        assert len(set(truth.ids.tolist())) == count
        assert 1 <= truth.ids.min() <= truth.ids.max() <= 20
        assert (truth.boxes_xyxy[:, 2:] > truth.boxes_xyxy[:, :2]).all()
        assert truth.boxes_xyxy.min() >= 0
        assert (truth.boxes_xyxy <= np.array([480, 270, 480, 270])).all()
        assert truth.visibility.min() >= 0
        assert truth.visibility.max() <= 1


def test_boxes_hold_the_person_that_is_drawn() -> None:
    """One person alone: what changes between two pictures lies in the boxes or the shadows below them."""
    stage = Options(people=1, seed=4, size=(640, 360)).stage()
    stage._traffic.cars.clear()
    stage._sensor.expose = lambda picture, time_s, motion: picture  # type: ignore[method-assign]
    for time_s in np.arange(0, 30, 1.0):
        stage.advance(float(time_s))
        image, truth = stage.shoot(1 / 30)
        if len(truth.ids) and truth.visibility[0] > 0.95:
            changed = np.abs(image.astype(int) - stage._background).max(2) > 30
            x0, y0, x1, y1 = truth.boxes_xyxy[0]
            middle = changed[: int((y0 + y1) / 2)]  # above the waist: no shadow falls there that is not on the person
            rows, columns = np.nonzero(middle)
            assert len(rows)
            assert columns.min() >= x0 - 2 - (x1 - x0)
            assert y0 - 2 <= rows.min() <= y0 + 0.12 * (y1 - y0)
            return
    pytest.fail("nobody came")


def test_people_hide_each_other_and_leave_and_come_back() -> None:
    ids, lowest = [], 1.0
    for _, truth in Scene.from_url("demo://?people=20&seed=1&frames=60&size=320x180&fps=1"):
        ids.append(set(truth.ids.tolist()))
        lowest = min(lowest, float(truth.visibility.min()))
    assert lowest < 0.3
    back = [
        person
        for person in set.union(*ids)
        if "".join("1" if person in seen else "0" for seen in ids).strip("0").count("0") > 0
    ]
    assert len(back) >= 5


def test_nearer_people_are_larger() -> None:
    stage = Options(people=30, seed=3, size=(640, 360)).stage()
    _, truth = stage.shoot(1 / 30)
    whole = truth.visibility > 0.9
    heights = (truth.boxes_xyxy[:, 3] - truth.boxes_xyxy[:, 1])[whole]
    feet = truth.boxes_xyxy[whole, 3]
    clearly_nearer = feet[:, None] > feet[None] + 60  # bodies differ, so a little nearer is not enough
    assert clearly_nearer.sum() >= 10
    assert (heights[:, None] > heights[None])[clearly_nearer].all()
    assert heights.max() > 2.5 * heights.min()


def test_an_endless_scene_remembers_no_more_cars_than_there_are() -> None:
    stage = parse("demo://?people=1&size=160x90").stage()
    seen: set[object] = set()
    for second in range(0, 600, 10):
        stage.advance(float(second))
        stage.shoot(0.1)
        seen |= stage._car_bodies.keys()
    assert len(stage._car_bodies) <= len(stage._traffic.cars) < len(seen)


def test_a_moving_camera_says_how_it_moved() -> None:
    stage = Options(people=3, seed=1, size=(640, 360), camera="moving").stage()
    stage._traffic.cars.clear()
    point = np.array([320.0, 60.0])  # on a house
    before = stage.camera.view(1.0)
    stage.advance(1.0)
    stage.shoot(1 / 30)
    stage.advance(1.2)
    _, truth = stage.shoot(1 / 30)
    after = stage.camera.view(1.2)
    seen_before = before[:, :2] @ point + before[:, 2]
    seen_after = after[:, :2] @ point + after[:, 2]
    assert np.abs(seen_after - seen_before).max() > 1
    np.testing.assert_allclose(truth.motion[:, :2] @ seen_before + truth.motion[:, 2], seen_after, atol=1e-9)


def test_motion_is_the_identity_for_a_still_camera() -> None:
    for _, truth in itertools.islice(iter(Scene.from_url(SMALL)), 2):
        np.testing.assert_array_equal(truth.motion, np.eye(2, 3))
    np.testing.assert_allclose(between(np.eye(2, 3), np.eye(2, 3)), np.eye(2, 3))


def test_pictures_have_light_and_texture() -> None:
    frame, _ = next(iter(Scene.from_url("demo://?people=20&seed=0&frames=1&size=640x360")))
    assert 60 < frame.image.mean() < 190
    assert frame.image.std() > 25
    noise = frame.image[300:350, 100:500].astype(float)
    assert np.abs(np.diff(noise, axis=1)).mean() > 1


def views(seed: int, **more: object) -> list[str]:
    options = "".join(f"&{key}={value}" for key, value in more.items())
    return [f"demo://?people=30&seed={seed}&street=4&view={view}&size=320x180&fps=5{options}" for view in range(1, 5)]


def test_a_street_shows_the_same_people_at_one_place_after_the_other() -> None:
    seen = []  # by view: the times at which each person is in the picture
    for url in views(7, frames=400):
        times: dict[int, list[float]] = {}
        for frame, truth in Scene.from_url(url):
            for person in truth.ids.tolist():
                times.setdefault(person, []).append(frame.time_s)
        seen.append(times)
    for one, other in itertools.combinations(range(4), 2):
        shared = set(seen[one]) & set(seen[other])
        for person in shared:  # nobody is in two places, nor walks from one to the next faster than people do
            gaps = np.abs(np.subtract.outer(seen[one][person], seen[other][person]))
            assert gaps.min() > abs(other - one) * 3.0
    assert sum(len(set(times)) for times in seen) > 60
    visits = [sum(person in times for times in seen) for person in range(1, 31)]
    assert np.mean([count >= 2 for count in visits]) > 0.5


def test_the_views_of_a_street_differ_in_light_and_colour() -> None:
    means = []
    for url in views(3, frames=1):
        frame, _ = next(iter(Scene.from_url(url)))
        means.append(frame.image[-40:].mean((0, 1)))
    ratios = np.array(means) / np.mean(means, axis=1, keepdims=True)
    assert np.ptp(means, axis=0).max() > 10
    assert np.ptp(ratios, axis=0).max() > 0.02


def test_a_street_gives_the_same_pictures_every_time() -> None:
    one, other = (next(iter(Scene.from_url(views(5, frames=1)[2])))[0] for _ in range(2))
    np.testing.assert_array_equal(one.image, other.image)


def test_a_view_that_the_street_lacks_is_refused() -> None:
    with pytest.raises(UsageError, match="view=5: expected a camera of the street: street=5 or more"):
        Scene.from_url("demo://?street=4&view=5")
    with pytest.raises(UsageError, match="view=2: expected a camera"):
        Scene.from_url("demo://?view=2")
